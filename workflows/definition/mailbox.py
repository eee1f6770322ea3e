"""Named events for stages that wait for them: early ones are kept, repeated ones dropped."""

from collections import deque
from datetime import timedelta

from temporalio import workflow

from perdure.domain.definition.run import Event
from perdure.domain.run import StopReason
from workflows.control import RunEndedError
from workflows.run import AgentRun

__all__ = ["Mailbox"]

MOST = 1_000
"""Events that are kept, and ids that are remembered."""


class Mailbox:
    """Events that nobody has waited for yet, by name and in the order in which they came."""

    def __init__(self) -> None:
        """Start empty."""
        self._kept: dict[str, deque[Event]] = {}
        self._ids: dict[str, None] = {}
        self._count = 0
        self._closed = False

    def put(self, event: Event) -> str:
        """Keep an event; returns why it is dropped instead, or nothing."""
        if event.id and event.id in self._ids:
            return f"event {event.name}: {event.id!r} came before"
        if self._count >= MOST:
            return f"event {event.name}: {MOST} events wait already"
        if event.id:
            self._ids = dict.fromkeys([*self._ids, event.id][-MOST:])
        self._kept.setdefault(event.name, deque()).append(event)
        self._count += 1
        return ""

    def close(self) -> None:
        """Let nobody wait any longer: the stages end without the others."""
        self._closed = True

    async def take(self, run: AgentRun, name: str, within: float | None) -> Event | None:
        """The oldest event of this name, waiting for it at most so many seconds; None when none came in time.

        Raises RunEndedError when the run is told to stop or its deadline comes first.
        """
        over = None if within is None else workflow.now() + timedelta(seconds=within)
        while not self._kept.get(name):
            left = None if over is None else over - workflow.now()
            deadline = run.control.until_deadline
            wait = min((each for each in (left, deadline) if each is not None), default=None)
            if self._closed or (left is not None and left <= timedelta(0)):
                return None
            try:
                with run.control.waiting(f"event {name}"):
                    await workflow.wait_condition(
                        lambda: bool(self._kept.get(name)) or run.control.stopping or self._closed,
                        timeout=wait,
                        timeout_summary=f"event {name}"[:100],
                    )
            except TimeoutError:
                if wait == deadline and wait != left:
                    raise RunEndedError(StopReason.TIME_LIMIT) from None
            if run.control.stopping:
                raise RunEndedError(StopReason.STOPPED)
        self._count -= 1
        return self._kept[name].popleft()
