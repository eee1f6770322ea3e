"""The read-back of a call whose outcome is unknown."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from perdure.domain.tools import Verification
from perdure.tools import NotHappened, Registry, ToolHost, current_call
from perdure.tools.declare import declare
from perdure.tools.options import Hook, Options


async def give(what: str) -> str:
    """Give something."""
    return what


async def _host_with(verify: Hook | None) -> AsyncGenerator[ToolHost]:
    registry = Registry()
    registry.add(declare(give, Options("test", verify=verify, timeout=0.3)))
    host = ToolHost(registry)
    yield host
    await host.close()


async def _returns_instance(key: str) -> NotHappened:
    return NotHappened(key)


async def _returns_class(_key: str) -> type[NotHappened]:
    return NotHappened


async def _raises_it(key: str) -> str:
    raise NotHappened(key)


def _plain(key: str) -> dict[str, str]:
    return {"invoice": key, "tool": current_call().tool}


async def _none(_key: str) -> None:
    return None


async def _breaks(_key: str) -> str:
    raise ConnectionRefusedError("bank closed")


async def _hangs(_key: str) -> str:
    await asyncio.Event().wait()
    return "never"


@pytest.mark.parametrize(
    ("verify", "found"),
    [
        (_plain, Verification(happened=True, text='{"invoice":"k1","tool":"give"}')),
        (_returns_instance, Verification()),
        (_returns_class, Verification()),
        (_raises_it, Verification()),
        (_breaks, Verification(problem="ConnectionRefusedError: bank closed")),
        (_hangs, Verification(problem="the verify hook of give took longer than 0.3 s")),
        (_none, Verification(problem="the verify hook of give returned None instead of a result or NotHappened")),
        (None, Verification(problem="the tool 'give' has no verify hook on this worker")),
    ],
)
async def test_the_read_back_has_three_answers(verify: Hook | None, found: Verification) -> None:
    """It happened with this result, it did not happen, or it is still unknown and why."""
    async for host in _host_with(verify):
        assert await host.verify("give", "k1") == found
