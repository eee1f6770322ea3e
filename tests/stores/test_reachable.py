"""Which blobs are needed: found wherever an address stands, and followed from blob to blob."""

import json
from hashlib import sha256

import pytest

from perdure.domain.errors import BlobMissing, KeyUnknown
from perdure.stores.reachable import Reachable


class Shelf:
    """Blobs in memory; the addresses in `locked` cannot be read."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.locked: set[str] = set()
        self.reads = 0

    def add(self, data: bytes) -> str:
        """Store, and return the address."""
        address = sha256(data).hexdigest()[:40]
        self.stored[address] = data
        return address

    async def put(self, data: bytes) -> str:
        """See Blobs."""
        return self.add(data)

    async def get(self, address: str) -> bytes:
        """See Blobs."""
        self.reads += 1
        if address in self.locked:
            raise KeyUnknown("no key")
        if address not in self.stored:
            raise BlobMissing("gone")
        return self.stored[address]


async def as_is(stored: bytes) -> bytes:
    """Nothing was packed."""
    return stored


async def reached(shelf: Shelf, content: str) -> set[str]:
    """What the content needs."""
    found = Reachable(shelf, set(shelf.stored), as_is)
    await found.add(content.encode())
    return found.addresses


WAYS = [
    "see blob:{} for the rest",
    '{{"blob":"{}","size":3}}',
    '"{{\\"blob\\": \\"{}\\"}}"',
    '{{"driverName":"perdure","claimData":{{"blob":"{}","place":"00ff"}}}}',
    "{}",
    "\x28{}\x32",
    r'{{"text": "escapes like \b{} and more"}}',
    "a" * 50 + "{}" + "a" * 50,
]


@pytest.mark.parametrize("way", WAYS)
async def test_an_address_is_found_in_every_form(way: str) -> None:
    """In text and JSON, in JSON within JSON, beside other hex digits."""
    shelf = Shelf()
    address = shelf.add(b"content")
    shelf.add(b"other")
    assert await reached(shelf, way.format(address)) == {address}


async def test_mentions_are_followed_and_each_blob_is_read_once() -> None:
    """A page names a result that names another, and all name the page."""
    shelf = Shelf()
    last = shelf.add(b"the end" + b" " * 100_000)
    middle = shelf.add(json.dumps([{"kind": "tool_result", "text": f"[... blob:{last} ...]", "blob": last}]).encode())
    first = shelf.add(json.dumps({"pages": [{"offset": 0, "count": 1, "blob": middle}]}).encode())
    shelf.add(b"nobody needs this")
    assert await reached(shelf, f"blob:{first} blob:{first}") == {first, middle, last}
    assert shelf.reads == 3


async def test_what_was_packed_is_looked_into() -> None:
    """Payloads lie in the store as they travel."""
    shelf = Shelf()
    inner = shelf.add(b"inner")
    outer = shelf.add(b"packed")

    async def unpack(stored: bytes) -> bytes:
        return f"blob:{inner}".encode() if stored == b"packed" else stored

    found = Reachable(shelf, set(shelf.stored), unpack)
    await found.add(f"blob:{outer}".encode())
    assert found.addresses == {outer, inner}


async def test_handles_that_do_not_exist_are_no_trouble() -> None:
    """A model may make one up, and another clean-up may have been quicker."""
    shelf = Shelf()
    gone = shelf.add(b"gone")
    found = Reachable(shelf, {gone}, as_is)
    del shelf.stored[gone]
    await found.add(f"blob:{gone} blob:{'0' * 40}".encode())
    assert shelf.reads == 1


async def test_a_needed_blob_that_cannot_be_read_is_an_error() -> None:
    """Nobody can tell what it needs."""
    shelf = Shelf()
    shelf.locked.add(locked := shelf.add(b"locked"))
    with pytest.raises(KeyUnknown):
        await reached(shelf, f"blob:{locked}")
