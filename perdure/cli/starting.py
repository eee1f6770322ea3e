"""Starts a run by the name of its workflow type, and follows it."""

import shlex
import uuid
from dataclasses import dataclass

from pydantic import BaseModel
from temporalio.client import RPCError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCStatusCode

from perdure.cli.cli import Cli
from perdure.cli.errors import CliError, ExitCode
from perdure.cli.following import Follower
from perdure.cli.inputs import invalid
from perdure.cli.live import listening
from perdure.cli.outcome import outcome_of, report
from perdure.cli.rendering import PROGRAM, cut, way_back
from perdure.cli.session import Session, open_session
from perdure.contact import ANSWER, MAX_ID, is_id
from perdure.embedded_worker import EmbeddedWorker
from perdure.pollers import recent_pollers

__all__ = ["Started", "check_id", "start"]

SUMMARY_CHARACTERS = 95
"""The server takes 400 bytes of summary."""


@dataclass(frozen=True)
class Started:
    """A run that was started or joined."""

    workflow_id: str
    run_id: str

    def leave(self, session: Session) -> ExitCode:
        """Say how to come back, and leave it running."""
        out = session.cli.out
        if out.is_text:
            out.text(f"run {self.workflow_id} has started")
            for line in way_back(self.workflow_id):
                out.dim(line)
        else:
            about = {"workflow_id": self.workflow_id, "run_id": self.run_id, "status": "RUNNING", "result": None}
            out.document({"event": "run.started", **about} if out.form == "jsonl" else about)
        return ExitCode.SUCCESS

    async def follow(self, session: Session, worker: EmbeddedWorker | None, *, yes: bool, wait: float) -> ExitCode:
        """Follow it to its end, report the result, and return the exit code."""
        cli, link = session.cli, session.link(self.workflow_id, self.run_id)
        about = {"workflow_id": self.workflow_id, "run_id": self.run_id}
        cli.way_back = way_back(self.workflow_id, embedded=worker is not None)
        cli.out.event("run.started", **about, ui=link or None)
        cli.out.dim(f"run {self.workflow_id}" + (f"  {link}" if link else ""))
        try:
            async with listening(session, self.workflow_id) as listener:
                await Follower(session, listener, yes=yes, wait=wait).follow(self.workflow_id, self.run_id, worker)
        except CliError as error:
            if error.code is not ExitCode.HUMAN:
                raise
            extra = {**about, "status": "RUNNING", "result": None, **error.extra}
            raise CliError(error.code, error.kind, error.message, error.hint, extra) from error
        outcome = await outcome_of(session, self.workflow_id, self.run_id)
        if outcome.kind:
            listener.failed()
        return report(session, self.workflow_id, self.run_id, outcome)


def check_id(workflow_id: str, source: str) -> str:
    """The id, if Temporal takes it; `source` is how the error calls it."""
    if not is_id(workflow_id):
        raise invalid(f"{source}: an id is 1 to {MAX_ID} printable characters")
    return workflow_id


async def start(
    cli: Cli, workflow: str, given: BaseModel, workflow_id: str | None
) -> tuple[Session, Started, EmbeddedWorker | None]:
    """Start a run, with a worker at hand; raises CliError when one with this id is open already."""
    identity = f"run-{uuid.uuid4().hex[:12]}" if workflow_id is None else check_id(workflow_id, "--id")
    session = await open_session(cli)
    worker = await session.worker(replace=True)
    if not session.connection.embedded:
        await _warn_without_worker(session)
    try:
        handle = await session.client.start_workflow(
            workflow,
            given,
            id=identity,
            task_queue=session.settings.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            static_summary=cut(str(getattr(given, "goal", workflow)), SUMMARY_CHARACTERS),
            rpc_timeout=ANSWER,
        )
    except WorkflowAlreadyStartedError as error:
        hint = f"{PROGRAM} watch {shlex.quote(identity)}"
        message = f"a run with the id {identity!r} is open already; nothing was started"
        raise CliError(ExitCode.USAGE, "AlreadyRunning", message, f"follow it: {hint}") from error
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise invalid(f"the server does not take this input: {error.message}") from error
        raise
    return session, Started(identity, handle.result_run_id or ""), worker


async def _warn_without_worker(session: Session) -> None:
    try:
        polled = await recent_pollers(session.client, session.settings.task_queue)
    except RPCError:
        # A server that does not tell who polls can still start runs.
        return
    if not polled:
        words = f"no worker polls the task queue {session.settings.task_queue!r} on {session.place} yet"
        session.cli.out.note(f"{words}: the run starts when one does (`uv run worker.py`)")
