"""Encrypted payloads: bound to the run they were made for, and opened only there."""

from collections.abc import Sequence
from hashlib import sha256

from temporalio.api.common.v1 import Payload

from perdure.domain.errors import Tampered
from perdure.keyring import Keyring, open_sealed
from perdure.packing import PACKED, pack

__all__ = ["NOWHERE", "PLACE_BYTES", "SEALED", "place_of", "refuse_moved", "seal", "unseal"]

SEALED = b"perdure/aes"
"""Encoding of an encrypted payload. Its data: the place it belongs to, then what `Keyring.seal` made of `pack`."""

PLACE_BYTES = 10
NOWHERE = bytes(PLACE_BYTES)
"""Place of a payload that was made outside any workflow."""


def place_of(namespace: str, workflow_id: str) -> bytes:
    """Where a payload belongs: a hash, since every payload names it and ids are long."""
    return sha256(f"{namespace}\0{workflow_id}".encode()).digest()[:PLACE_BYTES]


def seal(payload: Payload, keyring: Keyring, place: bytes) -> Payload:
    """Compress and encrypt under the first key."""
    return Payload(metadata={"encoding": SEALED}, data=place + keyring.seal("payload", pack(payload), place))


def unseal(payload: Payload, keyring: Keyring | None, places: Sequence[bytes] = ()) -> Payload:
    """Take the encryption off and leave it packed; see `open_sealed` for errors.

    One that belongs to none of `places` is Tampered; where there are none, as in the codec server, its own word counts.
    """
    place, sealed = payload.data[:PLACE_BYTES], payload.data[PLACE_BYTES:]
    refuse_moved(place, places)
    return Payload(metadata={"encoding": PACKED}, data=open_sealed(keyring, "payload", sealed, place, what="a payload"))


def refuse_moved(place: bytes, places: Sequence[bytes]) -> None:
    """Raise Tampered for a payload of another place than those it may come from."""
    if places and place != NOWHERE and place not in places:
        raise Tampered("a payload was moved here from another run or namespace: it was encrypted for that one")
