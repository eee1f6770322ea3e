"""Threads for tools: an event loop of their own, so that a tool that blocks cannot stop the worker's heartbeats."""

import asyncio
import contextvars
import functools
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

__all__ = ["GRACE", "LoopThread", "in_thread"]

GRACE = 2.0
"""Seconds that cancelled work gets to end."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


class LoopThread:
    """An event loop in a daemon thread: a tool that never ends does not keep the process alive."""

    def __init__(self) -> None:
        """Start the thread."""
        self.loop = asyncio.new_event_loop()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="perdure-tools", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = GRACE) -> bool:
        """Cancel what runs, end the loop, and wait for it; False when it still runs after so many seconds."""
        self._closing = True
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(seconds + 1)  # the tasks have GRACE, their loop a little more
        return not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        while not self._closing:
            try:
                self.loop.run_forever()
            except BaseException:  # noqa: BLE001 - a task of a tool raised SystemExit: the others go on
                _log.exception("tools.loop_interrupted")
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        try:
            if tasks:
                self.loop.run_until_complete(asyncio.wait(tasks, timeout=GRACE))
        finally:
            self.loop.close()


def in_thread(function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    """Make an async function of a blocking one: each call gets a daemon thread.

    Not a pool: the threads of an executor are joined when Python exits, so one stuck tool would hold the worker.
    A thread cannot be stopped: when the call is cancelled the function gets GRACE seconds to end, then is left alone.
    """

    async def call(*args: Any, **kwargs: Any) -> T:  # noqa: ANN401 - whatever the function takes
        future: Future[T] = Future()
        work = functools.partial(contextvars.copy_context().run, function, *args, **kwargs)
        threading.Thread(target=_settle, args=(future, work), name="perdure-tool", daemon=True).start()
        waiter = asyncio.wrap_future(future)
        waiter.add_done_callback(_heard)
        try:
            return await asyncio.shield(waiter)
        except asyncio.CancelledError:
            await asyncio.wait({waiter}, timeout=GRACE * 0.75)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                return waiter.result()
            raise

    return call


def _heard(waiter: "asyncio.Future[Any]") -> None:
    """Take note of an exception that comes after nobody waits any more, or asyncio would print it."""
    if not waiter.cancelled():
        waiter.exception()


def _settle(future: "Future[T]", work: Callable[[], T]) -> None:
    try:
        result = work()
    except StopIteration as error:
        future.set_exception(RuntimeError(f"StopIteration: {error}"))  # asyncio cannot carry StopIteration itself
    except BaseException as error:  # noqa: BLE001 - it is handed over, whatever it is
        future.set_exception(error)
    else:
        future.set_result(result)
