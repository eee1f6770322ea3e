"""Words of a tool about its progress, on their way from its thread to whoever shows them, at a bounded rate."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from contextlib import suppress

__all__ = ["MAX_WORDS", "Progress"]

MAX_WORDS = 2_000
"""Characters of one report."""
PAUSE = 0.1
"""Seconds between two deliveries."""
KEPT = 20
"""Reports of one delivery; of a tool that reports more often, the newest are told."""


class Progress:
    """Made on the loop that `receiver` is called on; `say` works from any thread and never raises."""

    def __init__(self, receiver: Callable[[str], None] | None) -> None:
        """Tell the receiver; None: nobody listens."""
        self._receiver = receiver
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._waiting: deque[str] = deque(maxlen=KEPT)
        self._due = False
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None

    def say(self, words: str) -> None:
        """Report; what is too long is cut."""
        if self._receiver is None or self._ended:
            return
        self._waiting.append(words[:MAX_WORDS])
        if not self._due:
            self._due = True
            with suppress(RuntimeError):  # the caller's loop is closed
                self._loop.call_soon_threadsafe(self._tell, context=self._context)

    def end(self) -> None:
        """Tell what still waits, and nothing after that. On the loop only."""
        self._deliver()
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()

    def _tell(self) -> None:
        if self._ended:
            return
        if self._waiting:
            self._deliver()
            self._timer = self._loop.call_later(PAUSE, self._tell, context=self._context)
        else:
            self._due = False

    def _deliver(self) -> None:
        while self._waiting and self._receiver is not None:
            self._receiver(self._waiting.popleft())
