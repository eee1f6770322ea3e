"""A run told in another way than the workflows: what people do to it and what it must show then, without Temporal."""

from dataclasses import dataclass, field

from tests.domain.naive_control import Naive, Said

__all__ = ["NaiveCall", "NaiveRun"]

REFUSED = "refused"
"""What an update answers that was refused."""


@dataclass
class NaiveCall:
    """A tool call of the turn; `pay` waits for a person first."""

    tool: str
    n: int
    decided: bool
    answer: str | None = None
    """None: there is none yet; empty: it succeeded; else the code of its error."""


@dataclass
class NaiveRun:
    """Where one run stands: `model`, `look` or `pay` in flight, `asking`, `held` between two steps, or `over`.

    Each method is one thing that happens from outside; it returns what an update of this kind must answer.
    """

    control: Naive = field(default_factory=Naive)
    at: str = "model"
    said: list[tuple[str, str]] = field(default_factory=lambda: [("user", "go")])
    """The transcript: who, and what or, of a tool, with which error."""
    turn: list[NaiveCall] = field(default_factory=list[NaiveCall])
    asked_of_model: int = 1
    """Model calls that were begun, turns that are paid for, and calls of tools that were begun."""
    turns: int = 0
    ran: list[str] = field(default_factory=list[str])
    decided: list[int] = field(default_factory=list[int])
    ignored: int = 0
    notices: list[str] = field(default_factory=list[str])
    ending: tuple[bool, str, str] | None = None
    """Success, reason and output."""

    def __post_init__(self) -> None:
        """It is at work."""
        self.control.note("enter executing")

    @property
    def waiting(self) -> list[NaiveCall]:
        """Calls that people are asked about."""
        return [call for call in self.turn if not call.decided]

    def shows(self) -> dict[str, object]:
        """Everything that can be seen of it from outside once it stands still."""
        return {
            "state": self.control.shows(),
            "waits": bool(self.waiting),
            "queued": [said.text for said in self.control.queue],
            "pending": [call.n for call in self.waiting],
            "messages": self.said,
            "asked of model": self.asked_of_model,
            "ran": self.ran,
            "notices": self.notices,
            "ignored": self.ignored,
        }

    def act(self, verb: str, by: str, reason: str) -> str:
        """Somebody says pause, resume, interrupt or stop."""
        self.control.note(verb)
        self.notices.append(f"control.{verb}")
        answer = self.control.shows()
        if verb == "stop" and self.at != "pay":  # an effect that cannot be repeated is awaited
            self._end("stopped")
        elif verb == "interrupt" and self.at == "model":
            self._broken_off(f"{by or 'a person'}: {reason}")
        elif verb == "resume" and self.at == "held":
            self._go_on()
        return answer

    def steer(self, said: Said, *, by_signal: bool) -> object:
        """Somebody sends a message."""
        if "stop" in self.control.facts:
            self.ignored += by_signal
            return REFUSED
        heard = self.control.takes(said)
        self.control.say(said)
        answer = {"position": len(self.control.queue)}
        if heard and said.mode == "interrupt" and self.at == "model":
            self._broken_off("a new message")
        elif heard and said.mode == "interrupt" and self.at == "held":
            self._go_on()
        return answer

    def decide(self, call: NaiveCall, verdict: str) -> object:
        """Somebody decides a request that waits."""
        call.decided = True
        call.answer = "REJECTED" if verdict == "reject" else None
        self.decided.append(call.n)
        self.control.note(f"got {call.n}")
        answer = (True, self.control.shows(), "")
        if not self.waiting:
            self._go_on()
        return answer

    def decide_again(self, *, by_signal: bool) -> object:
        """Somebody decides what was decided already."""
        self.ignored += by_signal
        self.notices += [] if by_signal else ["decision.refused"]
        return (False, self.control.shows(), "already_decided")

    def decide_unknown(self, *, by_signal: bool) -> object:
        """Somebody decides what was never asked."""
        self.ignored += by_signal
        return REFUSED

    def answers(self, text: str) -> None:
        """The model ends with a text."""
        self.turns += 1
        self.said.append(("assistant", text))
        if not self._hear(idle=True):
            self._end("completed", text)
        else:
            self._go_on()

    def calls(self, tools: list[tuple[str, int]]) -> None:
        """The model calls tools."""
        self.turns += 1
        self.said.append(("assistant", " ".join(f"{tool}-{n}" for tool, n in tools)))
        self.turn = [NaiveCall(tool, n, decided=tool == "look") for tool, n in tools]
        for call in self.waiting:
            self.control.note(f"await {call.n}")
        self._go_on()

    def returns(self) -> None:
        """The tool in flight has its result."""
        next(call for call in self.turn if call.answer is None).answer = ""
        self._go_on()

    def _go_on(self) -> None:
        """Go as far as nothing holds the run."""
        left = [call for call in self.turn if call.answer is None]
        if self.waiting:
            self.at = "asking"
            return
        if not left:
            self._close_turn()
        if "stop" in self.control.facts:
            self._end("stopped")
        elif self.control.shows() == "paused":
            self.at = "held"
        elif left:
            self.at = left[0].tool
            self.ran.append(f"{left[0].tool}-{left[0].n}")
        else:
            self._hear(idle=False)
            self.at = "model"
            self.asked_of_model += 1

    def _hear(self, *, idle: bool) -> bool:
        heard = self.control.take(idle=idle)
        self.said += [("user", said.text) for said in heard]
        return bool(heard)

    def _broken_off(self, who: str) -> None:
        """The model call in flight is cancelled: what it had said stays, marked."""
        self.turns += 1
        mark = f"[Your answer was interrupted by {who}. What you had written until then stands above.]"
        self.said += [("assistant", f"part {self.asked_of_model}"), ("user", mark)]
        self._go_on()

    def _close_turn(self) -> None:
        self.said += [("tool", call.answer if call.answer is not None else "NOT_RUN") for call in self.turn]
        self.turn = []

    def _end(self, reason: str, output: str | None = None) -> None:
        """No call stays without an answer, and nothing is waited for."""
        self._close_turn()
        self.control.note("enter completed" if reason == "completed" else "enter failed")
        if output is None:
            texts = [text for who, text in self.said if who == "assistant" and "-" not in text]
            output = texts[-1] if texts else ""
        self.ending = (reason == "completed", reason, output)
        self.at = "over"
