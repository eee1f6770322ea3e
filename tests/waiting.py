"""Looks at runs until they are where a test wants them."""

import uuid
from contextlib import suppress
from typing import Any

from temporalio.client import WorkflowHandle

from perdure.contact import NoAnswer, answered
from perdure.testing import eventually

__all__ = ["eventually", "pending", "state_is", "update"]

TRIES = 2


async def pending(handle: WorkflowHandle[Any, Any], count: int = 1) -> list[dict[str, Any]]:
    """The requests of a run, once there are `count` of them."""

    async def look() -> list[dict[str, Any]]:
        return (await handle.query("pending_approvals"))["requests"]

    return await eventually(look, lambda requests: len(requests) == count)


async def state_is(handle: WorkflowHandle[Any, Any], state: str) -> dict[str, Any]:
    """The status of a run, once it is in this state."""

    async def look() -> dict[str, Any]:
        return await handle.query("status")

    return await eventually(look, lambda status: status["state"] == state)


async def update(handle: WorkflowHandle[Any, Any], name: str, *payload: Any) -> Any:
    """Answer of an update, sent again under its id as clients must: a failed workflow task takes it along."""
    identity = uuid.uuid4().hex

    async def send() -> Any:
        return await answered(
            handle.execute_update(name, args=payload, id=identity)  # pyright: ignore[reportUnknownMemberType] - open generic
        )

    for _ in range(TRIES):
        with suppress(NoAnswer):
            return await send()
    return await send()
