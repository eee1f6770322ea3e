"""The embedded worker: a detached `worker.py`, started when none polls and replaced when it is out of date."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from perdure.connect import Connection
from perdure.domain.errors import PerdureError
from perdure.fingerprint import PROJECT, fingerprint
from perdure.pollers import is_alive, local_pollers
from perdure.settings import Settings
from perdure.waiting import Progress, exclusive, try_lock, until
from perdure.worker_record import WorkerRecord, held, lock_path, read_record, records, write_record

__all__ = ["EmbeddedWorker", "WorkerError", "ensure_worker", "log_path", "stop_worker", "stop_workers"]

READY_SECONDS = 60.0
LAUNCH_SECONDS = READY_SECONDS + 10
DRAIN_SECONDS = 40.0
PROBE_SECONDS = 1.0
IDLE_EXIT = "600"
MAX_LOG_BYTES = 5_000_000
MAX_READ_BYTES = 1_000_000
TAIL_LINES = 8
USAGE = 2
"""Exit code of a worker whose settings or tools are wrong."""


class WorkerError(PerdureError):
    """The embedded worker did not start; `usage` says that its settings or tools are at fault."""

    def __init__(self, message: str, *, usage: bool = False) -> None:
        """Keep whose fault it is."""
        super().__init__(message)
        self.usage = usage


@dataclass(frozen=True)
class EmbeddedWorker:
    """A worker that lives: ours, with a lock file, or one that somebody started by hand."""

    pid: int
    lock: Path | None = None

    def lives(self) -> bool:
        """Whether it still does."""
        return is_alive(self.pid) if self.lock is None else held(self.lock)


def log_path(home: Path) -> Path:
    """Where the output of embedded workers goes."""
    return home / "worker.log"


async def ensure_worker(
    settings: Settings,
    connection: Connection,
    on_progress: Progress,
    *,
    replace: bool = False,
    supervisor: int | None = None,
) -> EmbeddedWorker | None:
    """Have a worker on the embedded server, ready to work; None on any other server, whose workers are not ours.

    A worker counts when the lock of its process is held, or when it polled lately and its process lives. With
    `replace` an embedded worker whose settings, keys or code are older than what is now there is drained, and a new
    one takes its place at once. `supervisor` is the process id of a `dev`, which always gets a worker of its own.
    Raises WorkerError when the new worker does not get ready.
    """
    if not connection.embedded:
        return None
    launch = _Launch(settings, connection, on_progress, supervisor)
    notice = "waiting for another command that is starting a worker"
    lock = launch.path.with_suffix(".launch")
    try:
        async with exclusive(lock, seconds=LAUNCH_SECONDS, notice=notice, on_progress=on_progress):
            return await launch.ensure(replace=replace)
    except TimeoutError:
        raise WorkerError(f"another command has been starting a worker for too long ({lock} is locked)") from None


@dataclass(frozen=True)
class _Launch:
    settings: Settings
    connection: Connection
    on_progress: Progress
    supervisor: int | None

    @property
    def path(self) -> Path:
        """Lock file of the worker."""
        return lock_path(self.settings.home, self.settings.task_queue)

    async def ensure(self, *, replace: bool) -> EmbeddedWorker:
        """Return the worker that is there, or a new one; called by one process at a time."""
        mark = fingerprint(self.settings.tool_modules)
        descriptor = await self._lock()
        if descriptor is None:
            record = read_record(self.path)
            if record is not None and not self._outdated(record, mark, replace=replace):
                if not record.ready:
                    await self._ready(record)
                return EmbeddedWorker(record.pid, self.path)
            descriptor = await self._take_over(record)
        elif self.supervisor is None:
            foreign = await local_pollers(self.connection.client, self.settings.task_queue)
            if foreign:
                os.close(descriptor)
                return EmbeddedWorker(foreign[0])
        return await self._start(descriptor, mark)

    async def _lock(self) -> int | None:
        """Take the lock of the worker; None when one lives. Commands that only look hold it for an instant."""
        taken: list[int] = []

        async def settled() -> bool:
            descriptor = try_lock(self.path)
            taken.extend([] if descriptor is None else [descriptor])
            record = read_record(self.path)
            return bool(taken) or (record is not None and is_alive(record.pid))

        await until(settled, seconds=PROBE_SECONDS)
        return taken[0] if taken else None

    def _outdated(self, record: WorkerRecord, mark: str, *, replace: bool) -> bool:
        if record.address != self.connection.address or self.supervisor is not None:
            return True
        if not replace or record.fingerprint == mark:
            return False
        if record.is_supervised:
            self.on_progress("the worker of `dev` runs with other settings or code; start `dev` again to use these")
            return False
        return True

    async def _take_over(self, record: WorkerRecord | None) -> int:
        """Tell the old worker to drain, and put a new lock file in place of the one it holds until it has ended."""
        if record is not None:
            if record.is_supervised and record.address == self.connection.address:
                raise WorkerError(f"another `dev` (process {record.supervisor}) has a worker on this task queue")
            self.on_progress(f"replacing the worker (process {record.pid}), which has other settings or code")
            with contextlib.suppress(ProcessLookupError):
                os.kill(record.pid, signal.SIGTERM)
        self.path.unlink(missing_ok=True)
        descriptor = try_lock(self.path)
        if descriptor is None:
            raise WorkerError(f"the lock {self.path} cannot be taken")
        return descriptor

    async def _start(self, descriptor: int, mark: str) -> EmbeddedWorker:
        log = log_path(self.settings.home)
        if log.exists() and log.stat().st_size > MAX_LOG_BYTES and len(records(self.settings.home)) == 0:
            log.replace(log.with_suffix(".log.1"))
        try:
            with log.open("ab") as output:
                offset = output.tell()
                process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own program; it is not waited for
                    [sys.executable, str(PROJECT / "worker.py"), "--idle-exit", IDLE_EXIT],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(descriptor,),
                )
            # Whoever follows a run may outlive the worker, and must not keep it as a zombie.
            threading.Thread(target=process.wait, daemon=True, name="worker-reaper").start()
            record = WorkerRecord(
                pid=process.pid,
                fingerprint=mark,
                address=self.connection.address,
                offset=offset,
                supervisor=self.supervisor,
            )
            write_record(self.path, record)
        finally:
            os.close(descriptor)
        await self._ready(record, process)
        return EmbeddedWorker(process.pid, self.path)

    async def _ready(self, record: WorkerRecord, process: "subprocess.Popen[bytes] | None" = None) -> None:
        """Wait for the worker's own word that it polls."""
        log = log_path(self.settings.home)

        async def settled() -> bool:
            gone = not held(self.path) if process is None else process.poll() is not None
            return gone or _says_ready(log, record)

        began = time.monotonic()
        await until(settled, seconds=READY_SECONDS, notice="starting a worker", on_progress=self.on_progress)
        if _says_ready(log, record):
            write_record(self.path, record.model_copy(update={"ready": True}))
            return
        if process is not None and process.poll() is None:
            process.terminate()
        code = None if process is None else process.poll()
        why = _last_words(log, record.offset)
        took = f"was not ready after {time.monotonic() - began:.0f} s" if code is None else f"ended with code {code}"
        raise WorkerError(f"the worker {took}: {why}", usage=code == USAGE)


def _says_ready(log: Path, record: WorkerRecord) -> bool:
    for line in _lines(log, record.offset):
        if '"worker.ready"' not in line:
            continue
        with contextlib.suppress(ValueError):
            if json.loads(line).get("pid") == record.pid:
                return True
    return False


def _lines(log: Path, offset: int) -> list[str]:
    try:
        with log.open("rb") as stream:
            stream.seek(offset)
            return stream.read(MAX_READ_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return []


def _last_words(log: Path, offset: int) -> str:
    """Why a worker ended, from its log: the error it logged, else the last lines."""
    lines = _lines(log, offset)
    for line in reversed(lines):
        with contextlib.suppress(ValueError, AttributeError):
            words = json.loads(line).get("error")
            if words:
                return str(words)
    return "\n".join([f"the end of {log}:", *lines[-TAIL_LINES:]])


async def stop_worker(path: Path, record: WorkerRecord, on_progress: Progress) -> bool:
    """Drain one embedded worker and wait for its end; false when it still lives after 40 seconds."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGTERM)

    async def gone() -> bool:
        return not held(path)

    notice = f"waiting for the worker (process {record.pid}) to finish what it is doing"
    return await until(gone, seconds=DRAIN_SECONDS, notice=notice, on_progress=on_progress)


async def stop_workers(home: Path, on_progress: Progress) -> list[int]:
    """Drain every embedded worker of a home; the process ids of those that ended."""
    return [record.pid for path, record in records(home) if await stop_worker(path, record, on_progress)]
