"""Keys, an object store in memory, and payloads for tests of the payload chain."""

import base64
from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.converter import WorkflowSerializationContext

from perdure.codec import PayloadChain
from perdure.domain.errors import BlobMissing
from perdure.domain.ports import Blobs
from perdure.keyring import Keyring
from perdure.stores.blobs import BlobStore

NAMESPACE = "default"


def key_setting(*letters: str) -> str:
    """Value of PERDURE_ENCRYPTION_KEYS with a key of equal bytes for each letter, which is also its id."""
    return ",".join(f"{letter}:{base64.b64encode(letter.encode() * 32).decode()}" for letter in letters)


def ring(*letters: str) -> Keyring:
    """A ring with these keys."""
    return Keyring.parse(key_setting(*letters))


class Memory:
    """An object store in memory that counts writes."""

    where = "memory"

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.times: dict[str, datetime] = {}
        self.puts = 0

    async def put(self, key: str, data: bytes) -> None:
        """See `ObjectStore`."""
        self.puts += 1
        self.content[key] = data
        self.times[key] = datetime.now(UTC)

    async def touch(self, key: str) -> bool:
        """See `ObjectStore`."""
        if key not in self.content:
            return False
        self.times[key] = datetime.now(UTC)
        return True

    async def modified(self, key: str) -> datetime | None:
        """See `ObjectStore`."""
        return self.times.get(key)

    async def get(self, key: str) -> bytes:
        """See `ObjectStore`."""
        if key not in self.content:
            raise BlobMissing(f"memory does not have {key}")
        return self.content[key]

    async def delete(self, key: str) -> None:
        """See `ObjectStore`."""
        self.content.pop(key, None)
        self.times.pop(key, None)

    def blob(self) -> str:
        """Key of the only blob."""
        [key] = [key for key in self.content if key.startswith("blobs/")]
        return key


def chain(
    keyring: Keyring | None = None,
    *,
    run: str | None = "run-1",
    namespace: str = NAMESPACE,
    compression: bool = False,
    blobs: Blobs | None = None,
) -> PayloadChain:
    """A codec as a worker has it for one run; without a run as the codec server has it."""
    bare = PayloadChain(blobs or BlobStore(Memory(), keyring), keyring, compression)
    return (
        bare if run is None else bare.with_context(WorkflowSerializationContext(namespace=namespace, workflow_id=run))
    )


def json_payload(data: bytes, **metadata: Any) -> Payload:
    """A payload as the JSON converter makes it."""
    return Payload(metadata={"encoding": b"json/plain", **metadata}, data=data)
