"""The person at the terminal: whether there is one, and the lines they type."""

import asyncio
import sys
import threading
from typing import TextIO

__all__ = ["Lines", "is_terminal"]


def is_terminal() -> bool:
    """Whether a person can be asked: they type here, and see what is written to stderr."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class Lines:
    """Lines of stdin, read in a thread that dies with the process, so that Ctrl-C never waits for Enter."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Read from stdin or another stream; the first `ask` starts."""
        self._stream = stream or sys.stdin
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._started = False

    async def ask(self, prompt: str, stream: TextIO) -> str | None:
        """Write a prompt and return the line typed after it; None when stdin has ended.

        Lines typed earlier are dropped: they answered something else.
        """
        self._start()
        while not self._queue.empty():
            if not self._queue.get_nowait():
                self._queue.put_nowait("")
                return None
        stream.write(prompt)
        stream.flush()
        return await self.next()

    async def next(self) -> str | None:
        """The next line, one typed earlier included; None when stdin has ended."""
        self._start()
        line = await self._queue.get()
        if not line:
            self._queue.put_nowait(line)
            return None
        return line.strip()

    def _start(self) -> None:
        if not self._started:
            self._started = True
            loop = asyncio.get_running_loop()
            threading.Thread(target=self._read, args=(loop,), daemon=True, name="stdin").start()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        line = "start"
        while line:
            try:
                line = self._stream.readline()
            except (OSError, ValueError):
                line = ""
            try:
                loop.call_soon_threadsafe(self._queue.put_nowait, line)
            except RuntimeError:
                return
