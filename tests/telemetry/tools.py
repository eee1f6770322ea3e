"""Tools for the telemetry tests: one that works, one that fails, one that waits for a file."""

import asyncio
from pathlib import Path

from perdure.tools import tool


@tool(effect="pure")
async def peek(n: int) -> str:
    """Read a value."""
    return f"secret words of peek {n}"


@tool(effect="pure")
async def stumble(n: int) -> str:
    """Fail."""
    raise ValueError(f"secret words of stumble {n}")


@tool(effect="once")
async def charge(n: int) -> str:
    """Charge an amount."""
    return f"charged {n}"


@tool(effect="pure", timeout=60)
async def linger(path: str) -> str:
    """Wait until a file is there; leave another that says so."""
    Path(f"{path}.begun").touch()
    while not Path(path).exists():  # noqa: ASYNC110 - a file cannot be awaited
        await asyncio.sleep(0.02)
    return "there"
