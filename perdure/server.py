"""The embedded Temporal server: one per PERDURE_HOME, started by whoever needs it first, shared by all commands."""

import os
import signal
from pathlib import Path

from perdure.server_process import ServerError, find_binary, find_process
from perdure.server_record import ServerInfo, locate, resolved
from perdure.server_start import Start, serves
from perdure.waiting import Progress, until

__all__ = ["ServerError", "ServerInfo", "ensure_server", "running_server", "stop_server"]

START_SECONDS = 60.0
STOP_SECONDS = 10.0


async def running_server(home: Path) -> ServerInfo | None:
    """Return the server of this home if its process runs and it answers; starts nothing."""
    info = locate(resolved(home))
    return info if info is not None and await serves(info) else None


async def ensure_server(
    home: Path, on_progress: Progress, *, binary: Path | None = None, seconds: float = START_SECONDS
) -> ServerInfo:
    """Return the server of this home, started when none runs; it is detached and outlives this process.

    Commands that ask at the same moment get the same server. `on_progress` gets a line when something takes more
    than two seconds. Raises ServerError when no server answers within `seconds`.
    """
    running = await running_server(home)
    if running is not None:
        return running
    start = Start(resolved(home), on_progress, seconds)
    async with start.only_one():
        located = locate(start.home)
        return await (start.adopt(located) if located else start.fresh(binary or find_binary()))


async def stop_server(home: Path) -> ServerInfo | None:
    """End the server of this home, by force after ten seconds; what was stopped, or None when none ran.

    Raises ServerError when another command keeps starting it.
    """
    start = Start(resolved(home), lambda _: None, START_SECONDS)
    if locate(start.home) is None:
        return None
    async with start.only_one():
        info = locate(start.home)
        if info is not None:
            await _end(info)
        return info


async def _end(info: ServerInfo) -> None:
    async def gone() -> bool:
        return find_process(info.database, info.pid) is None

    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(info.pid, number)
        except ProcessLookupError:
            return
        if await until(gone, seconds=STOP_SECONDS):
            return
