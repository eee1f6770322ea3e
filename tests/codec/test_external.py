"""Large payloads: stored once, never in plain text, and only for the run that they were made for."""

import random

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, StorageDriverWorkflowInfo, WorkflowSerializationContext

from perdure.domain.errors import BlobMissing, KeyUnknown, Tampered
from perdure.keyring import Keyring
from perdure.runtime import converter_for
from perdure.sealing import SEALED, place_of
from perdure.storage import Storage
from perdure.stores.blobs import BlobStore
from perdure.stores.external import BlobDriver, external_storage
from tests.codec.samples import NAMESPACE, Memory, chain, json_payload, ring

RINGS = pytest.mark.parametrize("keyring", [None, ring("a")], ids=["plain", "sealed"])
LARGE = "secret words " + random.Random(1).randbytes(2_500_000).hex()  # noqa: S311 - only hard to compress
"""About 5 MB, half of them after compression."""


def converter(objects: Memory, keyring: Keyring | None, run: str = "run-1") -> DataConverter:
    """The converter of a client or worker in one run."""
    whole = converter_for(Storage(BlobStore(objects, keyring), keyring, compression=False))
    return whole.with_context(WorkflowSerializationContext(namespace=NAMESPACE, workflow_id=run))


@RINGS
async def test_a_large_value_is_stored_once_however_often_it_is_encoded(keyring: Keyring | None) -> None:
    """A replay encodes again, and so does another run with the same value."""
    objects = Memory()
    for run in ("run-1", "run-1", "run-2"):
        payloads = await converter(objects, keyring, run).encode([LARGE, "small"])
        assert payloads[0].ByteSize() < 400
        assert await converter(objects, keyring, run).decode(payloads) == [LARGE, "small"]
    assert objects.puts == 1


async def test_a_claim_is_refused_in_another_run() -> None:
    """Whoever may write to the database cannot show one run the content of another."""
    objects = Memory()
    payloads = await converter(objects, ring("a")).encode([LARGE])
    with pytest.raises(Tampered, match="moved here from another run"):
        await converter(objects, ring("a"), "run-2").decode(payloads)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'"proof"', b'"proofs"', "has no proof, although the blob is encrypted"),
        (b'"place"', b'"places"', "has no proof"),
        (b'"proof": "', b'"proof": "00', "is not one of ours"),
        (b'"proof": "', b'"proof": "x', "has no proof"),
    ],
)
async def test_a_changed_claim_is_refused(old: bytes, new: bytes, words: str) -> None:
    """Nobody without the key can make one for a blob."""
    objects = Memory()
    [payload] = await converter(objects, ring("a")).encode([LARGE])
    data = payload.data.replace(b'":"', b'": "')
    assert old in data
    forged = Payload(metadata=payload.metadata, data=data.replace(old, new))
    with pytest.raises(Tampered, match=words):
        await converter(objects, ring("a")).decode([forged])


async def test_a_claim_cannot_be_made_out_to_another_run() -> None:
    """The place in it is part of what the proof is made from."""
    objects = Memory()
    [payload] = await converter(objects, ring("a")).encode([LARGE])
    own, other = (place_of(NAMESPACE, run).hex().encode() for run in ("run-1", "run-2"))
    forged = Payload(metadata=payload.metadata, data=payload.data.replace(own, other))
    assert forged != payload
    with pytest.raises(Tampered, match="is not one of ours"):
        await converter(objects, ring("a"), "run-2").decode([forged])


async def test_claims_live_through_a_change_of_keys() -> None:
    """Also those from before there were keys."""
    objects = Memory()
    plain = await converter(objects, None).encode([LARGE])
    old = await converter(objects, ring("a")).encode([LARGE])
    assert await converter(objects, ring("b", "a")).decode([*plain, *old]) == [LARGE, LARGE]
    for others in (ring("b"), None):
        with pytest.raises(KeyUnknown):
            await converter(objects, others).decode(old)


@RINGS
async def test_a_missing_blob_says_which_and_where(keyring: Keyring | None) -> None:
    """Whoever reads the error knows what to look for."""
    objects = Memory()
    payloads = await converter(objects, keyring).encode([LARGE])
    address = objects.blob().rpartition("/")[2]
    objects.content.clear()
    with pytest.raises(BlobMissing, match=f"there is no blob {address} in memory"):
        await converter(objects, keyring).decode(payloads)


async def test_what_the_driver_does_not_get_is_encrypted_all_the_same() -> None:
    """A path that knows the codec and not the store must not leak."""
    [encoded] = await chain(ring("a")).encode([json_payload(LARGE.encode())])
    assert encoded.metadata["encoding"] == SEALED
    assert b"secret" not in encoded.data
    assert await chain(ring("a")).decode([encoded]) == [json_payload(LARGE.encode())]


async def test_a_payload_just_under_the_threshold_stays_in_history() -> None:
    """Temporal measures what is encoded, so compression keeps many payloads out of the store."""
    objects = Memory()
    payloads = await converter(objects, ring("a")).encode(["a" * 1_000_000])
    assert objects.puts == 0
    assert await converter(objects, ring("a")).decode(payloads) == ["a" * 1_000_000]


async def test_several_large_values_are_stored_side_by_side() -> None:
    """Each with its own claim, in order."""
    objects = Memory()
    values = [f"{number}{LARGE}" for number in range(3)]
    payloads = await converter(objects, ring("a")).encode(values)
    assert objects.puts == 3
    assert await converter(objects, ring("a")).decode(payloads) == values


def test_the_driver_has_a_name_that_lasts() -> None:
    """It stands in histories."""
    driver = BlobDriver(BlobStore(Memory()), None)
    assert (driver.name(), driver.type()) == ("perdure", "perdure.blobs")
    assert external_storage(BlobStore(Memory()), None).payload_size_threshold == 262_144
    assert StorageDriverWorkflowInfo(namespace=NAMESPACE).id is None
