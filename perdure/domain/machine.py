"""The state machine of a run's control: what people asked of it, what it waits for, how long it has really worked.

idle -> planning -> executing -> completed | failed | cancelled; beside them: waiting, paused, stopping.
A long run continues as new (checkpointing) and executes again; a session is idle between questions.
What shows, in this order: an end, stopping, paused, idle or checkpointing, waiting, executing or planning.
"""

from datetime import datetime, timedelta
from typing import Literal, Self

from perdure.domain.control import SteerPayload
from perdure.domain.model import Model
from perdure.domain.run import RunState
from perdure.domain.state import ControlState

__all__ = ["ENDED", "MAX_QUEUED", "MAX_QUEUED_CHARACTERS", "REMEMBERED", "Break", "Machine", "Verb"]

Verb = Literal["pause", "resume", "interrupt", "stop"]
"""What a control action can be."""

MAX_QUEUED = 100
MAX_QUEUED_CHARACTERS = 4_000_000
"""Of text: a continued run takes it over in one step, which must be short."""
REMEMBERED = 1_000
"""Ids of steering messages that are known again."""
ENDED = (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED)
WORK = (RunState.PLANNING, RunState.EXECUTING)
NOT_WORKING = (RunState.WAITING, RunState.PAUSED, RunState.CHECKPOINTING, *ENDED)


class Break(Model, frozen=True):
    """The last interruption: how many there were, who it was and why; `steered` when a message was the reason."""

    number: int = 0
    by: str = ""
    reason: str = ""
    steered: bool = False


class Machine(Model, frozen=True):
    """One state of a run's control; every method that changes something returns the next one, `now` is passed in.

    `shown` follows from the other fields at every transition; a run that continues another one shows idle until its
    first. `begun` says whether it ever worked: before, only its phase shows. `since` is when `shown` changed last,
    `idle` the time from `started` until then that was no work. Nothing but the clock changes after an end.
    """

    phase: RunState = RunState.IDLE
    shown: RunState = RunState.IDLE
    begun: bool = False
    paused: bool = False
    stopping: bool = False
    waits: tuple[str, ...] = ()
    broken: Break = Break()
    steering: tuple[SteerPayload, ...] = ()
    ids: tuple[str, ...] = ()
    started: datetime
    since: datetime
    idle: timedelta = timedelta()

    @classmethod
    def new(cls, now: datetime) -> Self:
        """A run that has not begun."""
        return cls(started=now, since=now)

    @classmethod
    def continued(cls, state: ControlState, now: datetime) -> Self:
        """A run that goes on as the one before it; the time in between was no work."""
        gap = max(now - state.at, timedelta())
        return cls(
            begun=True,
            paused=state.paused,
            stopping=state.stopping,
            steering=state.steering,
            ids=state.steer_ids,
            started=state.started,
            since=now,
            idle=timedelta(seconds=state.idle) + gap,
        )

    def reopened(self, state: ControlState) -> Self:
        """Take over what a closed session was told and had not used, before what was told since."""
        ids = dict.fromkeys((*state.steer_ids, *self.ids))
        return self._with(
            paused=self.paused or state.paused,
            steering=(*state.steering, *self.steering),
            ids=tuple(ids)[-REMEMBERED:],
        )

    def carried(self, now: datetime) -> ControlState:
        """What a run that continues this one needs."""
        return ControlState(
            paused=self.paused,
            stopping=self.stopping,
            started=self.started,
            idle=(now - self.started - self.worked(now)).total_seconds(),
            at=now,
            steering=self.steering,
            steer_ids=self.ids,
        )

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.phase in ENDED

    @property
    def waiting_for(self) -> str | None:
        """What the oldest wait is for."""
        return self.waits[0] if self.waits else None

    def worked(self, now: datetime) -> timedelta:
        """Time since the start without waiting for people, pauses, outages and what came after the end."""
        resting = now - self.since if self.shown in NOT_WORKING else timedelta()
        return now - self.started - self.idle - resting

    def restarted(self, now: datetime) -> Self:
        """Count working time from here: a session does for each question."""
        return self._with(started=now, since=now, idle=timedelta())

    def enter(self, phase: RunState, now: datetime) -> Self:
        """Go to another phase of life; an end is the last one, and nothing is waited for behind it."""
        waits = () if phase in ENDED else self.waits
        return self._to(now, phase=phase, begun=self.begun or phase in WORK, waits=waits)

    def wait_begin(self, for_what: str, now: datetime) -> Self:
        """Wait for something; several waits may overlap."""
        return self._to(now, waits=(*self.waits, for_what))

    def wait_end(self, for_what: str, now: datetime) -> Self:
        """Wait no longer; what was not waited for is no matter."""
        waits = list(self.waits)
        if for_what in waits:
            waits.remove(for_what)
        return self._to(now, waits=tuple(waits))

    def apply(self, verb: Verb, now: datetime, by: str = "", reason: str = "") -> Self:
        """Carry out a verb; one that is already in force changes nothing but the number of interruptions."""
        match verb:
            case "stop":
                return self._to(now, stopping=True)
            case "interrupt":
                broken = Break(number=self.broken.number + 1, by=by, reason=reason)
                return self._to(now, paused=True, broken=broken)
            case "pause" | "resume":
                return self._to(now, paused=verb == "pause")

    def refusal(self, steer: SteerPayload) -> str:
        """Why this message cannot be queued; empty when it can, or when it is dropped as a repeated one."""
        if self.ended or self.stopping:
            return "the run has ended or is stopping"
        if self._repeats(steer):
            return ""
        if len(self.steering) >= MAX_QUEUED:
            return f"{MAX_QUEUED} messages are queued already: wait until the agent has read some"
        if sum(len(item.text) for item in self.steering) + len(steer.text) > MAX_QUEUED_CHARACTERS:
            return "what is queued already is too much to add this: wait until the agent has read some"
        return ""

    def steer(self, steer: SteerPayload, now: datetime) -> Self:
        """Queue a message that is not refused; a repeated id is dropped. One that interrupts lets the run go on."""
        if self._repeats(steer) or self.refusal(steer):
            return self
        ids = (*self.ids, steer.id)[-REMEMBERED:] if steer.id else self.ids
        plain = steer if steer.token is None else steer.model_copy(update={"token": None})  # a secret, of no more use
        queue = (*self.steering, plain)
        if steer.mode != "interrupt":
            return self._to(now, steering=queue, ids=ids)
        broken = Break(number=self.broken.number + 1, by=steer.by, steered=True)
        return self._to(now, steering=queue, ids=ids, paused=False, broken=broken)

    def take(self, *, idle: bool) -> tuple[Self, tuple[SteerPayload, ...]]:
        """Take messages for the model's next turn; `idle` also takes those that wait until the agent has finished."""
        if self.ended:
            return self, ()
        taken = tuple(item for item in self.steering if idle or item.mode != "when_idle")
        left = tuple(item for item in self.steering if not idle and item.mode == "when_idle")
        return self._with(steering=left), taken

    def _repeats(self, steer: SteerPayload) -> bool:
        return bool(steer.id) and steer.id in self.ids

    def _with(self, **changes: object) -> Self:
        return self if self.ended else self.model_copy(update=changes)

    def _to(self, now: datetime, **changes: object) -> Self:
        """The state with these changes, and with what shows then; the working clock follows it."""
        after = self._with(**changes)
        shown = after._current()  # noqa: SLF001 - its own class
        if after is self or shown is self.shown:
            return after
        resting = now - self.since if self.shown in NOT_WORKING else timedelta()
        return after.model_copy(update={"shown": shown, "since": now, "idle": self.idle + resting})

    def _current(self) -> RunState:
        if self.ended or not self.begun:
            return self.phase
        if self.stopping:
            return RunState.STOPPING
        if self.paused:
            return RunState.PAUSED
        if self.phase not in WORK:
            return self.phase
        return RunState.WAITING if self.waits else self.phase
