"""Follows a run and the runs it starts until it ends: history says when to look, queries say what there is to see."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field

from temporalio.api.enums.v1 import EventType
from temporalio.client import RPCError, WorkflowQueryFailedError
from temporalio.service import RPCStatusCode

from perdure.cli.events import ToolEvents
from perdure.cli.humans import Humans
from perdure.cli.listeners import Listener
from perdure.cli.questions import OVER, pages, status_of
from perdure.cli.session import NoAnswer, Session
from perdure.cli.tail import tail
from perdure.domain.approvals import Request
from perdure.domain.run import RunStatus
from perdure.embedded_worker import EmbeddedWorker

__all__ = ["Follower"]

GATHER_SECONDS = 0.1
"""News that come together are looked at together."""
RETRY_SECONDS = 2.0
ALIVE_SECONDS = 2.0

PASSING = frozenset({RPCStatusCode.NOT_FOUND, RPCStatusCode.UNAVAILABLE})
"""A run that its parent has only announced, and a server that comes back: the tail knows when it does not."""

DULL = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
        EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED,
    }
)
"""Events after which a run has nothing new to say."""


@dataclass
class _Run:
    """A run that is followed; `label` is its agent for a child and empty for the run itself."""

    workflow_id: str
    run_id: str | None = None
    label: str = ""
    offset: int = 0
    status: RunStatus | None = None
    news: bool = False
    ended: bool = False
    told: set[str] = field(default_factory=set[str])


class Follower:
    """Follows one run. Nothing is asked while nothing happens."""

    def __init__(self, session: Session, listener: Listener, *, yes: bool = False, wait: float = 0.0) -> None:
        """`yes` and `wait` are the options of `run`."""
        self._session = session
        self._listener = listener
        self._bell = asyncio.Event()
        self._humans = Humans(session, yes=yes, wait=wait, wake=self._bell.set)
        self._runs: dict[str, _Run] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._told_no_worker = False

    async def follow(self, workflow_id: str, run_id: str, worker: EmbeddedWorker | None) -> None:
        """Return when the run has ended; raises CliError with exit code 4 when a person is needed and not here."""
        root = self._watch(_Run(workflow_id, run_id))
        if worker is not None:
            self._spawn(self._keep_alive(worker))
        try:
            while True:
                await self._bell.wait()
                self._bell.clear()
                for run in [run for run in self._runs.values() if run.news]:
                    await self._look(run)
                self._raise_failures()
                if root.ended:
                    return
                await self._humans.consider(self._waiting())
                await asyncio.sleep(GATHER_SECONDS)
        finally:
            self._humans.close()
            for task in self._tasks:
                task.cancel()

    def _watch(self, run: _Run) -> _Run:
        self._runs[run.workflow_id] = run
        self._spawn(self._tail(run))
        return run

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._bell.set())
        self._tasks.append(task)

    def _raise_failures(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def _tail(self, run: _Run) -> None:
        tools = ToolEvents(self._session.client.data_converter)
        handle = self._session.handle(run.workflow_id, run.run_id)
        try:
            async for event in tail(handle):
                tool = await tools.read(event)
                if tool is not None:
                    self._listener.tool(run.workflow_id, tool)
                if event.event_type not in DULL:
                    self._mark(run)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND or not run.label:
                raise
            # Its parent has announced it and not started it yet: the next look at the parent finds it again.
            del self._runs[run.workflow_id]
            return
        run.ended = True
        self._mark(run)

    def _mark(self, run: _Run) -> None:
        run.news = True
        self._bell.set()

    async def _look(self, run: _Run) -> None:
        run.news = False
        ended = run.ended
        handle = self._session.handle(run.workflow_id, run.run_id)
        try:
            async for page in pages(handle, run.offset):
                for message in page.messages:
                    self._listener.message(run.workflow_id, run.label, message)
                run.offset += len(page.messages)
            run.status = await status_of(handle)
        except NoAnswer:
            self._no_answer(run, ended=ended)
            return
        except WorkflowQueryFailedError:
            # Another kind of workflow, or the worker has other code: its end is still seen.
            return
        except RPCError as error:
            if error.status not in PASSING:
                raise
            self._later(run, ended=ended)
            return
        self._show(run, run.status)

    def _later(self, run: _Run, *, ended: bool) -> None:
        """Look again in a while; a run that has ended was looked at for the last time."""
        if not ended:
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._mark, run)

    def _no_answer(self, run: _Run, *, ended: bool) -> None:
        self._later(run, ended=ended)
        if not ended and not self._told_no_worker:
            self._told_no_worker = True
            words = self._session.no_worker()
            self._session.cli.out.note(f"{words.message}; the run waits\n{words.hint}")

    def _show(self, run: _Run, status: RunStatus) -> None:
        self._listener.status(run.workflow_id, run.label, status)
        for request in status.pending:
            if request.request_id not in run.told:
                run.told.add(request.request_id)
                self._listener.request(request)
        for child in status.children:
            if child.workflow_id not in self._runs and child.state not in OVER:
                self._watch(_Run(child.workflow_id, label=child.agent))

    def _waiting(self) -> Sequence[Request]:
        live = [run.status for run in self._runs.values() if run.status and not run.ended]
        return sorted((request for status in live for request in status.pending), key=lambda request: request.asked_at)

    async def _keep_alive(self, worker: EmbeddedWorker) -> None:
        """Start the embedded server and worker again when they die: the run goes on from where its history is."""
        current: EmbeddedWorker | None = worker
        while current is not None:
            await asyncio.sleep(ALIVE_SECONDS)
            if not self._session.server_lives():
                self._session.cli.out.note("the embedded server has ended; starting it again")
                await self._session.revive()
            if not current.lives():
                self._session.cli.out.note(f"the worker (process {current.pid}) has ended; starting another")
                current = await self._session.worker()
