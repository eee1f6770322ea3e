"""A model and tools that stand still until a test lets them go on."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from perdure.domain.messages import AssistantMessage, CallPart, TextPart
from perdure.domain.ports import ProviderReply, ProviderRequest, TokenUsage
from perdure.testing import Call, ScriptedModel
from perdure.tools import Registry
from tests.samples import registry_of

__all__ = ["Gate", "GatedModel", "Release", "gated_tools"]

PATIENCE = {"timeout": 600}
"""Of the tools: they stand still for as long as a test wants them to."""

Release = str | tuple[Call, ...]
"""What a model says at last: a text or calls."""


@dataclass
class Gate:
    """Lets through one for each step that it was given; may be used from several threads."""

    entered: list[str] = field(default_factory=list[str])
    """Who came to it, in order."""
    steps: deque[Release] = field(default_factory=deque[Release])

    async def through(self, name: str) -> Release:
        """Wait for the next step."""
        self.entered.append(name)
        while not self.steps:  # noqa: ASYNC110 - the steps are let in by another thread
            await asyncio.sleep(0.01)
        return self.steps.popleft()


class GatedModel(ScriptedModel):
    """Begins to speak at once and ends when its gate lets it, with what the gate says."""

    def __init__(self) -> None:
        """Begin with a closed gate."""
        super().__init__([])
        self.gate = Gate()

    async def reply(self, request: ProviderRequest, progress: Callable[[str], None]) -> ProviderReply:
        """Say `part <n>`, wait, and then say what the gate says."""
        self.requests.append(request)
        number = len(self.requests)
        progress(f"part {number}")
        step = await self.gate.through(f"part {number}")
        parts = (
            (TextPart(text=step),)
            if isinstance(step, str)
            else tuple(
                CallPart(id=f"call-{number}-{index}", tool=call.tool, arguments=call.arguments)
                for index, call in enumerate(step)
            )
        )
        message = AssistantMessage(content=parts, provider="test")
        stop = "calls" if message.calls else "end"
        return ProviderReply(message=message, stop=stop, usage=TokenUsage(input=10, output=5))


def gated_tools(gates: dict[int, Gate]) -> Registry:
    """Tools that wait at the gate of the run whose number they are called with; `n` tells calls apart."""

    async def look(run: int, n: int) -> str:
        """Look something up."""
        return str(await gates[run].through(f"look-{n}"))

    async def pay(run: int, n: int) -> str:
        """Pay an amount."""
        return str(await gates[run].through(f"pay-{n}"))

    return registry_of(("pure", look), ("once", pay), look=PATIENCE, pay=PATIENCE)
