"""Calls of tools as an activity would make them, over a registry that only the test knows."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from perdure.domain.model import JsonValue
from perdure.domain.tools import CallOutcome, ToolCall
from perdure.tools import CallInfo, Registry, ToolHost
from perdure.tools.declare import declare
from perdure.tools.options import Options

__all__ = ["Caller", "hosting", "request"]


def request(tool: str, key: str = "key-1", **arguments: JsonValue) -> ToolCall:
    """A call number 1 of this tool."""
    return ToolCall(number=1, tool=tool, arguments=arguments, key=key)


class Caller:
    """Calls tools of one host."""

    def __init__(self, host: ToolHost) -> None:
        self.host = host

    async def __call__(self, tool: str, key: str = "key-1", **arguments: JsonValue) -> CallOutcome:
        """Run one attempt."""
        return await self.host.run(request(tool, key, **arguments), CallInfo(workflow_id="run-1", attempt=2))


@asynccontextmanager
async def hosting(*functions: Callable[..., Any], **options: Any) -> AsyncGenerator[Caller]:
    """A host with these functions as tools, all with the same options; closed at the end."""
    registry = Registry()
    for function in functions:
        registry.add(declare(function, Options("test", **options)))
    host = ToolHost(registry)
    try:
        yield Caller(host)
    finally:
        await host.close()
