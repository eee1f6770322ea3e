"""A worker with your tools on a real server, for the length of a test."""

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError

from perdure.domain.approvals import Request
from perdure.domain.events import StreamEvent
from perdure.domain.model import JsonObject
from perdure.domain.policy import Level, Policy, Rule
from perdure.domain.ports import Price
from perdure.domain.run import RunResult
from perdure.providers import Providers
from perdure.runtime import PerdurePlugin
from perdure.search_attributes import register_search_attributes
from perdure.settings import Settings
from perdure.storage import storage_from
from perdure.streams import Streams, streams_from
from perdure.testing.history import History, chain_of
from perdure.testing.model import Models, ScriptedModel, Step
from perdure.testing.servers import local_server
from perdure.tools import Registry, default_registry
from worker import MAX_CHARACTERS, worker_for

__all__ = ["ALLOW_ALL", "Environment", "agents", "eventually"]

T = TypeVar("T")
R = TypeVar("R", bound=RunResult)

ASK_AGAIN = ("ContinuedAsNew", "SessionBusy")

ALLOW_ALL: JsonObject = Policy(rules=(Rule(level=Level.NONE),)).model_dump(mode="json", exclude_defaults=True)
"""A policy under which no call waits for a person."""


async def eventually(look: Callable[[], Awaitable[T]], good: Callable[[T], bool], seconds: float = 20) -> T:
    """Look until what is seen is good; fails with the last sight after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        seen = await look()
        if good(seen):
            return seen
        assert time.monotonic() < end, f"not in {seconds} s; last seen: {seen}"  # noqa: S101 - for tests
        await asyncio.sleep(0.02)


class Environment:
    """A worker with your tools on a real server, for the length of a test."""

    def __init__(self, client: Client, task_queue: str, models: Models, streams: Streams) -> None:
        """Made by `agents`."""
        self.streams = streams
        self.client = client
        self.task_queue = task_queue
        self._models = models
        self._numbers = count(1)
        self.handle: WorkflowHandle[Any, Any] | None = None
        """The run that was started last."""

    def model(self, steps: Sequence[Step] | Mapping[str, Sequence[Step]] | ScriptedModel) -> str:
        """Register a script, or a model of your own, and return the name under which a run can ask for it."""
        return self._models.add(steps if isinstance(steps, ScriptedModel) else ScriptedModel(steps))

    def scripted(self, model: str) -> ScriptedModel:
        """The script behind a name that `model` returned."""
        return self._models.get(model)

    async def start(self, goal: str, **fields: Any) -> WorkflowHandle[Any, RunResult]:  # noqa: ANN401 - any JSON
        """Start a run of `Agent`; `fields` are those of its input."""
        return await self.start_pattern("Agent", RunResult, goal, **fields)

    async def start_pattern(
        self,
        kind: str,
        result: type[R],
        goal: str,
        /,
        **fields: Any,  # noqa: ANN401 - any JSON
    ) -> WorkflowHandle[Any, R]:
        """Start a workflow of this type, whose result is such a model; `fields` are those of its input."""
        handle: WorkflowHandle[Any, R] = await self.client.start_workflow(
            kind,
            {"goal": goal, **fields},
            id=f"{self.task_queue}-{next(self._numbers)}",
            task_queue=self.task_queue,
            result_type=result,
        )
        self.handle = handle
        return handle

    async def run(self, goal: str, **fields: Any) -> RunResult:  # noqa: ANN401 - any JSON
        """Start a run and wait for its result."""
        handle = await self.start(goal, **fields)
        return await handle.result()

    async def history(self, handle: WorkflowHandle[Any, Any] | None = None) -> History:
        """History of a run and of those it continued as, by default of the last one."""
        return await chain_of(self.client, handle or self._last())

    async def ask(self, session: str, text: str, message_id: str, **fields: Any) -> Any:  # noqa: ANN401 - any JSON
        """Ask a session, which is started if needed; `fields` are those of its input. Returns the reply.

        A session that continues as new in the middle of the question is asked again, as every client must.
        """
        while True:
            try:
                return await self._ask(session, text, message_id, fields)
            except WorkflowUpdateFailedError as error:
                if not isinstance(error.cause, ApplicationError) or error.cause.type not in ASK_AGAIN:
                    raise

    async def _ask(self, session: str, text: str, message_id: str, fields: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            "Session",
            fields,
            id=session,
            task_queue=self.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        payload = {"text": text, "message_id": message_id}
        return await self.client.execute_update_with_start_workflow(  # pyright: ignore[reportUnknownMemberType] - open generic
            "ask", payload, start_workflow_operation=start
        )

    async def transcript(self, handle: WorkflowHandle[Any, Any] | None = None) -> list[JsonObject]:
        """All messages of a run and of those it continues, page by page; by default of the last run."""
        messages: list[JsonObject] = []
        offset: int | None = 0
        while offset is not None:
            page: dict[str, Any] = await (handle or self._last()).query("transcript", {"offset": offset, "limit": 100})
            assert not page.get("problem"), page  # noqa: S101 - for tests
            messages += page["messages"]
            offset = page["next_offset"]
        return messages

    async def events(self, handle: WorkflowHandle[Any, Any] | None = None) -> list[StreamEvent]:
        """What a run has streamed so far, and those it continues; by default the last run."""
        found: list[StreamEvent] = []
        name = (handle or self._last()).id
        while page := await self.streams.read(name, found[-1].offset if found else "", 1_000):
            found += page
        return found

    async def pending(self, count: int = 1) -> list[Request]:
        """The requests for people of the last run, once there are `count` of them."""
        handle = self._last()

        async def look() -> list[Request]:
            answer: dict[str, Any] = await handle.query("pending_approvals")
            return [Request.model_validate(item) for item in answer["requests"]]

        return await eventually(look, lambda requests: len(requests) == count)

    async def approve(self, request: Request, approver: str = "tester") -> None:
        """Say yes to a request of the last run."""
        await self._last().signal("approve", {"request_id": request.request_id, "approver": approver})

    def _last(self) -> WorkflowHandle[Any, Any]:
        assert self.handle is not None, "start a run first"  # noqa: S101 - for tests
        return self.handle


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

    Large content, and what `encryption_keys` and `compression` of the settings ask for, stay within the block: of a
    `client` that is given only the connection is used. `Environment.client` reads all of it.

    `max_cached_workflows=0` makes every step replay the run, `max_characters=0` makes model calls forget other runs.
    """
    async with AsyncExitStack() as stack:
        plain = client or await stack.enter_async_context(local_server())
        if search_attributes:
            await register_search_attributes(plain)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        queue = f"test-{Path(folder).name}"
        given: dict[str, Any] = {"workspace": folder, "home": f"{folder}/home", "task_queue": queue}
        place = Settings(**(given | dict(settings or {})))
        storage = storage_from(place)
        # The connection may be shared by many tests, what it stores and encrypts with may not.
        config = plain.config()
        config["plugins"] = [PerdurePlugin(storage)]
        connected = Client(**config)
        models = Models()
        worker = worker_for(
            connected,
            place,
            tools,
            storage,
            search_attributes=search_attributes,
            providers=Providers(extra={"test": models}),
            prices=lambda _model: price or Price(input=0, output=0),
            max_cached_workflows=max_cached_workflows,
            max_characters=max_characters,
        )
        async with worker as built, built:
            streams = streams_from(place)
            stack.push_async_callback(streams.close)
            yield Environment(connected, place.task_queue, models, streams)
