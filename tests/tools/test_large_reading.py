"""The tool that reads stored results by their handle."""

from collections.abc import AsyncGenerator
from hashlib import sha256

import pytest

from perdure.domain.errors import BlobMissing, StoreUnavailable
from perdure.domain.tools import CallOutcome, Effect, ToolCall
from perdure.tools import CallInfo, Registry, ToolHost
from perdure.tools.builtin import configure_blobs, register_builtins

TEXT = "".join(f"row {number}: ü\n" for number in range(10_000))


class Shelf:
    """A store that holds what it was made with and counts how often it is read."""

    def __init__(self, *contents: bytes) -> None:
        self.stored = {sha256(data).hexdigest()[:40]: data for data in contents}
        self.reads = 0
        self.down = False

    async def put(self, data: bytes) -> str:
        """See Blobs."""
        raise AssertionError(data[:20])

    async def get(self, address: str) -> bytes:
        """See Blobs."""
        self.reads += 1
        if self.down:
            raise StoreUnavailable("the store does not answer")
        if address not in self.stored:
            raise BlobMissing(f"there is no blob {address} in memory")
        return self.stored[address]


class Reader:
    """Calls read_blob as a worker would."""

    def __init__(self, host: ToolHost, shelf: Shelf) -> None:
        self.shelf = shelf
        self.handle = "blob:" + next(iter(shelf.stored))
        self._host = host

    async def __call__(self, **arguments: str | int) -> CallOutcome:
        """Read; by default the first blob."""
        call = ToolCall(number=1, tool="read_blob", arguments={"handle": self.handle, **arguments}, key="k")
        return await self._host.run(call, CallInfo(workflow_id="run"))


@pytest.fixture
async def read() -> AsyncGenerator[Reader]:
    """A worker's read_blob over a store with a text and bytes that are none."""
    registry, shelf = Registry(), Shelf(TEXT.encode(), b"\xff\xfe")
    register_builtins(registry)
    configure_blobs(shelf)
    host = ToolHost(registry)
    yield Reader(host, shelf)
    await host.close()
    configure_blobs(None)


async def test_ranges_join_to_the_whole(read: Reader) -> None:
    """Each answer says where to go on; positions are characters."""
    parts: list[str] = []
    offset = 0
    while offset < len(TEXT):
        head, part = (await read(offset=offset, length=20_000)).text.split("\n", 1)
        end = min(offset + 20_000, len(TEXT))
        more = f"; go on with offset={end}" if end < len(TEXT) else ""
        assert head == f"characters {offset}-{end} of {len(TEXT)}{more}"
        parts.append(part)
        offset = end
    assert "".join(parts) == TEXT
    assert read.shelf.reads == 1


async def test_a_bare_address_and_the_default_range(read: Reader) -> None:
    """Without `blob:`, the first 8,000 characters."""
    outcome = await read(handle=read.handle.removeprefix("blob:"))
    assert outcome.text == f"characters 0-8000 of {len(TEXT)}; go on with offset=8000\n{TEXT[:8000]}"


async def test_words_are_found_with_their_places(read: Reader) -> None:
    """The first matches in context; a further call goes on after them."""
    outcome = await read(find="row 77")
    first, *matches = outcome.text.splitlines()
    assert first.startswith(f"20 of 111 matches from 0 on, of {len(TEXT)} characters; go on with offset=")
    assert len(matches) == 20
    place = int(matches[0].removeprefix("at ").split(":")[0])
    assert TEXT[place:].startswith("row 77: ü\n")
    assert "row 76: ü row 77: ü row 78: ü" in matches[0]
    following = await read(find="row 77", offset=int(first.rsplit("=", 1)[1]))
    assert following.text.startswith("20 of 91 matches")


async def test_the_last_match_is_the_end(read: Reader) -> None:
    """Nothing to go on with; a text that is not there has no match."""
    last, none = await read(find="row 9999:"), await read(find="ROW")
    assert last.text.startswith(f"1 of 1 matches from 0 on, of {len(TEXT)} characters\nat ")
    assert none.text == f"0 of 0 matches from 0 on, of {len(TEXT)} characters"


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"handle": "blob:xyz"}, "EXECUTION_ERROR", "'blob:xyz' is not a handle; one looks like blob:0123"),
        ({"handle": "../../etc/passwd"}, "EXECUTION_ERROR", "is not a handle"),
        ({"handle": "blob:" + "0" * 40}, "EXECUTION_ERROR", "there is no blob:0000"),
        ({"handle": sha256(b"\xff\xfe").hexdigest()[:40]}, "EXECUTION_ERROR", "is not text"),
        ({"offset": len(TEXT)}, "EXECUTION_ERROR", f"the text has {len(TEXT)} characters, from 0"),
        ({"offset": -1}, "INVALID_ARGUMENTS", "offset"),
        ({"length": 20_001}, "INVALID_ARGUMENTS", "length"),
        ({"length": 0}, "INVALID_ARGUMENTS", "length"),
    ],
)
async def test_what_cannot_be_read(read: Reader, arguments: dict[str, str | int], error: str, words: str) -> None:
    """An error that the model can act on."""
    outcome = await read(**arguments)
    assert (outcome.error, outcome.unknown) == (error, False)
    assert words in outcome.text


async def test_a_store_that_is_down(read: Reader) -> None:
    """Is said; the next call asks it again."""
    read.shelf.down = True
    down = await read()
    read.shelf.down = False
    assert down.text == "StoreUnavailable: the store does not answer"
    assert (await read()).error == ""


async def test_a_worker_without_a_store(read: Reader) -> None:
    """Says so."""
    configure_blobs(None)
    assert (await read()).text == "BlobError: this worker has no blob store"


def test_what_it_reads_is_foreign() -> None:
    """A pure tool, whose text may have been written by strangers."""
    registry = Registry()
    register_builtins(registry)
    spec = next(spec for spec in registry.specs() if spec.name == "read_blob")
    assert (spec.effect, spec.untrusted) == (Effect.PURE, True)
