"""The keys that encrypt what leaves a process: the first of the ring seals, every one of them opens."""

import base64
import binascii
import hmac
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from perdure.domain.errors import KeyUnknown, Tampered, WrongKey

__all__ = ["Key", "Keyring", "Purpose", "open_sealed"]

Purpose = Literal["payload", "blob", "document", "address", "name", "claim", "fingerprint"]
"""What a key is used for; each purpose has a key of its own, derived from the one in the settings."""

KEY_BYTES = 32
NONCE_BYTES = 12
MARK_BYTES = 4
KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
VALID = (
    "write id:key,id:key with ids of letters, digits and ._- and keys of 32 bytes in base64 (openssl rand -base64 32)"
)


@dataclass(frozen=True)
class Key:
    """One key under its id; `mark` tells it from another key that somebody gave the same id."""

    id: str
    secret: bytes = field(repr=False)

    @property
    def mark(self) -> bytes:
        """Four bytes that name the key and give nothing of it away."""
        return self.mac("fingerprint", b"")[:MARK_BYTES]

    def derived(self, purpose: Purpose) -> bytes:
        """The 32 bytes for one purpose: HKDF-Expand with SHA-256 (RFC 5869) of a key that is random already."""
        return hmac.digest(self.secret, f"perdure {purpose}".encode() + b"\x01", sha256)

    def mac(self, purpose: Purpose, data: bytes) -> bytes:
        """HMAC-SHA256 of the data, which only a holder of the key can make."""
        return hmac.digest(self.derived(purpose), data, sha256)


@dataclass(frozen=True)
class Keyring:
    """Keys by age: the first encrypts, all decrypt. AES-256-GCM with a key per place, so nonces never run out."""

    keys: Sequence[Key]

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """Read `id:base64,id:base64`. Raises ValueError that names the item by number and never quotes it."""
        items = [item.strip() for item in text.split(",") if item.strip()]
        if not items:
            raise ValueError(f"it holds no key; {VALID}")
        keys = [_parse_item(number, item) for number, item in enumerate(items, start=1)]
        ids = [key.id for key in keys]
        for number, name in enumerate(ids, start=1):
            if name in ids[: number - 1]:
                raise ValueError(f"item {number} has the id of item {ids.index(name) + 1}; {VALID}")
        return cls(tuple(keys))

    @property
    def first(self) -> Key:
        """The key that encrypts."""
        return self.keys[0]

    def get(self, key_id: str) -> Key | None:
        """The key of this id."""
        return next((key for key in self.keys if key.id == key_id), None)

    def seal(self, purpose: Purpose, data: bytes, place: bytes) -> bytes:
        """Encrypt under the first key. `place` says where the result belongs: it opens nowhere else."""
        key, nonce = self.first, os.urandom(NONCE_BYTES)
        head = bytes([len(key.id)]) + key.id.encode() + key.mark
        return head + nonce + AESGCM(key.mac(purpose, place)).encrypt(nonce, data, head + place)


def open_sealed(ring: Keyring | None, purpose: Purpose, sealed: bytes, place: bytes, *, what: str) -> bytes:
    """Decrypt what `Keyring.seal` made; `what` names it in messages.

    Raises KeyUnknown for a key id that the ring (None: no keys) does not have, WrongKey when that id is another key
    here, Tampered for bytes that were changed or belong to another place.
    """
    begin = 1 + sealed[0] if sealed else 1
    end = begin + MARK_BYTES
    if len(sealed) < end + NONCE_BYTES:
        raise Tampered(f"{what} is cut short: it is not what was encrypted")
    name = sealed[1:begin].decode("ascii", errors="replace")
    key = ring.get(name) if ring is not None else None
    if key is None:
        known = f"has {', '.join(key.id for key in ring.keys)}" if ring is not None else "is not set"
        raise KeyUnknown(f"{what} was encrypted under key {name!r}; PERDURE_ENCRYPTION_KEYS {known}: add that key")
    if not hmac.compare_digest(key.mark, sealed[begin:end]):
        raise WrongKey(f"{what} was encrypted under another key than the one PERDURE_ENCRYPTION_KEYS has for {name!r}")
    nonce, rest = sealed[end : end + NONCE_BYTES], sealed[end + NONCE_BYTES :]
    try:
        return AESGCM(key.mac(purpose, place)).decrypt(nonce, rest, sealed[:end] + place)
    except InvalidTag:
        raise Tampered(f"{what} is not what was encrypted: it was changed, or moved here from another place") from None


def _parse_item(number: int, item: str) -> Key:
    name, colon, encoded = item.partition(":")
    if not colon:
        raise ValueError(f"item {number} has no colon between id and key; {VALID}")
    if not KEY_ID.fullmatch(name):
        raise ValueError(f"item {number} has no valid id before its colon; {VALID}")
    try:
        secret = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"item {number} (id {name}) is not base64; {VALID}") from None
    if len(secret) != KEY_BYTES:
        raise ValueError(f"item {number} (id {name}) has {len(secret)} bytes instead of {KEY_BYTES}; {VALID}")
    return Key(name, secret)
