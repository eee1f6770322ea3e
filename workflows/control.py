"""The state machine of one run: pause, resume, steer and stop, what it waits for, and how long it has really worked.

idle -> executing -> completed | failed | cancelled; beside executing: waiting (a person, an outage), paused, stopping.
A long run continues as new (checkpointing) and executes again; a session is idle between questions.
What shows, in this order: an end, stopping, paused, idle or checkpointing, waiting, executing.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from temporalio import workflow

from perdure.domain.control import SteerPayload
from perdure.domain.errors import ErrorInfo
from perdure.domain.run import RunState, StopReason
from perdure.domain.state import ControlState

__all__ = ["MAX_QUEUED", "Control", "RolloverError", "RunEndedError"]

MAX_QUEUED = 100
MAX_QUEUED_CHARACTERS = 4_000_000
"""Of text: a continued run takes it over in one step, which must be short."""
MAX_SHOWN = 1_000
"""Characters of a queued message in the status, which must fit into one answer."""
REMEMBERED = 1_000
"""Ids of steering messages that a continued run still knows."""
ENDED = (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED)
NOT_WORKING = (RunState.WAITING, RunState.PAUSED, RunState.CHECKPOINTING)


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
        self._phase = RunState.IDLE
        self._shown = RunState.IDLE
        self._begun = False
        self._paused = False
        self._stopping = False
        self._waits: list[str] = []
        self._since = workflow.now()
        self._started = self._since
        self._idle = timedelta()
        self._deadline: datetime | None = None
        self._steering: list[SteerPayload] = []
        self._steer_ids: dict[str, None] = {}
        self.rolling: Callable[[], bool] = lambda: False
        """Whether the run should continue as new at the next place where it can."""

    def restore(self, state: ControlState) -> None:
        """Go on as the run that this one continues."""
        self._begun = True
        self._paused, self._stopping = state.paused, state.stopping
        self._started = state.started
        self._idle = timedelta(seconds=state.idle) + (workflow.now() - state.at)
        self._steering = list(state.steering)
        self._steer_ids = dict.fromkeys(state.steer_ids)

    def remember(self, state: ControlState) -> None:
        """Take over what a closed session was told and had not used, before what was told since."""
        self._paused = self._paused or state.paused
        self._steering = [*state.steering, *self._steering]
        self._steer_ids = {**dict.fromkeys(state.steer_ids), **self._steer_ids}

    def snapshot(self) -> ControlState:
        """What a run that continues this one needs."""
        return ControlState(
            paused=self._paused,
            stopping=self._stopping,
            started=self._started,
            idle=(workflow.now() - self._started - self.worked).total_seconds(),
            at=workflow.now(),
            steering=tuple(self._steering),
            steer_ids=tuple(self._steer_ids)[-REMEMBERED:],
        )

    def restart_clock(self) -> None:
        """Count working time from here: a session does for each question."""
        self._started = self._since = workflow.now()
        self._idle = timedelta()

    @property
    def state(self) -> RunState:
        """The state that shows."""
        return self._shown

    @property
    def stopping(self) -> bool:
        """Whether the run was told to stop."""
        return self._stopping

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self._phase in ENDED

    @property
    def draining(self) -> bool:
        """Whether the run only waits for its handlers to finish before it continues as new."""
        return self._phase is RunState.CHECKPOINTING

    @property
    def started(self) -> datetime:
        """When the run, or the question of a session, began."""
        return self._started

    @property
    def waiting_for(self) -> str | None:
        """What the oldest wait is for."""
        return self._waits[0] if self._waits else None

    @property
    def queued(self) -> tuple[str, ...]:
        """Beginnings of the steering messages that the model has not seen yet."""
        return tuple(item.text[:MAX_SHOWN] for item in self._steering)

    @property
    def worked(self) -> timedelta:
        """Wall clock since the start without waiting for people, pauses and outages."""
        now = workflow.now()
        idle = self._idle + (now - self._since if self._shown in NOT_WORKING else timedelta())
        return now - self._started - idle

    @property
    def paused(self) -> bool:
        """Whether the run was told to hold."""
        return self._paused

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
        """Go to another phase of life: executing, completed, failed, cancelled."""
        self._phase = phase
        self._begun = self._begun or phase is RunState.EXECUTING
        self._refresh()

    @contextmanager
    def waiting(self, for_what: str) -> Generator[None]:
        """Show `waiting` and stop the working clock for as long as the block lasts."""
        self._waits.append(for_what)
        self._refresh()
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
        self._waits.remove(for_what)
        self._refresh()

    def apply(self, verb: str) -> RunState:
        """Carry out `pause`, `resume` or `stop`; a verb that is already in force changes nothing."""
        if self._phase in ENDED:
            return self._shown
        if verb == "stop":
            self._stopping = True
        else:
            self._paused = verb == "pause"
        self._refresh()
        return self._shown

    def refusal(self, steer: SteerPayload) -> str:
        """Why this message cannot be queued; empty when it can."""
        if self._phase in ENDED or self._stopping:
            return "the run has ended or is stopping"
        if len(self._steering) >= MAX_QUEUED and steer.id not in self._steer_ids:
            return f"{MAX_QUEUED} messages are queued already: wait until the agent has read some"
        if sum(len(item.text) for item in self._steering) + len(steer.text) > MAX_QUEUED_CHARACTERS:
            return "what is queued already is too much to add this: wait until the agent has read some"
        return ""

    def steer(self, steer: SteerPayload) -> int:
        """Queue a message; returns its position from 1. A repeated id is dropped, its position is the queue's end."""
        if not steer.id or steer.id not in self._steer_ids:
            self._steering.append(steer)
        if steer.id:
            self._steer_ids[steer.id] = None
        return len(self._steering)

    def take(self, *, idle: bool) -> list[SteerPayload]:
        """Messages for the model's next turn; `idle` also takes those that wait until the agent has finished."""
        taken, left = list[SteerPayload](), list[SteerPayload]()
        for item in self._steering:
            (taken if idle or item.mode == "next_turn" else left).append(item)
        self._steering = left
        return taken

    async def rest(self, length: timedelta) -> None:
        """Let time pass; end the run when it is told to stop meanwhile or its deadline comes first."""
        last = self.until_deadline
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._stopping, timeout=length if last is None else min(length, last))
        if self._stopping:
            raise RunEndedError(StopReason.STOPPED)
        if last is not None and last < length:
            raise RunEndedError(StopReason.TIME_LIMIT)

    async def hold(self) -> None:
        """Stand still while paused; end the run when it was told to stop or its deadline has come.

        Here a run can continue as new: between two steps nothing is in flight.
        """
        if self._paused and not self._stopping:
            try:
                await workflow.wait_condition(
                    lambda: not self._paused or self._stopping or self.rolling(),
                    timeout=self.until_deadline,
                    timeout_summary="deadline of the run",
                )
            except TimeoutError:
                raise RunEndedError(StopReason.TIME_LIMIT) from None
        if self._stopping:
            raise RunEndedError(StopReason.STOPPED)
        if self.rolling():
            raise RolloverError

    def _refresh(self) -> None:
        before, self._shown = self._shown, self._current()
        if before == self._shown:
            return
        now: datetime = workflow.now()
        if before in NOT_WORKING:
            self._idle += now - self._since
        self._since = now
        self._changed()

    def _current(self) -> RunState:
        if self._phase in ENDED or not self._begun:
            return self._phase
        if self._stopping:
            return RunState.STOPPING
        if self._paused:
            return RunState.PAUSED
        if self._phase in {RunState.IDLE, RunState.CHECKPOINTING}:
            return self._phase
        return RunState.WAITING if self._waits else self._phase
