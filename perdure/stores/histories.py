"""The content of the histories of open runs, as plain bytes: what clean-up reads to see which blobs they need."""

from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

from google.protobuf.message import DecodeError, Message
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, RPCError
from temporalio.service import RPCStatusCode

__all__ = ["OPEN", "RunName", "contents", "open_runs", "unpacked"]

OPEN = 'ExecutionStatus = "Running"'


class RunName(NamedTuple):
    """A run: id of its workflow, and its own."""

    workflow_id: str
    run_id: str


async def open_runs(client: Client) -> set[RunName]:
    """All open runs of the namespace, of every type and task queue."""
    return {RunName(run.id, run.run_id) async for run in client.list_workflows(OPEN)}


async def contents(client: Client, run: RunName) -> AsyncIterator[bytes]:
    """Every event as it is, and every payload in it that is packed or encrypted, in plain.

    Payloads that lie in the blob store are not fetched: the event has their addresses. A run that is gone has no
    content. Raises RPCError, and KeyUnknown, WrongKey or Tampered for what cannot be read.
    """
    codec = client.data_converter.payload_codec
    handle = client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
    try:
        async for event in handle.fetch_history_events():
            yield event.SerializeToString()
            for payload in _payloads(event):
                for plain in await codec.decode([payload]) if codec is not None else ():
                    if plain.data != payload.data:
                        yield plain.data
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def unpacked(client: Client, stored: bytes) -> bytes:
    """Plain data of a blob that holds a payload (see `perdure.stores.external`); any other blob as it is."""
    codec = client.data_converter.payload_codec
    try:
        payload = Payload.FromString(stored)
    except DecodeError:
        return stored
    if codec is None or not payload.metadata.get("encoding", b"").startswith(b"perdure/"):
        return stored
    return (await codec.decode([payload]))[0].data


def _payloads(message: Message) -> Iterator[Payload]:
    """Every payload anywhere in a message."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            parts = list(value.values()) if field.message_type.fields_by_name["value"].message_type else []
        else:
            parts = list(value) if field.is_repeated else [value]
        for part in parts:
            if isinstance(part, Payload):
                yield part
            else:
                yield from _payloads(part)
