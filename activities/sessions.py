"""The activities of sessions: a closed one is kept, found again under its id, and its older replies are read."""

import json
import random
from collections.abc import Awaitable
from typing import Protocol, TypeVar

from pydantic import ValidationError
from temporalio import activity

from activities.failures import to_application_error
from activities.heartbeat import heartbeating
from perdure.domain.errors import ConfigurationError, PerdureError
from perdure.domain.messages import AssistantMessage
from perdure.domain.ports import Blobs
from perdure.domain.state import Carried

__all__ = ["Documents", "SessionActivities"]

T = TypeVar("T")


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
        return await _guarded(self._open())

    async def _open(self) -> Carried | None:
        data = await self._store.read_document(_name())
        if data is None:
            return None
        state = await self._store.get(data.decode())
        try:
            return Carried.model_validate_json(state)
        except ValidationError as error:
            msg = f"the closed session of this id cannot be read by this release ({error.error_count()} problems)"
            raise ConfigurationError(msg) from None

    @activity.defn(name="session.close")
    async def close(self, state: Carried | None) -> None:
        """Keep the state for a later session of this id; None forgets what was kept."""
        await _guarded(self._close(state))

    async def _close(self, state: Carried | None) -> None:
        if state is None:
            await self._store.delete_document(_name())
            return
        address = await self._store.put(state.wire_json().encode())
        await self._store.write_document(_name(), address.encode())

    @activity.defn(name="session.reply")
    async def reply(self, blob: str, number: int) -> str:
        """Text of the message with this number in a stored page."""
        return await _guarded(self._reply(blob, number))

    async def _reply(self, blob: str, number: int) -> str:
        items = json.loads(await self._store.get(blob))
        return AssistantMessage.model_validate(items[number]).text


def _name() -> str:
    info = activity.info()
    return f"session/{info.namespace}/{info.workflow_id}"


async def _guarded(work: Awaitable[T]) -> T:
    try:
        async with heartbeating():
            return await work
    except PerdureError as error:
        raise to_application_error(error, activity.info().attempt, random.random) from None
