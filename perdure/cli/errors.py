"""What ends a command without success: exit code, kind, words and advice."""

import shlex
import traceback
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path

__all__ = ["CliError", "ExitCode", "ended", "no_worker", "translated", "unknown_run"]

OWN_INPUT = frozenset({"InvalidInput", "UnknownAgent", "UnknownTool", "UnknownModel", "ConfigurationError"})
"""Types of failure that come from what a run was given."""


class ExitCode(IntEnum):
    """The exit codes of the contract."""

    SUCCESS = 0
    FAILURE = 1
    USAGE = 2
    UNREACHABLE = 3
    HUMAN = 4
    INTERRUPTED = 130

    @classmethod
    def of_failure(cls, kind: str) -> "ExitCode":
        """Code for a run or request that failed with this type."""
        return cls.USAGE if kind in OWN_INPUT else cls.FAILURE


class CliError(Exception):
    """Ends the command with `code`; `hint` says what to do, `extra` joins the JSON document beside `error`."""

    def __init__(
        self, code: ExitCode, kind: str, message: str, hint: str = "", extra: Mapping[str, object] | None = None
    ) -> None:
        """Keep what to say and how to leave."""
        super().__init__(message)
        self.code = code
        self.kind = kind
        self.message = message
        self.hint = hint
        self.extra: Mapping[str, object] = extra or {}


def unknown_run(workflow_id: str, place: str) -> CliError:
    """No run of this id exists."""
    hint = "`uv run starter.py list runs` shows the runs there are"
    return CliError(ExitCode.FAILURE, "UnknownRun", f"there is no run {workflow_id!r} on {place}", hint)


def ended(workflow_id: str, status: str) -> CliError:
    """The run is over, so nothing can be asked of it any more."""
    hint = f"`uv run starter.py status {shlex.quote(workflow_id)}` shows how"
    return CliError(ExitCode.FAILURE, "RunEnded", f"run {workflow_id} has already ended ({status})", hint)


def no_worker(task_queue: str, place: str) -> CliError:
    """No worker answered within the time a command waits."""
    message = f"no worker on task queue {task_queue!r} of {place} answered in time"
    hint = "start one with `uv run worker.py` (same TEMPORAL_ and PERDURE_ settings) and try again"
    return CliError(ExitCode.UNREACHABLE, "NoWorker", message, hint)


def translated(error: Exception) -> CliError:
    """Any exception in words for the user; one that nobody foresaw names the line it came from."""
    # Imported late: `--help` must not pay for pydantic and Temporal.
    from perdure.domain.errors import ConfigurationError, PerdureError, StoreUnavailable  # noqa: PLC0415
    from perdure.embedded_worker import WorkerError  # noqa: PLC0415
    from perdure.server_process import ServerError  # noqa: PLC0415

    if isinstance(error, CliError):
        return error
    if isinstance(error, ServerError):
        return CliError(ExitCode.UNREACHABLE, error.code, error.message, "`uv run starter.py doctor` looks closer")
    if isinstance(error, WorkerError):
        return CliError(ExitCode.USAGE if error.usage else ExitCode.UNREACHABLE, error.code, error.message)
    if isinstance(error, StoreUnavailable):
        return CliError(ExitCode.UNREACHABLE, error.code, error.message, "`uv run starter.py doctor` looks closer")
    if isinstance(error, PerdureError):
        wrong = isinstance(error, ConfigurationError) or error.code in OWN_INPUT
        return CliError(ExitCode.USAGE if wrong else ExitCode.FAILURE, error.code, error.message)
    return _from_temporal(error) or _unforeseen(error)


def _from_temporal(error: Exception) -> CliError | None:
    from temporalio.client import RPCError, RPCTimeoutOrCancelledError  # noqa: PLC0415
    from temporalio.service import RPCStatusCode  # noqa: PLC0415

    if isinstance(error, RPCTimeoutOrCancelledError):
        return CliError(ExitCode.UNREACHABLE, "Unreachable", f"Temporal did not answer in time: {error}")
    if not isinstance(error, RPCError):
        return None
    lost = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
    if error.status in lost:
        return CliError(ExitCode.UNREACHABLE, "Unreachable", f"Temporal cannot be reached: {error.message}")
    invalid = error.status is RPCStatusCode.INVALID_ARGUMENT
    code = ExitCode.USAGE if invalid else ExitCode.FAILURE
    return CliError(code, f"Temporal{error.status.name.title().replace('_', '')}", f"Temporal refuses: {error.message}")


def _unforeseen(error: Exception) -> CliError:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    message = f"unexpected {type(error).__name__}: {error}{place}"
    return CliError(ExitCode.FAILURE, "InternalError", message, "this is a bug of Perdure: please report it")
