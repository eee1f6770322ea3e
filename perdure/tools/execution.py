"""One piece of a tool's work: it runs on the tools' event loop and is followed from the caller's."""

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from perdure.tools.threads import GRACE, LoopThread

__all__ = ["Ended", "Execution", "OutOfTime"]


@dataclass(frozen=True)
class Ended:
    """The work ended: with `value`, or with `error`."""

    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True)
class OutOfTime:
    """The work was given up: `started` says whether it ever began, `quiet` that it was for a missing heartbeat."""

    started: bool
    quiet: bool


class Execution:
    """Runs `work` once. The deadline is watched from the caller's loop, so that blocked tools cannot hide it."""

    def __init__(self, thread: LoopThread, timeout: float, heartbeat: float | None) -> None:
        """Prepare for work that may take `timeout` seconds, and `heartbeat` seconds between two signs of life."""
        self._thread = thread
        self._timeout = timeout
        self._heartbeat = heartbeat
        self._lock = threading.Lock()
        self._started = False
        self._given_up = False
        self._noticed = self._waited = False
        self._task: asyncio.Task[None] | None = None
        self._done: Future[Ended] = Future()
        self._begin = self._beat = time.monotonic()

    @property
    def loop_is_stuck(self) -> bool:
        """Whether the work was given up and the tools' loop never came to notice: something blocks it."""
        return self._waited and not self._noticed

    def beat(self) -> None:
        """Note a sign of life."""
        self._beat = time.monotonic()

    async def run(self, work: Callable[[], Awaitable[Any]], context: contextvars.Context) -> Ended | OutOfTime:
        """Run `work` in `context`. Cancellation reaches the work, and waits a bounded time for it to end."""
        waiter = asyncio.wrap_future(self._done)
        self._thread.loop.call_soon_threadsafe(self._start, work, context)
        try:
            while not waiter.done() and (left := self._left()) > 0:
                await asyncio.wait({waiter}, timeout=min(left, self._heartbeat or left))
        except asyncio.CancelledError:
            if self._give_up():
                await self._wait_for_end(waiter)
            raise
        if not waiter.done():
            quiet = time.monotonic() - self._begin < self._timeout
            started = self._give_up()
            await self._wait_for_end(waiter)
            if not waiter.done() or waiter.result().error is not None:
                return OutOfTime(started, quiet)
        return waiter.result()

    async def _wait_for_end(self, waiter: "asyncio.Future[Ended]") -> None:
        """Wait for work that was given up; work that never started only for the loop's notice."""
        end = time.monotonic() + GRACE
        while not waiter.done() and not (self._noticed and not self._started) and time.monotonic() < end:
            await asyncio.wait({waiter}, timeout=GRACE / 20)
        self._waited = True

    def _left(self) -> float:
        ends = self._begin + self._timeout
        if self._heartbeat is not None and self._started:
            ends = min(ends, self._beat + self._heartbeat)
        return ends - time.monotonic()

    def _start(self, work: Callable[[], Awaitable[Any]], context: contextvars.Context) -> None:
        with self._lock:
            if self._given_up:
                return
            self._started = True
        self.beat()
        self._task = self._thread.loop.create_task(self._run(work), context=context)

    async def _run(self, work: Callable[[], Awaitable[Any]]) -> None:
        try:
            ended = Ended(value=await work())
        except BaseException as error:  # noqa: BLE001 - SystemExit too: nothing a tool raises may end the loop
            ended = Ended(error=error)
        with suppress(Exception):  # nobody waits any more
            self._done.set_result(ended)

    def _give_up(self) -> bool:
        """Cancel the work, or keep it from starting; return whether it had started."""
        with self._lock:
            self._given_up = True
        with suppress(RuntimeError):  # the loop is closed
            self._thread.loop.call_soon_threadsafe(self._cancel)
        return self._started

    def _cancel(self) -> None:
        self._noticed = True
        if self._task is not None:
            self._task.cancel()
