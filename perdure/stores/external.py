"""Temporal's external storage over our blob store: a large payload lies there, history holds a claim to it."""

from collections.abc import Sequence

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from perdure.claims import claim_for, claimed
from perdure.compression import off_loop
from perdure.domain.errors import Tampered
from perdure.domain.ports import Blobs
from perdure.keyring import Keyring
from perdure.sealing import NOWHERE, PLACE_BYTES, SEALED, unseal
from perdure.stores.blobs import address_of

__all__ = ["NAME", "THRESHOLD", "BlobDriver", "external_storage"]

NAME = "perdure"
THRESHOLD = 256 * 1024
"""Size of an encoded payload in bytes from which it goes to the store."""


class BlobDriver(StorageDriver):
    """Stores payloads by their content.

    Temporal encrypts before it stores, under a nonce of its own each time: equal content would never be stored once,
    and every replay would store again. So the encryption of the payload is taken off here, and the store puts its own
    on. Whatever does not come by here stays encrypted.
    """

    def __init__(self, blobs: Blobs, keyring: Keyring | None) -> None:
        self._blobs = blobs
        self._keyring = keyring

    def name(self) -> str:
        """See base class."""
        return NAME

    def type(self) -> str:
        """See base class."""
        return "perdure.blobs"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """See base class."""
        del context  # an encrypted payload says itself where it belongs
        return [StorageDriverClaim(await self._stored(payload)) for payload in payloads]

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """See base class; raises BlobMissing, StoreUnavailable, KeyUnknown, WrongKey or Tampered."""
        del context  # it is empty: the codec, which knows the run, checks the claim
        return [await self._retrieved(claim) for claim in claims]

    async def _stored(self, payload: Payload) -> dict[str, str]:
        place = NOWHERE
        if payload.metadata.get("encoding") == SEALED:
            place, sealed = payload.data[:PLACE_BYTES], payload
            payload = await off_loop(sealed.ByteSize(), lambda: unseal(sealed, self._keyring))
        address = await self._blobs.put(payload.SerializeToString(deterministic=True))
        return claim_for(address, place, self._keyring)

    async def _retrieved(self, claim: StorageDriverClaim) -> Payload:
        address = claim.claim_data.get("blob", "")
        content = await self._blobs.get(address)
        try:
            payload = Payload.FromString(content)
        except DecodeError:
            raise Tampered(f"the blob {address} does not hold a payload") from None
        if "proof" in claim.claim_data:
            return claimed(payload, claim.claim_data)
        # A blob that was stored without encryption may be had by anybody, one that was encrypted may not.
        if await off_loop(len(content), lambda: address_of(content, None)) != address:
            raise Tampered(f"the claim to the blob {address} has no proof, although the blob is encrypted")
        return payload


def external_storage(blobs: Blobs, keyring: Keyring | None) -> ExternalStorage:
    """Configuration for a DataConverter."""
    return ExternalStorage(drivers=[BlobDriver(blobs, keyring)], payload_size_threshold=THRESHOLD)
