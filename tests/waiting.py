"""Looks at runs until they are where a test wants them."""

import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

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
    for _ in range(TRIES):
        with suppress(ForgottenError):
            return await _send(handle, name, payload, identity)
    return await _send(handle, name, payload, identity)


async def _send(handle: WorkflowHandle[Any, Any], name: str, payload: Sequence[Any], identity: str) -> Any:
    try:
        return await handle.execute_update(  # pyright: ignore[reportUnknownMemberType] - open generic
            name, args=payload, id=identity
        )
    except RPCError as error:
        if error.status is RPCStatusCode.FAILED_PRECONDITION:
            raise ForgottenError from error
        raise


class ForgottenError(Exception):
    """The server has dropped an update whose workflow task failed."""
