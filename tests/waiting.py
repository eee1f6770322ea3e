"""Waits for conditions instead of sleeping: polls with a deadline and says what it last saw."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio.client import WorkflowHandle

__all__ = ["eventually", "pending", "state_is", "update"]

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], good: Callable[[T], bool], seconds: float = 20) -> T:
    """Look until what is seen is good; fails with the last sight after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        seen = await look()
        if good(seen):
            return seen
        assert time.monotonic() < end, f"not in {seconds} s; last seen: {seen}"
        await asyncio.sleep(0.02)


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
    """Answer of an update."""
    return await handle.execute_update(name, args=payload)  # pyright: ignore[reportUnknownMemberType] - open generic
