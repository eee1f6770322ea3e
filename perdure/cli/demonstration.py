"""Plays the demo: prepares files, starts a run and a worker, kills the worker, starts another, and counts."""

import asyncio
import os
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from perdure.cli.cli import Cli
from perdure.cli.demo_worker import DemoWorker
from perdure.cli.errors import CliError, ExitCode
from perdure.cli.session import Session, open_session
from perdure.cli.starting import Started
from perdure.cli.tail import tail
from perdure.contact import Handle
from perdure.domain.run import AgentInput
from perdure.settings import Settings

__all__ = ["demonstrate"]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "demo"
SCRIPTED = f"scripted:{EXAMPLE / 'script.yaml'}"
REAL = (("ANTHROPIC_API_KEY", "anthropic:claude-opus-5-5"), ("OPENAI_API_KEY", "openai:gpt-6-astra"))
CALLS_BEFORE_KILL = 4
GOAL = (
    "Read every file in the workspace, compute the revenue of each quarter, the total against the target and the "
    "growth from Q1 to Q3 with the calculator, and write a short report to reports/summary.md. Then tell me the result."
)


@dataclass
class Seen:
    """Activities as history tells of them: what was scheduled, and what had completed before the kill."""

    names: dict[int, str] = field(default_factory=dict[int, str])
    done: list[str] = field(default_factory=list[str])
    before: list[str] = field(default_factory=list[str])
    attempts: dict[int, int] = field(default_factory=dict[int, int])

    def take(self, event: HistoryEvent) -> str:
        """Note an event; returns the name of the activity that was scheduled by it, or an empty string."""
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            name = event.activity_task_scheduled_event_attributes.activity_type.name
            self.names[event.event_id] = name
            return name
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            started = event.activity_task_started_event_attributes
            self.attempts[started.scheduled_event_id] = started.attempt
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            self.done.append(self.names[event.activity_task_completed_event_attributes.scheduled_event_id])
        return ""

    @property
    def repeated(self) -> list[str]:
        """Activities that needed more than one attempt."""
        return [self.names[number] for number, attempt in self.attempts.items() if attempt > 1]


def choose_model(asked: str | None, settings: Settings) -> tuple[str, str]:
    """Return the model to use and how the demo calls it."""
    named = asked or settings.model
    if named:
        return named, f"the model {named}"
    for key, model in REAL:
        if os.environ.get(key):
            return model, f"the real model {model} ({key} is set)"
    return SCRIPTED, "a SCRIPTED model, since no key is set: its words are fixed, its tool calls are real"


async def demonstrate(cli: Cli, *, yes: bool, model: str | None) -> ExitCode:
    """Play the demo to its end; the exit code is that of its run."""
    cli.out.note("starting: a Temporal server, a worker and an agent (the first start may take some seconds)")
    session = await open_session(cli)
    chosen, words = choose_model(model, session.settings)
    identity = f"demo-{uuid.uuid4().hex[:8]}"
    workspace = session.settings.home / "demo" / identity
    shutil.copytree(EXAMPLE / "files", workspace)
    cli.out.text(
        f"server    {session.connection.address}"
        + (f", Web UI {session.connection.ui}" if session.connection.ui else "")
    )
    cli.out.text(f"model     {words}")
    cli.out.text(f"files     {workspace}")
    worker = DemoWorker(session.settings.home, identity, workspace)
    try:
        await worker.start()
        cli.out.text(f"worker    process {worker.pid}")
        handle = await session.client.start_workflow(
            "Agent",
            AgentInput(goal=GOAL, agent="analyst", model=chosen),
            id=identity,
            task_queue=identity,
        )
        return await _play(session, worker, Started(identity, handle.result_run_id or ""), workspace, yes=yes)
    finally:
        worker.end()


async def _play(session: Session, worker: DemoWorker, run: Started, workspace: Path, *, yes: bool) -> ExitCode:
    handle, seen = session.handle(run.workflow_id, run.run_id), Seen()
    killing = asyncio.create_task(_kill_and_replace(session, worker, handle, seen))
    try:
        code = await run.follow(session, None, yes=yes, wait=0.0)
    except (CliError, asyncio.CancelledError) as error:
        with suppress(Exception):
            await handle.terminate("the demo ended before its run")
        if isinstance(error, asyncio.CancelledError):
            session.cli.out.note("the demo's run was ended too; `uv run starter.py server stop` ends the server")
        if isinstance(error, CliError) and error.code is ExitCode.HUMAN:
            message = "the report waits for an approval, and no person is at this terminal"
            hint = "run the demo in a terminal to be asked, or with --yes; this run was ended"
            raise CliError(error.code, error.kind, message, hint, error.extra) from error
        raise
    finally:
        session.cli.way_back = []
        if not killing.done():
            killing.cancel()
    with suppress(asyncio.CancelledError):
        await killing
    _account(session, run, seen, workspace)
    return code


async def _kill_and_replace(session: Session, worker: DemoWorker, handle: Handle, seen: Seen) -> None:
    """Watch the history; when a model call follows some tool calls, kill the worker inside it and start another."""
    out = session.cli.out
    async for event in tail(handle):
        scheduled = seen.take(event)
        if worker.killed or scheduled != "llm.reply" or seen.done.count("tools.call") < CALLS_BEFORE_KILL:
            continue
        await worker.until_busy(handle)
        seen.before = list(seen.done)
        out.text(f"\n>>> SIGKILL: worker process {worker.pid} dies in the middle of a model call\n")
        await worker.kill()
        await worker.start()
        out.text(f">>> worker process {worker.pid} has started; it reads the history and goes on from there\n")


def _account(session: Session, run: Started, seen: Seen, workspace: Path) -> None:
    out = session.cli.out
    models, tools = seen.before.count("llm.reply"), seen.before.count("tools.call")
    why = " (in flight when the worker died; had no answer yet)"
    again = f"{', '.join(seen.repeated)}{why}" if seen.repeated else "nothing"
    report = workspace / "reports" / "summary.md"
    out.text()
    out.text(f"NOT run again after the kill: {models} model calls and {tools} tool calls that history already held")
    out.text(f"run again: {again}")
    out.text(f"in all: {seen.done.count('llm.reply')} model calls, {seen.done.count('tools.call')} tool calls")
    if report.is_file():
        out.text(f"report: {report} ({report.stat().st_size} bytes)")
    else:
        out.text("report: reports/summary.md was not written, whatever the model says")
    if link := session.link(run.workflow_id, run.run_id):
        out.text(f"history in the Web UI: {link}")
    out.text("the server keeps running: `uv run starter.py server stop` ends it")
