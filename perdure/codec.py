"""The payload chain of clients and workers: answers are completed, then compressed, then encrypted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

from perdure.claims import CLAIM, unclaimed
from perdure.compression import off_loop
from perdure.domain.ports import Blobs
from perdure.keyring import Keyring
from perdure.packing import PACKED, pack, unpack
from perdure.pages import SLICE, answer
from perdure.sealing import NOWHERE, SEALED, place_of, seal, unseal

__all__ = ["PayloadChain"]

SCHEDULED = re.compile(r"-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
"""What a schedule adds to the workflow id that its arguments were encrypted for."""


@dataclass(frozen=True)
class PayloadChain(PayloadCodec, WithSerializationContext):
    """Encodes with the first key (None: no encryption), decodes all that any setting has ever made.

    Payloads of others pass unchanged, so plain input by the `temporal` CLI is accepted. Large payloads are encrypted
    like all others; `BlobDriver`, which comes next, takes that off and stores what is below. `places` are where a
    payload may come from; empty outside any workflow, as in the codec server.
    """

    blobs: Blobs
    keyring: Keyring | None = None
    compression: bool = False
    places: tuple[bytes, ...] = ()

    def with_context(self, context: SerializationContext) -> "PayloadChain":
        """Bind what is encoded to a workflow, and refuse what was bound to another."""
        known = isinstance(context, WorkflowSerializationContext | ActivitySerializationContext)
        if not known or context.workflow_id is None:
            return self
        ids = dict.fromkeys((context.workflow_id, SCHEDULED.sub("", context.workflow_id)))
        return replace(self, places=tuple(place_of(context.namespace, workflow_id) for workflow_id in ids))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See base class."""
        return [await self._encoded(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See base class; raises KeyUnknown, WrongKey or Tampered for what cannot be opened."""
        return [await off_loop(payload.ByteSize(), partial(self._decoded, payload)) for payload in payloads]

    async def _encoded(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") == SLICE:
            payload = await answer(payload, self.blobs)
        return await off_loop(payload.ByteSize(), partial(self._packed, payload))

    def _packed(self, payload: Payload) -> Payload:
        if self.keyring is not None:
            return seal(payload, self.keyring, self.places[0] if self.places else NOWHERE)
        if self.compression:
            packed = Payload(metadata={"encoding": PACKED}, data=pack(payload))
            return packed if packed.ByteSize() < payload.ByteSize() else payload
        return payload

    def _decoded(self, payload: Payload) -> Payload:
        if CLAIM in payload.metadata:
            payload = unclaimed(payload, self.keyring, self.places)
        if payload.metadata.get("encoding") == SEALED:
            payload = unseal(payload, self.keyring, self.places)
        if payload.metadata.get("encoding") == PACKED:
            payload = unpack(payload.data, what="a payload")
        return payload
