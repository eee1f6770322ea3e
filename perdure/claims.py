"""What stands in a history for a payload that lies in the blob store, with proof that it belongs there."""

import hmac
import json
from collections.abc import Mapping, Sequence

from temporalio.api.common.v1 import Payload

from perdure.domain.errors import KeyUnknown, Tampered
from perdure.keyring import Keyring
from perdure.sealing import refuse_moved

__all__ = ["CLAIM", "claim_for", "claimed", "unclaimed"]

CLAIM = "perdure/claim"
"""Metadata of a payload on its way from the store to the codec, which alone knows the run that it is for."""

PROOF_BYTES = 16


def claim_for(address: str, place: bytes, keyring: Keyring | None) -> dict[str, str]:
    """The claim to a blob. With keys it holds for one place only, and nobody else can make one."""
    if keyring is None:
        return {"blob": address}
    proof = _proof(keyring, keyring.first.id, address, place)
    return {"blob": address, "place": place.hex(), "key": keyring.first.id, "proof": proof.hex()}


def claimed(payload: Payload, claim: Mapping[str, str]) -> Payload:
    """The payload with the claim by which it was found; `unclaimed` takes it off again."""
    found = Payload()
    found.CopyFrom(payload)
    found.metadata[CLAIM] = json.dumps(dict(claim)).encode()
    return found


def unclaimed(payload: Payload, keyring: Keyring | None, places: Sequence[bytes]) -> Payload:
    """Check the claim against the places that the payload may come from (none: anywhere) and take it off."""
    claim: dict[str, str] = json.loads(payload.metadata[CLAIM])
    address = claim["blob"]
    try:
        place, proof = bytes.fromhex(claim["place"]), bytes.fromhex(claim["proof"])
    except (KeyError, ValueError):
        raise Tampered(f"the claim to the blob {address} has no proof") from None
    refuse_moved(place, places)
    if keyring is None or keyring.get(claim.get("key", "")) is None:
        raise KeyUnknown(f"the claim to the blob {address} was made with key {claim.get('key')!r}, which is not here")
    if not hmac.compare_digest(proof, _proof(keyring, claim["key"], address, place)):
        raise Tampered(f"the claim to the blob {address} is not one of ours: it was changed, or moved from another run")
    plain = Payload()
    plain.CopyFrom(payload)
    del plain.metadata[CLAIM]
    return plain


def _proof(keyring: Keyring, key_id: str, address: str, place: bytes) -> bytes:
    key = keyring.get(key_id) or keyring.first
    return key.mac("claim", place + address.encode())[:PROOF_BYTES]
