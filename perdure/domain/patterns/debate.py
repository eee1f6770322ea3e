"""How a debate ends: pure rules, and what the pattern `Debate` takes and comes to."""

from collections.abc import Collection, Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonObject, JsonValue, Model
from perdure.domain.patterns.steps import PatternInput, PatternResult, StepSpec, Worker, named

__all__ = [
    "NOBODY",
    "DebateInput",
    "DebateResult",
    "DebateRound",
    "DebateVerdict",
    "Debater",
    "debate_outcome",
    "has_converged",
    "judge_goal",
    "turn_goal",
    "verdict_schema",
]

NOBODY = "none"
MIN_SPEAKERS = 2

DebateOutcome = Literal["winner", "converged", "no_winner", "too_few_debaters", "judge_failed"]


class DebateVerdict(Model, frozen=True):
    """What a judge answers. `winner` is a debater or "none"; `converged`: all say the same in substance."""

    winner: str
    reason: str
    converged: bool


class DebateRound(Model, frozen=True):
    """One round: who said what, who lost the turn and why, and the verdict, if the judge was asked and answered."""

    number: int
    statements: dict[str, JsonValue] = {}
    failures: dict[str, ErrorInfo] = {}
    verdict: DebateVerdict | None = None
    judge_failure: ErrorInfo | None = None


def has_converged(verdict: DebateVerdict | None, spoke: Collection[str], debaters: Collection[str]) -> bool:
    """Whether all agree. Who lost the turn does not: silence is not agreement, whatever the judge says."""
    return verdict is not None and verdict.converged and all(name in spoke for name in debaters)


def debate_outcome(
    verdict: DebateVerdict | None, spoke: Collection[str], heard: Collection[str], debaters: Collection[str]
) -> DebateOutcome:
    """What a debate came to whose last round had these speakers; `heard` are those who ever said anything."""
    if len(spoke) < MIN_SPEAKERS:
        return "too_few_debaters"
    if verdict is None:
        return "judge_failed"
    if verdict.winner in heard:
        return "winner"
    return "converged" if has_converged(verdict, spoke, debaters) else "no_winner"


def verdict_schema(heard: Sequence[str]) -> JsonObject:
    """What a judge must answer when these have said something."""
    return {
        "type": "object",
        "properties": {
            "winner": {"type": "string", "enum": [*heard, NOBODY]},
            "reason": {"type": "string"},
            "converged": {"type": "boolean"},
        },
        "required": ["winner", "reason", "converged"],
        "additionalProperties": False,
    }


def turn_goal(goal: str, position: str, number: int) -> str:
    """What a debater is asked in the round of this number."""
    side = f"You argue for: {position}\n\n" if position else ""
    task = "Make your case." if number == 1 else "Answer what the others said last, and make your case again."
    change = "" if position else " Change your mind where they are right."
    return f"{goal}\n\n{side}{task}{'' if number == 1 else change}"


def judge_goal(goal: str, rounds: Sequence[DebateRound]) -> str:
    """What the judge is asked: the verdict, knowing who lost a turn."""
    lost = [f"{name} (round {each.number})" for each in rounds for name in each.failures]
    silent = f" These lost a turn, which is no agreement: {', '.join(lost)}." if lost else ""
    return (
        f'Judge the debate in the context: who of the debaters made the best case ("{NOBODY}" when no case is better), '
        f"why, and whether by now all say the same in substance (converged).{silent}\n\n{goal}"
    )


class Debater(StepSpec, frozen=True):
    """One debater: a step, and what it argues for (empty: what it finds right)."""

    position: str = ""


class DebateInput(PatternInput, frozen=True):
    """Input of `Debate`: who debates, for how many rounds at most, and who judges (default: the pattern's agent).

    With `judge_each_round` the judge is asked after every round and can end the debate early.
    """

    debaters: tuple[Debater, ...] = Field(min_length=2, max_length=20)
    rounds: int = Field(default=2, ge=1, le=20)
    judge: Worker | None = None
    judge_each_round: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if NOBODY in named(self.debaters, "debater"):
            msg = f"debaters: none may be called {NOBODY!r}: so the judge says that nobody has won"
            raise ValueError(msg)
        return self


class DebateResult(PatternResult, frozen=True):
    """Result of `Debate`: `output` is the last statement of the winner, or of the first debater when all agree.

    It succeeds when `outcome` is winner or converged; `rounds` has everything that was said.
    """

    outcome: DebateOutcome | None = None
    winner: str | None = None
    reason: str = ""
    converged: bool = False
    rounds: tuple[DebateRound, ...] = ()
