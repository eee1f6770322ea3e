"""Life of a long-running process: it ends by a signal, and with an exit code that says who must act."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn

import structlog

from perdure.domain.errors import PerdureError
from perdure.server import ServerError

__all__ = ["announce", "end_signal", "run_process"]

log = structlog.get_logger()
INVALID = 2
UNREACHABLE = 3


def announce(event: str, **facts: str) -> None:
    """Print one JSON line about this process to stdout, for whoever has started it."""
    sys.stdout.write(json.dumps({"event": event, **facts, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()


def end_signal() -> asyncio.Event:
    """Event that is set by SIGTERM or Ctrl-C."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    return ended


def run_process(main: Coroutine[Any, Any, None]) -> NoReturn:
    """Run to the end and leave the process: 0, 2 for a wrong setting or file, 3 without a Temporal server."""
    code = 0
    try:
        asyncio.run(main)
    except PerdureError as error:  # words for the operator, who has no use for a traceback
        code = UNREACHABLE if isinstance(error, ServerError) else INVALID
        log.error("process.failed", code=error.code, error=error.message)  # noqa: TRY400 - see above
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the SDK's threads may abort a normal interpreter exit (FACTS A1)
