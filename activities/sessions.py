"""The activities of sessions: a closed one is kept, found again under its id, and its older replies are read."""

import json
from typing import Protocol

from pydantic import ValidationError
from temporalio import activity

from activities.failures import reporting
from activities.heartbeat import heartbeating
from perdure.domain.errors import ConfigurationError
from perdure.domain.messages import AssistantMessage
from perdure.domain.ports import Blobs
from perdure.domain.state import Carried

__all__ = ["Documents", "SessionActivities"]


class Documents(Blobs, Protocol):
    """A blob store that also keeps small documents under names, each the latest of its name."""

    async def write_document(self, name: str, data: bytes) -> None:
        """Write or replace."""
        ...

    async def read_document(self, name: str) -> bytes | None:
        """Read; None: there is none of this name."""
        ...

    async def delete_document(self, name: str) -> None:
        """Remove; one that is missing is fine."""
        ...


class SessionActivities:
    """Keeps the state of closed sessions in the blob store: the server forgets closed workflows after a while."""

    def __init__(self, store: Documents) -> None:
        """Use this store."""
        self._store = store

    @activity.defn(name="session.open")
    async def open(self) -> Carried | None:
        """State of the closed session of this workflow id, or None."""
        async with reporting(activity.info().attempt), heartbeating():
            data = await self._store.read_document(_name())
            return None if data is None else _state(await self._store.get(data.decode()))

    @activity.defn(name="session.close")
    async def close(self, state: Carried | None) -> None:
        """Keep the state for a later session of this id; None forgets what was kept."""
        async with reporting(activity.info().attempt), heartbeating():
            if state is None:
                await self._store.delete_document(_name())
                return
            address = await self._store.put(state.wire_json().encode())
            await self._store.write_document(_name(), address.encode())

    @activity.defn(name="session.reply")
    async def reply(self, blob: str, number: int) -> str:
        """Text of the message with this number in a stored page."""
        async with reporting(activity.info().attempt), heartbeating():
            items = json.loads(await self._store.get(blob))
            return AssistantMessage.model_validate(items[number]).text


def _name() -> str:
    info = activity.info()
    return f"session/{info.namespace}/{info.workflow_id}"


def _state(data: bytes) -> Carried:
    try:
        return Carried.model_validate_json(data)
    except ValidationError as error:
        msg = f"the closed session of this id cannot be read by this release ({error.error_count()} problems)"
        raise ConfigurationError(msg) from None
