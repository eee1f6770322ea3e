"""When peers agree: pure rules, and what the pattern `Consensus` takes and comes to."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonObject, JsonValue, Model
from perdure.domain.patterns.steps import PatternInput, PatternResult, StepId, StepSpec, named, text_of
from perdure.domain.run import ContextItem

__all__ = [
    "ANSWER_SCHEMA",
    "ROTATING",
    "Answer",
    "ConsensusInput",
    "ConsensusOutcome",
    "ConsensusResult",
    "ConsensusRound",
    "Rule",
    "objections",
    "weigh",
]

ROTATING = "rotating"
PROPOSE = "Propose an answer to this task that all peers can accept."
PROPOSE_AGAIN = "Propose another answer to this task, one that meets the objections in the context."
ANSWER = "Say whether you accept the proposal in the context as the answer to this task, and why; if not, what instead."

ConsensusOutcome = Literal["agreed", "no_agreement", "no_quorum"]
Rule = Literal["unanimous", "majority"] | Annotated[float, Field(gt=0, le=1)]
"""Which part of those who answered must accept: all, more than half, or at least this fraction."""

ANSWER_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "verdict": {"type": "string", "enum": ["accept", "reject"]},
        "reason": {"type": "string"},
        "counter": {"type": "string"},
    },
    "required": ["verdict", "reason"],
    "additionalProperties": False,
}


class Answer(Model, frozen=True):
    """What a peer says of a proposal; `counter` is what it would propose instead."""

    verdict: Literal["accept", "reject"]
    reason: str
    counter: str = ""


class ConsensusRound(Model, frozen=True):
    """One round: a proposal and what each peer said of it; `failures` are those who said nothing, and why."""

    number: int
    proposer: str
    outcome: ConsensusOutcome
    proposal: JsonValue = None
    answers: dict[str, Answer] = {}
    failures: dict[str, ErrorInfo] = {}


def weigh(answers: Mapping[str, Answer | None], rule: Rule, quorum: float) -> ConsensusOutcome:
    """What peers came to who were asked about a proposal; None is one who failed: neither accept nor reject.

    At least the part `quorum` of those asked, and somebody, must have answered. The proposer, who is not asked, counts
    as one who accepts.
    """
    said = [answer.verdict for answer in answers.values() if answer is not None]
    if not said or len(said) < _at_least(quorum, len(answers)):
        return "no_quorum"
    accepted, all_ = 1 + said.count("accept"), 1 + len(said)
    if rule == "unanimous":
        agreed = accepted == all_
    elif rule == "majority":
        agreed = 2 * accepted > all_
    else:
        agreed = accepted >= _at_least(rule, all_)
    return "agreed" if agreed else "no_agreement"


def _at_least(part: float, of: int) -> int:
    """The smallest number that is this part: 0.28 of 25 is 7, although the product of the floats is a little more."""
    return math.ceil(part * of - 1e-9)


def objections(rounds: Sequence[ConsensusRound]) -> list[ContextItem]:
    """Each proposal that was made before, and what was said against it."""
    found: list[ContextItem] = []
    for each in rounds:
        if each.proposal is not None:
            found.append(
                ContextItem(title=f"proposal of round {each.number} by {each.proposer}", text=text_of(each.proposal))
            )
        for peer, answer in each.answers.items():
            if answer.verdict == "reject":
                instead = f"\nInstead: {answer.counter}" if answer.counter else ""
                found.append(
                    ContextItem(title=f"objection of {peer} in round {each.number}", text=f"{answer.reason}{instead}")
                )
    return found


class ConsensusInput(PatternInput, frozen=True):
    """Input of `Consensus`: the peers, who proposes ("rotating": each in turn, or one of them), and when they agree.

    `quorum` is the part of the peers asked that must answer: by default all under the rule "unanimous", else half.
    An `output_schema` is that of proposals.
    """

    peers: tuple[StepSpec, ...] = Field(min_length=2, max_length=50)
    rounds: int = Field(default=3, ge=1, le=20)
    rule: Rule = "unanimous"
    quorum: float | None = Field(default=None, ge=0, le=1)
    proposer: StepId = ROTATING

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = named(self.peers, "peer")
        if ROTATING in names:
            msg = f"peers: none may be called {ROTATING!r}: so `proposer` says that they take turns"
            raise ValueError(msg)
        if self.proposer not in (ROTATING, *names):
            msg = f"proposer: {self.proposer!r} is no peer; say {ROTATING!r} or one of {', '.join(names)}"
            raise ValueError(msg)
        return self

    @property
    def needed(self) -> float:
        """The quorum, also when it was not said."""
        if self.quorum is not None:
            return self.quorum
        return 1.0 if self.rule in ("unanimous", 1.0) else 0.5

    def proposer_of(self, number: int) -> int:
        """Index of the peer who proposes in the round of this number."""
        if self.proposer == ROTATING:
            return (number - 1) % len(self.peers)
        return named(self.peers, "peer").index(self.proposer)


class ConsensusResult(PatternResult, frozen=True):
    """Result of `Consensus`: `output` is the proposal that was agreed, else the last one; success is `agreed` only."""

    outcome: ConsensusOutcome | None = None
    rounds: tuple[ConsensusRound, ...] = ()
