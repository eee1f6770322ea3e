"""Drives the state machine of one run: waits on it, ends the run where it says so, and tells of every change."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from temporalio import workflow

from perdure.domain.control import SteerPayload
from perdure.domain.errors import ErrorInfo
from perdure.domain.machine import Break, Machine, Verb
from perdure.domain.run import RunState, StopReason
from perdure.domain.state import ControlState

__all__ = ["Broken", "Control", "RolloverError", "RunEndedError"]

MAX_SHOWN = 1_000
"""Characters of a queued message in the status, which must fit into one answer."""

Broken = Callable[[], bool]
"""Whether somebody has broken in."""


class RunEndedError(Exception):
    """The run ends here as a value: with a stop reason and, for `error`, what went wrong."""

    def __init__(self, reason: StopReason, error: ErrorInfo | None = None) -> None:
        """Keep why."""
        super().__init__(reason)
        self.reason = reason
        self.error = error


class RolloverError(Exception):
    """The run stands still at a place where it can continue as new; its state says where it was."""


class Control:
    """What people asked of the run; `changed` is called after every change of the state that shows."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """Start idle."""
        self._changed = changed
        self._machine = Machine.new(workflow.now())
        self._deadline: datetime | None = None
        self.rolling: Callable[[], bool] = lambda: False
        """Whether the run should continue as new at the next place where it can."""
        self.on_transition: Callable[[RunState, RunState], None] = lambda _before, _after: None
        """Told of every change of the state that shows, before `changed`: from which to which."""

    def restore(self, state: ControlState) -> None:
        """Go on as the run that this one continues."""
        self._machine = Machine.continued(state, workflow.now())

    def remember(self, state: ControlState) -> None:
        """Take over what a closed session was told and had not used, before what was told since."""
        self._machine = self._machine.reopened(state)

    def snapshot(self) -> ControlState:
        """What a run that continues this one needs."""
        return self._machine.carried(workflow.now())

    def restart_clock(self) -> None:
        """Count working time from here: a session does for each question."""
        self._machine = self._machine.restarted(workflow.now())

    @property
    def state(self) -> RunState:
        """The state that shows."""
        return self._machine.shown

    @property
    def stopping(self) -> bool:
        """Whether the run was told to stop."""
        return self._machine.stopping

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self._machine.ended

    @property
    def draining(self) -> bool:
        """Whether the run only waits for its handlers to finish before it continues as new."""
        return self._machine.phase is RunState.CHECKPOINTING

    @property
    def started(self) -> datetime:
        """When the run, or the question of a session, began."""
        return self._machine.started

    @property
    def waiting_for(self) -> str | None:
        """What the oldest wait is for."""
        return self._machine.waiting_for

    @property
    def queued(self) -> tuple[str, ...]:
        """Beginnings of the steering messages that the model has not seen yet."""
        return tuple(item.text[:MAX_SHOWN] for item in self._machine.steering)

    @property
    def worked(self) -> timedelta:
        """Wall clock since the start without waiting for people, pauses and outages."""
        return self._machine.worked(workflow.now())

    @property
    def paused(self) -> bool:
        """Whether the run was told to hold."""
        return self._machine.paused

    @property
    def broken(self) -> Break:
        """The last interruption."""
        return self._machine.broken

    def watch(self) -> Broken:
        """What says from now on whether somebody has broken in since."""
        number = self._machine.broken.number
        return lambda: self._machine.broken.number > number

    @property
    def until_deadline(self) -> timedelta | None:
        """Wall clock until the deadline, never below a millisecond; None without one."""
        if self._deadline is None:
            return None
        return max(self._deadline - workflow.now(), timedelta(milliseconds=1))

    def bound(self, deadline: datetime | None) -> None:
        """Take the deadline, which ends every wait."""
        self._deadline = deadline

    def enter(self, phase: RunState) -> None:
        """Go to another phase of life: idle, planning, executing, checkpointing, completed, failed, cancelled."""
        self._go(self._machine.enter(phase, workflow.now()))

    @contextmanager
    def waiting(self, for_what: str) -> Generator[None]:
        """Show `waiting` and stop the working clock for as long as the block lasts."""
        self._go(self._machine.wait_begin(for_what, workflow.now()))
        try:
            yield
        except (
            GeneratorExit
        ):  # a worker drops the run from its memory, maybe while another run is active: touch nothing
            raise
        except BaseException:
            self._waited(for_what)
            raise
        self._waited(for_what)

    def _waited(self, for_what: str) -> None:
        self._go(self._machine.wait_end(for_what, workflow.now()))

    def apply(self, verb: Verb, by: str = "", reason: str = "") -> RunState:
        """Carry out `pause`, `resume`, `interrupt` or `stop`; returns the state that shows then."""
        self._go(self._machine.apply(verb, workflow.now(), by, reason))
        return self._machine.shown

    def refusal(self, steer: SteerPayload) -> str:
        """Why this message cannot be queued; empty when it can."""
        return self._machine.refusal(steer)

    def steer(self, steer: SteerPayload) -> int:
        """Queue a message; returns its position from 1. A repeated id is dropped, its position is the queue's end."""
        self._go(self._machine.steer(steer, workflow.now()))
        return len(self._machine.steering)

    def take(self, *, idle: bool) -> tuple[SteerPayload, ...]:
        """Messages for the model's next turn; `idle` also takes those that wait until the agent has finished."""
        self._machine, taken = self._machine.take(idle=idle)
        return taken

    async def rest(self, length: timedelta, broken: Broken = lambda: False) -> None:
        """Let time pass, less when somebody breaks in; end the run when told to or when its deadline comes first."""
        last = self.until_deadline
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self.stopping or broken(), timeout=length if last is None else min(length, last)
            )
        if self.stopping:
            raise RunEndedError(StopReason.STOPPED)
        if last is not None and last < length and not broken():
            raise RunEndedError(StopReason.TIME_LIMIT)

    async def hold(self) -> None:
        """Stand still while paused; end the run when it was told to stop or its deadline has come.

        Here a run can continue as new: between two steps nothing is in flight.
        """
        if self.paused and not self.stopping:
            try:
                await workflow.wait_condition(
                    lambda: not self.paused or self.stopping or self.rolling(),
                    timeout=self.until_deadline,
                    timeout_summary="deadline of the run",
                )
            except TimeoutError:
                raise RunEndedError(StopReason.TIME_LIMIT) from None
        if self.stopping:
            raise RunEndedError(StopReason.STOPPED)
        if self.rolling():
            raise RolloverError

    def _go(self, after: Machine) -> None:
        before, self._machine = self._machine, after
        if before.shown is not after.shown:
            self.on_transition(before.shown, after.shown)
            self._changed()
