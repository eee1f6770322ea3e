"""The embedded server and worker in the foreground: the worker's log as it is written, a new worker when it dies."""

import asyncio
import json
import os
from pathlib import Path
from typing import cast

from perdure.cli.errors import CliError, ExitCode
from perdure.cli.output import Output, clean, shown_json
from perdure.cli.session import Session
from perdure.embedded_worker import EmbeddedWorker, ensure_worker, log_path, stop_worker
from perdure.worker_record import read_record

__all__ = ["readable", "serve"]

LOOK_SECONDS = 0.3


async def serve(session: Session) -> int:
    """Keep a worker of our own running until Ctrl-C, then drain it."""
    out, connection = session.cli.out, session.connection
    if not connection.embedded:
        message = f"`dev` is for the embedded server, but the environment names the one at {connection.address}"
        hint = "start a worker for it with `uv run worker.py`, or unset TEMPORAL_ADDRESS"
        raise CliError(ExitCode.USAGE, "NotEmbedded", message, hint)
    log = log_path(session.settings.home)
    position = log.stat().st_size if log.exists() else 0
    worker = await _worker(session)
    try:
        _announce(session, worker)
        while True:
            position = _show_news(out, log, position)
            await asyncio.sleep(LOOK_SECONDS)
            if not worker.lives():
                out.note("the worker has ended; starting another")
                worker = await _worker(session)
    except asyncio.CancelledError:
        # Ctrl-C is how `dev` ends: the worker finishes what it is doing, a second Ctrl-C leaves it to that.
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        await _drain(session, worker)
        _show_news(out, log, position)
        return ExitCode.SUCCESS


async def _worker(session: Session) -> EmbeddedWorker:
    worker = await ensure_worker(
        session.settings, session.connection, session.cli.out.note, replace=True, supervisor=os.getpid()
    )
    assert worker is not None, "the server is the embedded one"  # noqa: S101
    return worker


def _announce(session: Session, worker: EmbeddedWorker) -> None:
    out, connection = session.cli.out, session.connection
    facts = {
        "address": connection.address,
        "ui": connection.ui,
        "namespace": connection.namespace,
        "task_queue": session.settings.task_queue,
        "worker_pid": worker.pid,
    }
    if not out.is_text:
        out.document({"event": "dev.ready", **facts})
        return
    out.text(f"Temporal   {connection.address}, namespace {connection.namespace}")
    out.text(f"Web UI     {connection.ui}")
    out.text(f"worker     process {worker.pid} on task queue {session.settings.task_queue}")
    out.text("Ctrl-C ends the worker and leaves the server")


def _show_news(out: Output, log: Path, position: int) -> int:
    """Write the log's lines since `position` to stderr; returns where to go on. A shorter log was begun anew."""
    if not log.exists():
        return 0
    with log.open("rb") as stream:
        stream.seek(position if log.stat().st_size >= position else 0)
        news = stream.read()
        whole = news[: news.rfind(b"\n") + 1]
        for line in whole.decode(errors="replace").splitlines():
            out.note(readable(line))
        return stream.tell() - len(news) + len(whole)


def readable(line: str) -> str:
    """A JSON log line for people; anything else as it is."""
    try:
        entry = json.loads(line)
    except ValueError:
        return clean(line)
    if not isinstance(entry, dict):
        return clean(line)
    fields = cast("dict[str, object]", entry)
    head = [str(fields.pop(name, ""))[:length] for name, length in (("timestamp", 19), ("level", 7), ("event", 200))]
    trace = str(fields.pop("exception", ""))
    rest = [f"{name}={shown_json(value)}" for name, value in fields.items()]
    return clean(" ".join(filter(None, [*head, *rest])) + (f"\n{trace}" if trace else ""))


async def _drain(session: Session, worker: EmbeddedWorker) -> None:
    record = read_record(worker.lock) if worker.lock else None
    if worker.lock and record and record.pid == worker.pid:
        session.cli.out.note("draining the worker; the server goes on (`uv run starter.py server stop` ends it)")
        await stop_worker(worker.lock, record, session.cli.out.note)
