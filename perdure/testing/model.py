"""A model that plays a script, and the provider `test` behind which runs find it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from perdure.domain.errors import PerdureError, UnexpectedStep
from perdure.domain.messages import AssistantMessage, CallPart, TextPart
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.ports import ProviderReply, ProviderRequest, TokenUsage
from perdure.providers.text import opening_of, pieces

__all__ = ["Call", "Models", "ScriptedModel", "Step", "call"]


@dataclass(frozen=True)
class Call:
    """A tool call in a script."""

    tool: str
    arguments: JsonObject = field(default_factory=dict[str, JsonValue])


def call(tool: str, /, **arguments: JsonValue) -> Call:
    """Write a tool call into a script."""
    return Call(tool, arguments)


Step = str | Call | PerdureError | Sequence[str | Call]
"""One answer of the model: text, a call, several parts, or an error that is raised once before the next step."""


class ScriptedModel:
    """A model that plays steps in order of its answers and keeps every request that it was asked.

    A summary of what leaves a long conversation takes no step: it says how many characters it was given.
    """

    def __init__(self, steps: Sequence[Step] | Mapping[str, Sequence[Step]]) -> None:
        """Play these steps; of a mapping those of the first glob that fits instructions and first message."""
        by_opening = steps if isinstance(steps, Mapping) else {"*": steps}
        self._scripts = {
            when: ([step for step in play if not isinstance(step, PerdureError)], _errors_before(play))
            for when, play in by_opening.items()
        }
        self.requests: list[ProviderRequest] = []
        """What the model was asked, repeated attempts included."""
        self.summaries: list[ProviderRequest] = []
        """What it was asked to summarise."""

    def check(self, model: str) -> None:
        """Accept every name."""

    async def reply(self, request: ProviderRequest, progress: Callable[[str], None]) -> ProviderReply:
        """Play the step of this turn."""
        if request.purpose == "summary":
            self.summaries.append(request)
            return _summary(request)
        self.requests.append(request)
        turn, opening = request.turn, opening_of(request)
        found = next((script for when, script in self._scripts.items() if fnmatchcase(opening, when)), None)
        if found is None:
            raise UnexpectedStep(f"the script has nothing for a conversation that opens with {opening!r}")
        steps, errors_before = found
        if errors := errors_before.get(turn):
            raise errors.pop(0)
        if turn >= len(steps):
            raise UnexpectedStep(f"the script has {len(steps)} steps, but the agent asks for step {turn + 1}")
        step = steps[turn]
        parts = [step] if isinstance(step, str | Call) else list(step)
        content = tuple(
            TextPart(text=part)
            if isinstance(part, str)
            else CallPart(id=f"call-{turn}-{index}", tool=part.tool, arguments=part.arguments)
            for index, part in enumerate(parts)
        )
        message = AssistantMessage(content=content, provider="test")
        for word in pieces(message.text):
            progress(word)
        left = len(steps) - turn - 1
        unused = f"{left} steps of the script were never played" if left and not message.calls else ""
        stop = "calls" if message.calls else "end"
        return ProviderReply(message=message, stop=stop, usage=TokenUsage(input=10, output=5), unused=unused)

    async def close(self) -> None:
        """Nothing to release."""


def _summary(request: ProviderRequest) -> ProviderReply:
    size = sum(len(message.model_dump_json(exclude_defaults=True)) for message in request.conversation.messages)
    content = (TextPart(text=f"[scripted summary of {size} characters]"),)
    message = AssistantMessage(content=content, provider="test")
    return ProviderReply(message=message, stop="end", usage=TokenUsage(input=10, output=5))


def _errors_before(steps: Sequence[Step]) -> dict[int, list[PerdureError]]:
    errors: dict[int, list[PerdureError]] = {}
    turn = 0
    for step in steps:
        if isinstance(step, PerdureError):
            errors.setdefault(turn, []).append(step)
        else:
            turn += 1
    return errors


class Models:
    """Scripts by name, behind the one provider `test`."""

    def __init__(self) -> None:
        self._models: dict[str, ScriptedModel] = {}

    def add(self, model: ScriptedModel) -> str:
        """Take a script in and return the model name that leads to it."""
        name = f"model-{len(self._models) + 1}"
        self._models[name] = model
        return f"test:{name}"

    def get(self, model: str) -> ScriptedModel:
        """Return the script behind a model name."""
        return self._models[model.removeprefix("test:")]

    def check(self, model: str) -> None:
        """Accept every name."""

    async def reply(self, request: ProviderRequest, progress: Callable[[str], None]) -> ProviderReply:
        """Play the script that the request names."""
        return await self._models[request.model].reply(request, progress)

    async def close(self) -> None:
        """Nothing to release."""
