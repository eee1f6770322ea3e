"""Sample tools over a host that logs every effect, by which tests judge what really happened."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perdure.tools import NotHappened, OutcomeUnknown, Registry, current_call
from perdure.tools.builtin import register_builtins
from perdure.tools.declare import declare
from perdure.tools.options import Options

__all__ = ["Host", "registry_of", "sample_tools"]


@dataclass
class Host:
    """The outside world: each effect with the key under which it came, and switches for trouble."""

    log: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    keys: list[str] = field(default_factory=list[str])
    running: int = 0
    most_at_once: int = 0
    lose: int = 0
    """How many answers of `pay` are lost after the effect."""
    known: dict[str, str] = field(default_factory=dict[str, str])
    """What the read-back of `wire` finds, by key."""

    def note(self, tool: str, value: object) -> None:
        """Log an effect."""
        self.log.append((tool, value))
        self.keys.append(current_call().key)


def registry_of(*tools: tuple[str, Callable[..., Any]], **options: Any) -> Registry:
    """Registry with the built-ins and these tools, each with its effect."""
    registry = Registry()
    register_builtins(registry)
    for effect, function in tools:
        registry.add(declare(function, Options(function.__name__, effect=effect, **options.get(function.__name__, {}))))
    return registry


def sample_tools(host: Host) -> Registry:
    """Tools of every effect over `host`."""

    async def look(n: int) -> str:
        """Look something up."""
        host.running += 1
        host.most_at_once = max(host.most_at_once, host.running)
        await asyncio.sleep(0.05)
        host.running -= 1
        host.note("look", n)
        return f"seen {n}"

    async def put(n: int) -> str:
        """Put a value into its place."""
        host.note("put", n)
        return f"put {n}"

    async def pay(n: int) -> str:
        """Pay an amount."""
        host.note("pay", n)
        if host.lose:
            host.lose -= 1
            raise OutcomeUnknown("the bank closed the connection")
        return f"paid {n}"

    async def wire(n: int) -> str:
        """Wire an amount through a bank that can be asked."""
        host.note("wire", n)
        raise OutcomeUnknown("the bank closed the connection")

    async def wire_found(key: str) -> str:
        if key not in host.known:
            raise NotHappened
        return host.known[key]

    async def book(n: int) -> str:
        """Book a seat, which can be given back."""
        host.note("book", n)
        return f"booked {n}"

    async def fail(why: str) -> str:
        """Fail on purpose."""
        raise ValueError(why)

    return registry_of(
        ("pure", look),
        ("idempotent", put),
        ("once", pay),
        ("once", wire),
        ("compensable", book),
        ("pure", fail),
        pay={"ask": "Pay {n} to the bank", "timeout": 1},
        wire={"verify": wire_found, "timeout": 1},
    )
