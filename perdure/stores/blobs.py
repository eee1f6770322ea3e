"""The blob store: content under an address made from it, and small named documents; sealed when there are keys."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Protocol

from perdure.compression import compress, expand, is_frame, off_loop
from perdure.domain.errors import BlobMissing, Tampered
from perdure.keyring import Key, Keyring, Purpose, open_sealed

__all__ = ["BlobStore", "ObjectStore", "address_of", "is_address"]

ADDRESS_DIGITS = 40
FRESH = timedelta(minutes=10)
"""An age below which a blob is not made younger again: on S3 that is a copy. Clean-up spares what is younger."""


class ObjectStore(Protocol):
    """What is needed of `perdure.stores.objects.Objects`."""

    @property
    def where(self) -> str:
        """The place in messages."""
        ...

    async def put(self, key: str, data: bytes) -> None:
        """Create or replace."""
        ...

    async def touch(self, key: str) -> bool:
        """Let the age start anew; False: there is none."""
        ...

    async def modified(self, key: str) -> datetime | None:
        """When it was last put or touched; None: there is none."""
        ...

    async def get(self, key: str) -> bytes:
        """Return the bytes; BlobMissing when there are none."""
        ...

    async def delete(self, key: str) -> None:
        """Remove it, if it is there."""
        ...


def address_of(data: bytes, key: Key | None) -> str:
    """40 hex digits: SHA-256 of the content, or HMAC-SHA256 under the key, so that nobody can test a guess."""
    digest = sha256(data).digest() if key is None else key.mac("address", data)
    return digest.hex()[:ADDRESS_DIGITS]


def is_address(text: str) -> bool:
    """Whether this can be the address of a blob."""
    return len(text) == ADDRESS_DIGITS and all(digit in "0123456789abcdef" for digit in text)


class BlobStore:
    """Implements `perdure.domain.ports.Blobs`; equal content under the same first key is stored once.

    After a change of keys older blobs are found under the address that was recorded and opened with their own key,
    for as long as it stays in the ring.
    """

    def __init__(self, objects: ObjectStore, keyring: Keyring | None = None) -> None:
        self._objects = objects
        self._keyring = keyring
        self._key = keyring.first if keyring is not None else None

    @property
    def where(self) -> str:
        """The place in messages, without secrets."""
        return self._objects.where

    async def put(self, data: bytes) -> str:
        """Store the bytes, or make those that are stored young again; returns their address."""
        address = await off_loop(len(data), lambda: address_of(data, self._key))
        path = blob_path(address)
        age = await self._objects.modified(path)
        if age is None:
            await self._objects.put(path, await off_loop(len(data), lambda: self._sealed("blob", data, address)))
        elif datetime.now(UTC) - age > FRESH and not await self._objects.touch(path):
            # A clean-up has removed it since we looked.
            await self._objects.put(path, await off_loop(len(data), lambda: self._sealed("blob", data, address)))
        return address

    async def get(self, address: str) -> bytes:
        """Return the content of an address, checked against it."""
        if not is_address(address):
            raise BlobMissing(f"{address!r} is not the address of a blob: those have {ADDRESS_DIGITS} hex digits")
        try:
            stored = await self._objects.get(blob_path(address))
        except BlobMissing:
            words = f"there is no blob {address} in {self.where}"
            raise BlobMissing(f"{words}; does this process look at the store (PERDURE_BLOBS) it was put in?") from None
        what = f"the blob {address} in {self.where}"
        data, plain = await off_loop(len(stored), lambda: self._opened("blob", stored, address, what))
        if plain and await off_loop(len(data), lambda: address_of(data, None)) != address:
            raise Tampered(f"{what} does not hold the content that its address was made from")
        return data

    async def write_document(self, name: str, data: bytes) -> None:
        """Keep a small document under a name, in the place of an earlier one."""
        first, *others = self._document_ids(name)
        await self._objects.put(document_path(first), self._sealed("document", data, first))
        for older in others:
            await self._objects.delete(document_path(older))

    async def read_document(self, name: str) -> bytes | None:
        """The document of this name, also one written under an older key; None: there is none."""
        for identity in self._document_ids(name):
            with suppress(BlobMissing):
                return await self.document_at(identity)
        return None

    async def document_at(self, identity: str) -> bytes:
        """Content of the document with this last part of its key; BlobMissing, KeyUnknown, WrongKey or Tampered."""
        stored = await self._objects.get(document_path(identity))
        return self._opened("document", stored, identity, f"the document {identity} in {self.where}")[0]

    async def delete_document(self, name: str) -> None:
        """Remove the document of this name, if there is one."""
        for identity in self._document_ids(name):
            await self._objects.delete(document_path(identity))

    def _document_ids(self, name: str) -> list[str]:
        """Under which hashes a document may lie, the one it is written under first."""
        keys = self._keyring.keys if self._keyring is not None else ()
        hashes = [key.mac("name", name.encode()) for key in keys] + [sha256(name.encode()).digest()]
        return [digest.hex()[:ADDRESS_DIGITS] for digest in hashes]

    def _sealed(self, purpose: Purpose, data: bytes, identity: str) -> bytes:
        frame = compress(data)
        # A zero byte in front: no zstd frame begins so.
        return frame if self._keyring is None else b"\0" + self._keyring.seal(purpose, frame, identity.encode())

    def _opened(self, purpose: Purpose, stored: bytes, identity: str, what: str) -> tuple[bytes, bool]:
        """Content, and whether it lay there without encryption."""
        plain = is_frame(stored)
        if not plain and not stored.startswith(b"\0"):
            raise Tampered(f"{what} is not what was stored")
        frame = stored
        if not plain:
            frame = open_sealed(self._keyring, purpose, stored[1:], identity.encode(), what=what)
        return expand(frame, what=what), plain


def blob_path(address: str) -> str:
    """Key of a blob in the object store."""
    return f"blobs/{address[:2]}/{address}"


def document_path(identity: str) -> str:
    """Key of a document in the object store."""
    return f"documents/{identity}"
