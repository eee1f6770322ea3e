"""The control of a run told in another way than `perdure.domain.machine`: a list of facts, searched anew each time."""

from dataclasses import dataclass, field
from datetime import timedelta

from perdure.domain.run import RunState

__all__ = ["Naive", "Said"]

ENDS = ("completed", "failed", "cancelled")
RESTING = ("waiting", "paused", "checkpointing", *ENDS)


@dataclass
class Said:
    """A steering message."""

    text: str
    mode: str
    id: str


@dataclass
class Naive:
    """What happened, oldest first, and how long which state showed; both end with the run."""

    facts: list[str] = field(default_factory=list[str])
    spans: list[tuple[str, timedelta]] = field(default_factory=list[tuple[str, timedelta]])
    queue: list[Said] = field(default_factory=list[Said])
    known: set[str] = field(default_factory=set[str])

    @property
    def over(self) -> bool:
        """Whether an end is among the facts."""
        return any(fact.removeprefix("enter ") in ENDS for fact in self.facts)

    def note(self, fact: str) -> None:
        """Something happened, if the run was not over already."""
        self.facts += [] if self.over else [fact]

    def shows(self) -> str:
        """The first of these that is so: an end, not begun, stopping, paused, not at work, waiting."""
        entered = [fact.removeprefix("enter ") for fact in self.facts if fact.startswith("enter ")]
        phase = entered[-1] if entered else "idle"
        begun = {"planning", "executing"} & set(entered)
        held = [fact for fact in self.facts if fact in ("pause", "interrupt", "resume", "break in")]
        checks = [
            (self.over or not begun, phase),
            ("stop" in self.facts, "stopping"),
            (bool(held) and held[-1] in ("pause", "interrupt"), "paused"),
            (phase in ("idle", "checkpointing"), phase),
            (bool(self.waits()), "waiting"),
        ]
        return next((state for true, state in checks if true), phase)

    def waits(self) -> list[str]:
        """What was begun to be waited for and has not come, in the order it was begun."""
        open_waits: list[str] = []
        for fact in self.facts:
            kind, _, name = fact.partition(" ")
            if kind == "await":
                open_waits.append(name)
            elif kind == "got":
                open_waits.remove(name)
            elif fact == "roll" or name in ENDS:
                open_waits = []
        return open_waits

    def breaks(self) -> int:
        """How often somebody broke in since the run was continued last."""
        rolled = max((at for at, fact in enumerate(self.facts) if fact == "roll"), default=0)
        return sum(fact in ("interrupt", "break in") for fact in self.facts[rolled:])

    def pass_time(self, length: timedelta) -> None:
        """What shows now shows for so much longer."""
        self.spans.append((self.shows(), length))

    def worked(self) -> timedelta:
        """Sum of the spans in which it worked."""
        return sum((length for state, length in self.spans if state not in RESTING), timedelta())

    def takes(self, said: Said) -> bool:
        """Whether the message is to be taken in: neither refused nor a repeated one."""
        room = len(self.queue) < 100 and sum(len(each.text) for each in self.queue) + len(said.text) <= 4_000_000
        return room and not self.over and "stop" not in self.facts and not self.repeats(said)

    def repeats(self, said: Said) -> bool:
        """Whether a message of this id came before."""
        return said.id != "" and said.id in self.known

    def say(self, said: Said) -> None:
        """Queue the message if it is taken in."""
        if self.takes(said):
            self.queue.append(said)
            self.known.add(said.id)
            if said.mode == "interrupt":
                self.note("break in")

    def take(self, *, idle: bool) -> list[Said]:
        """Give out what may be read now."""
        if self.over:
            return []
        taken = [said for said in self.queue if idle or said.mode in ("next_turn", "interrupt")]
        self.queue = [said for said in self.queue if not any(said is each for each in taken)]
        return taken

    def state(self) -> RunState:
        """What shows, as the domain names it."""
        return RunState(self.shows())
