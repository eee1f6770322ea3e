"""The lock file of an embedded worker: held by its process for as long as it lives, telling others what it is."""

import fcntl
import os
import re
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from perdure.pollers import is_alive
from perdure.waiting import try_lock

__all__ = ["WorkerRecord", "held", "lock_path", "read_record", "records", "write_record"]

PREFIX, SUFFIX = "worker-", ".lock"
MAX_NAME = 60


class WorkerRecord(BaseModel):
    """What an embedded worker is: its process, its settings as a hash, its server, and where its log begins.

    `supervisor` is the process id of the `dev` that looks after it; `ready` is set once it was seen to poll.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    fingerprint: str
    address: str
    offset: int
    supervisor: int | None = None
    ready: bool = False

    @property
    def is_supervised(self) -> bool:
        """Whether a living `dev` looks after it."""
        return self.supervisor is not None and is_alive(self.supervisor)


def lock_path(home: Path, task_queue: str) -> Path:
    """Lock file of the embedded worker of this home on a task queue."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", task_queue)[:MAX_NAME]
    if name != task_queue:
        name = f"{name}-{sha256(task_queue.encode()).hexdigest()[:8]}"
    return home / f"{PREFIX}{name}{SUFFIX}"


def held(path: Path) -> bool:
    """Whether the worker of this lock file lives; the kernel drops the lock with the process, also on SIGKILL."""
    if not path.exists():
        return False
    descriptor = try_lock(path)
    if descriptor is None:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)
    return False


def read_record(path: Path) -> WorkerRecord | None:
    """What the lock file says; None while it is empty or damaged."""
    try:
        return WorkerRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def write_record(path: Path, record: WorkerRecord) -> None:
    """Write into the lock file in place: it must stay the file that is locked."""
    path.write_text(record.model_dump_json() + "\n", encoding="utf-8")


def records(home: Path) -> list[tuple[Path, WorkerRecord]]:
    """Every embedded worker of a home that lives, with its lock file."""
    found = [(path, read_record(path)) for path in sorted(home.glob(f"{PREFIX}*{SUFFIX}")) if held(path)]
    return [(path, record) for path, record in found if record is not None]
