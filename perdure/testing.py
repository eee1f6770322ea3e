"""Test your own agents and tools offline: a real embedded server, a scripted model, and assertions on history.

async with agents(tools=registry) as env:
model = env.model([call("send_invoice", customer="Ada", cents=100), "sent"])
result = await env.run("bill Ada", model=model, policy=ALLOW_ALL)
history = await env.history()
assert history.tool_calls == ["send_invoice"]
"""

import json
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.testing import WorkflowEnvironment

from perdure.domain.errors import PerdureError, UnexpectedStep
from perdure.domain.messages import AssistantMessage, CallPart, TextPart
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.policy import Level, Policy, Rule
from perdure.domain.ports import Price, ProviderReply, ProviderRequest, TokenUsage
from perdure.domain.run import RunResult
from perdure.providers import Providers
from perdure.runtime import PerdurePlugin
from perdure.search_attributes import register_search_attributes
from perdure.server_process import DYNAMIC_CONFIG, find_binary
from perdure.settings import Settings
from perdure.tools import Registry, default_registry
from worker import MAX_CHARACTERS, worker_for

__all__ = [
    "ALLOW_ALL",
    "Call",
    "Environment",
    "History",
    "ScriptedModel",
    "agents",
    "call",
    "local_server",
    "time_skipping_server",
]

ALLOW_ALL: JsonObject = Policy(rules=(Rule(level=Level.NONE),)).model_dump(mode="json", exclude_defaults=True)
"""A policy under which no call waits for a person."""


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
    """A model that plays steps in order of the assistant turns and keeps every request that it was asked."""

    def __init__(self, steps: Sequence[Step]) -> None:
        """Play these steps."""
        self._steps = [step for step in steps if not isinstance(step, PerdureError)]
        self._errors = _errors_before(steps)
        self.requests: list[ProviderRequest] = []
        """What the model was asked, repeated attempts included."""

    def check(self, model: str) -> None:
        """Accept every name."""

    async def reply(self, request: ProviderRequest, progress: Callable[[], None]) -> ProviderReply:
        """Play the step of this turn."""
        progress()
        self.requests.append(request)
        turn = sum(isinstance(message, AssistantMessage) for message in request.conversation.messages)
        if errors := self._errors.get(turn):
            raise errors.pop(0)
        if turn >= len(self._steps):
            raise UnexpectedStep(f"the script has {len(self._steps)} steps, but the agent asks for step {turn + 1}")
        step = self._steps[turn]
        parts = [step] if isinstance(step, str | Call) else list(step)
        content = tuple(
            TextPart(text=part)
            if isinstance(part, str)
            else CallPart(id=f"call-{turn}-{index}", tool=part.tool, arguments=part.arguments)
            for index, part in enumerate(parts)
        )
        message = AssistantMessage(content=content, provider="test")
        left = len(self._steps) - turn - 1
        unused = f"{left} steps of the script were never played" if left and not message.calls else ""
        stop = "calls" if message.calls else "end"
        return ProviderReply(message=message, stop=stop, usage=TokenUsage(input=10, output=5), unused=unused)

    async def close(self) -> None:
        """Nothing to release."""


def _errors_before(steps: Sequence[Step]) -> dict[int, list[PerdureError]]:
    errors: dict[int, list[PerdureError]] = {}
    turn = 0
    for step in steps:
        if isinstance(step, PerdureError):
            errors.setdefault(turn, []).append(step)
        else:
            turn += 1
    return errors


@dataclass(frozen=True)
class History:
    """What lies in a run's event history."""

    raw: WorkflowHistory

    @property
    def activities(self) -> list[str]:
        """Types of all scheduled activities, in order; an attempt that Temporal retried counts once."""
        kind = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        return [
            event.activity_task_scheduled_event_attributes.activity_type.name
            for event in self.raw.events
            if event.event_type == kind
        ]

    @property
    def bytes(self) -> int:
        """Size of all events."""
        return sum(event.ByteSize() for event in self.raw.events)

    def count(self, activity: str) -> int:
        """How often an activity was scheduled."""
        return self.activities.count(activity)


class Environment:
    """A worker with your tools on a real server, for the length of a test."""

    def __init__(self, client: Client, task_queue: str, models: "_Models") -> None:
        """Made by `agents`."""
        self.client = client
        self.task_queue = task_queue
        self._models = models
        self._numbers = count(1)
        self.handle: WorkflowHandle[Any, RunResult] | None = None
        """The run that was started last."""

    def model(self, steps: Sequence[Step]) -> str:
        """Register a script and return the name under which a run can ask for it."""
        return self._models.add(ScriptedModel(steps))

    def scripted(self, model: str) -> ScriptedModel:
        """The script behind a name that `model` returned."""
        return self._models.get(model)

    async def start(self, goal: str, **fields: Any) -> WorkflowHandle[Any, RunResult]:  # noqa: ANN401 - any JSON
        """Start a run of `Agent`; `fields` are those of its input."""
        self.handle = await self.client.start_workflow(
            "Agent",
            {"goal": goal, **fields},
            id=f"{self.task_queue}-{next(self._numbers)}",
            task_queue=self.task_queue,
            result_type=RunResult,
        )
        return self.handle

    async def run(self, goal: str, **fields: Any) -> RunResult:  # noqa: ANN401 - any JSON
        """Start a run and wait for its result."""
        handle = await self.start(goal, **fields)
        return await handle.result()

    async def history(self, handle: WorkflowHandle[Any, Any] | None = None) -> History:
        """History of a run, by default of the last one."""
        handle = handle or self.handle
        assert handle is not None, "start a run first"  # noqa: S101
        return History(await handle.fetch_history())


class _Models:
    """Scripts by name, behind the one provider `test`."""

    def __init__(self) -> None:
        self._models: dict[str, ScriptedModel] = {}

    def add(self, model: ScriptedModel) -> str:
        name = f"model-{len(self._models) + 1}"
        self._models[name] = model
        return f"test:{name}"

    def get(self, model: str) -> ScriptedModel:
        return self._models[model.removeprefix("test:")]

    def check(self, model: str) -> None:
        """Accept every name."""

    async def reply(self, request: ProviderRequest, progress: Callable[[], None]) -> ProviderReply:
        return await self._models[request.model].reply(request, progress)

    async def close(self) -> None:
        """Nothing to release."""


@asynccontextmanager
async def local_server(*extra: str) -> AsyncGenerator[Client]:
    """Start a real Temporal server in memory, tuned like the embedded one; `extra` are arguments of `start-dev`."""
    settings = [f"{name}={json.dumps(value)}" for name, value in DYNAMIC_CONFIG.items()]
    arguments = [part for setting in settings for part in ("--dynamic-config-value", setting)]
    environment = await WorkflowEnvironment.start_local(  # pyright: ignore[reportUnknownMemberType] - open Callable
        dev_server_existing_path=str(find_binary()),
        dev_server_log_level="never",
        dev_server_extra_args=[*arguments, *extra],
        plugins=[PerdurePlugin()],
    )
    async with environment:
        yield environment.client


@asynccontextmanager
async def time_skipping_server() -> AsyncGenerator[Client]:
    """Start Temporal's test server, whose clock jumps over waits; it has no search attributes."""
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(find_binary().with_name("temporal-test-server")), plugins=[PerdurePlugin()]
    )
    async with environment:
        yield environment.client


@asynccontextmanager
async def agents(  # noqa: PLR0913 - what a test may want to change of a worker
    tools: Registry = default_registry,
    *,
    client: Client | None = None,
    settings: Mapping[str, Any] | None = None,
    price: Price | None = None,
    search_attributes: bool = True,
    max_cached_workflows: int = 1000,
    max_characters: int = MAX_CHARACTERS,
) -> AsyncGenerator[Environment]:
    """Run a worker with these tools, by default on a server of its own; `settings` are fields of `Settings`.

    `max_cached_workflows=0` makes every step replay the run, `max_characters=0` makes model calls forget other runs.
    """
    if client is None:
        async with local_server() as own, agents(tools, client=own, settings=settings, price=price) as environment:
            yield environment
        return
    if search_attributes:
        await register_search_attributes(client)
    with tempfile.TemporaryDirectory() as folder:
        queue = f"test-{Path(folder).name}"
        given: dict[str, Any] = {"workspace": folder, "home": f"{folder}/home", "task_queue": queue}
        place = Settings(**(given | dict(settings or {})))
        models = _Models()
        worker = worker_for(
            client,
            place,
            tools,
            search_attributes=search_attributes,
            providers=Providers(extra={"test": models}),
            prices=lambda _model: price or Price(input=0, output=0),
            max_cached_workflows=max_cached_workflows,
            max_characters=max_characters,
        )
        async with worker as built, built:
            yield Environment(client, place.task_queue, models)
