"""Waiting with a bound: for a condition, and for a lock between processes."""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

__all__ = ["Progress", "exclusive", "try_lock", "until"]

Progress = Callable[[str], None]

QUIET_SECONDS = 2.0
STEP = 0.05


async def until(
    check: Callable[[], Awaitable[bool]], *, seconds: float, notice: str = "", on_progress: Progress = lambda _: None
) -> bool:
    """Call `check` until it is true; false after `seconds`. A wait of two seconds is told to `on_progress` once."""
    began = time.monotonic()
    while not await check():
        waited = time.monotonic() - began
        if waited >= seconds:
            return False
        if notice and waited >= QUIET_SECONDS:
            on_progress(notice)
            notice = ""
        await asyncio.sleep(STEP)
    return True


def try_lock(path: Path) -> int | None:
    """Lock a folder or a file, made if missing, against other processes; None while another one holds it.

    The kernel drops the lock when every copy of the descriptor is closed, also by SIGKILL. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@asynccontextmanager
async def exclusive(path: Path, *, seconds: float, notice: str, on_progress: Progress) -> AsyncGenerator[None]:
    """Hold the lock of `path`; raises TimeoutError when another process keeps it for `seconds`, or OSError."""
    held: list[int] = []

    async def taken() -> bool:
        descriptor = try_lock(path)
        held.extend([] if descriptor is None else [descriptor])
        return descriptor is not None

    if not await until(taken, seconds=seconds, notice=notice, on_progress=on_progress):
        raise TimeoutError
    try:
        yield
    finally:
        os.close(held[0])
