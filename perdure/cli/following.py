"""Follows a run, those that continue it and those it starts: history says when to look, queries what there is."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.client import RPCError, WorkflowQueryFailedError
from temporalio.service import RPCStatusCode

from perdure.cli.events import ToolEvents
from perdure.cli.humans import Humans
from perdure.cli.listeners import Listener, Nobody
from perdure.cli.questions import merged, pages, status_of
from perdure.cli.session import Session
from perdure.cli.tail import tail_chain
from perdure.cli.terminal import Lines
from perdure.contact import Handle, NoAnswer
from perdure.domain.approvals import Request
from perdure.domain.machine import ENDED
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
    """A run that is followed; `label` is its agent for a child and empty for the run itself.

    `later` is a run of the same id that was joined before this one was seen to end.
    """

    workflow_id: str
    run_id: str | None = None
    label: str = ""
    offset: int = 0
    status: RunStatus | None = None
    news: bool = False
    ended: bool = False
    later: str | None = None

    def after(self, run_id: str) -> "_Run":
        """The later run of the same id, from where this one was left."""
        return _Run(self.workflow_id, run_id, offset=self.offset)


class Follower:
    """Follows one run. Nothing is asked while nothing happens."""

    def __init__(
        self,
        session: Session,
        listener: Listener,
        *,
        yes: bool = False,
        wait: float = 0.0,
        lines: Lines | None = None,
    ) -> None:
        """`yes` and `wait` are the options of `run`; `lines` those of a terminal that somebody else reads too."""
        self._session = session
        self._listener = listener
        self._deaf = isinstance(listener, Nobody)
        self._bell = asyncio.Event()
        out = session.cli.out
        # Where stdout is for replies alone, decisions are notes.
        tell = out.note if self._deaf and out.is_text else out.text
        self._humans = Humans(session, yes=yes, wait=wait, wake=self._bell.set, lines=lines, tell=tell)
        self._runs: dict[str, _Run] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._told = set[tuple[str, str]]()
        self._told_no_worker = False

    async def follow(self, workflow_id: str, run_id: str, worker: EmbeddedWorker | None) -> None:
        """Return when the run has ended; raises CliError with exit code 4 when a person is needed and not here."""
        self.keep(worker)
        self.join(workflow_id, run_id)
        try:
            await self.until(lambda: self.ended(workflow_id))
        finally:
            self.close()

    def keep(self, worker: EmbeddedWorker | None) -> None:
        """See to it from now on that this worker, and the embedded server, are there."""
        if worker is not None:
            self._spawn(self._keep_alive(worker))

    def join(self, workflow_id: str, run_id: str, offset: int = 0) -> None:
        """Begin to follow a run, from this message of its conversation on; nothing if it is followed already."""
        known = self._runs.get(workflow_id)
        if known is None:
            self._watch(_Run(workflow_id, run_id, offset=offset))
        elif known.run_id != run_id and known.ended:
            self._watch(known.after(run_id))
        elif known.run_id != run_id:
            known.later = run_id

    def follows(self, workflow_id: str) -> bool:
        """Whether this run is followed, or was to its end."""
        return workflow_id in self._runs

    def ended(self, workflow_id: str) -> bool:
        """Whether a run that is followed has ended."""
        return workflow_id in self._runs and self._runs[workflow_id].ended

    def status(self, workflow_id: str) -> RunStatus | None:
        """Where a run that is followed stood at the last look."""
        run = self._runs.get(workflow_id)
        return run and run.status

    def wake(self) -> None:
        """Let `until` look at its condition again."""
        self._bell.set()

    async def until(self, over: Callable[[], bool]) -> None:
        """Tell what happens until `over`; raises CliError with exit code 4 when a person is needed and not here."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            for run in [run for run in self._runs.values() if run.news]:
                await self._look(run)
            self._raise_failures()
            if over() and not any(run.ended and run.news for run in self._runs.values()):  # it may end during a look
                return
            await self._humans.consider(self._waiting())
            await asyncio.sleep(GATHER_SECONDS)

    async def look(self, workflow_id: str) -> None:
        """Tell what has happened in a run since the last look, whether or not its history has told of it yet."""
        if workflow_id in self._runs:
            await self._look(self._runs[workflow_id])

    def close(self) -> None:
        """Withdraw the question that is open, and follow nothing any more."""
        self._humans.close()
        for task in self._tasks:
            task.cancel()

    def _watch(self, run: _Run) -> None:
        self._runs[run.workflow_id] = run
        self._spawn(self._tail(run))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._bell.set())
        self._tasks.append(task)

    def _raise_failures(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def _tail(self, run: _Run) -> None:
        tools = ToolEvents(self._session.converter(run.workflow_id))
        workflow_id = run.workflow_id
        try:
            async for run_id, event in tail_chain(lambda run_id: self._session.handle(workflow_id, run_id), run.run_id):
                run.run_id = run_id
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
        if run.later not in (None, run.run_id):
            self._watch(run.after(run.later))
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
            if not self._deaf:
                await self._read(run, handle)
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

    async def _read(self, run: _Run, handle: Handle) -> None:
        async for page in pages(handle, run.offset):
            if page.total < run.offset:
                # A session that was ended has begun anew under its id.
                run.offset = 0
                await self._read(run, handle)
                return
            for message in page.messages:
                self._listener.message(run.workflow_id, run.label, message)
            run.offset += len(page.messages)

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
            name = (request.workflow_id, request.request_id)  # a root tells of the requests of its children too
            if name not in self._told:
                self._told.add(name)
                self._listener.request(request)
        for child in status.children:
            if child.workflow_id not in self._runs and child.state not in ENDED:
                self._watch(_Run(child.workflow_id, label=child.agent))

    def _waiting(self) -> Sequence[Request]:
        return merged(
            {run.workflow_id: run.status.pending for run in self._runs.values() if run.status and not run.ended}
        )

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
