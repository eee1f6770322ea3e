"""Rules by which votes are counted: pure functions, and what the pattern `Vote` takes and comes to."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from perdure.domain.model import JsonValue, Model, canonical_json
from perdure.domain.patterns.steps import PatternInput, PatternResult, StepSpec, named

__all__ = ["Ballot", "Outcome", "Tally", "VoteInput", "VoteResult", "Voter", "is_settled", "tally"]

Outcome = Literal["decided", "tie", "no_quorum", "no_majority", "no_votes"]


class Ballot(NamedTuple):
    """One vote that was cast, with its weight. A voter that failed casts none."""

    voter: str
    choice: JsonValue
    weight: float = 1.0


class Tally(Model, frozen=True):
    """What the votes came to. `winner` is None unless `outcome` is decided.

    `distribution` is weight by choice (texts in lower case, other values as canonical JSON), heaviest first;
    `confidence` is the part of the cast weight that the heaviest choice has; `agreement` is the probability that two
    different votes, drawn at random, agree (1.0 for a single vote).
    """

    outcome: Outcome
    winner: JsonValue = None
    distribution: dict[str, float] = {}
    confidence: float = 0.0
    agreement: float = 0.0
    cast: int = 0


def _key(choice: JsonValue) -> str:
    """What makes two votes the same: case and spaces of texts do not count."""
    return " ".join(choice.split()).casefold() if isinstance(choice, str) else canonical_json(choice)


def tally(ballots: Sequence[Ballot], voters: int, *, quorum: float = 0.5, majority: float = 0.0) -> Tally:
    """Count the votes of `voters` people that were asked.

    At least the part `quorum` of the voters must have voted; the winner must have more weight than every other choice,
    and more than the part `majority` of the cast weight (0: a plurality is enough).
    """
    if not ballots:
        return Tally(outcome="no_votes")
    weights: dict[str, float] = {}
    counts: dict[str, int] = {}
    shown: dict[str, JsonValue] = {}
    for ballot in ballots:
        key = _key(ballot.choice)
        shown.setdefault(key, ballot.choice)
        weights[key] = weights.get(key, 0.0) + ballot.weight
        counts[key] = counts.get(key, 0) + 1
    order = sorted(weights, key=lambda key: (-weights[key], key))
    total, first = sum(weights.values()), order[0]
    tied = len(order) > 1 and _same(weights[order[1]], weights[first])
    confidence = weights[first] / total
    outcome: Outcome = "decided"
    if len(ballots) < quorum * voters:
        outcome = "no_quorum"
    elif tied:
        outcome = "tie"
    elif confidence <= majority and not _same(confidence, 1.0):
        outcome = "no_majority"
    return Tally(
        outcome=outcome,
        winner=shown[first] if outcome == "decided" else None,
        distribution={key: round(weights[key], 9) for key in order},
        confidence=round(confidence, 9),
        agreement=round(_agreement(counts), 9),
        cast=len(ballots),
    )


def is_settled(
    ballots: Sequence[Ballot],
    open_weights: Mapping[str, float],
    voters: int,
    *,
    quorum: float = 0.5,
    majority: float = 0.0,
) -> bool:
    """Whether the winner stays the same however the open voters vote, or not at all."""
    now = tally(ballots, voters, quorum=quorum, majority=majority)
    if now.outcome != "decided":
        return False
    weights = list(now.distribution.values())
    rest = sum(open_weights.values())
    second = weights[1] if len(weights) > 1 else 0.0
    lead = weights[0] - second - rest
    share = weights[0] / (sum(weights) + rest)
    return (lead > 0 and not _same(lead, 0.0)) and (majority == 0.0 or share > majority)


def _agreement(counts: Mapping[str, int]) -> float:
    cast = sum(counts.values())
    if cast == 1:
        return 1.0
    return sum(count * (count - 1) for count in counts.values()) / (cast * (cast - 1))


def _same(one: float, other: float) -> bool:
    """Sums of weights such as 0.1 + 0.2 and 0.3 are the same weight."""
    return abs(one - other) < 1e-9  # noqa: PLR2004 - far below any weight that people write


class Voter(StepSpec, frozen=True):
    """One voter: a step, and the weight of its vote."""

    weight: float = Field(default=1.0, gt=0, le=1_000_000, allow_inf_nan=False)


class VoteInput(PatternInput, frozen=True):
    """Input of `Vote`: `voters`, or `votes` voters that are all the pattern's own agent.

    With `choices` a vote must be one of them. `quorum` is the part of the voters that must have voted, `majority` the
    part of the cast weight that the winner must exceed (0: a plurality is enough).
    """

    voters: tuple[Voter, ...] = Field(default=(), max_length=100)
    votes: int = Field(default=3, ge=1, le=100)
    choices: tuple[str, ...] = ()
    quorum: float = Field(default=0.5, ge=0, le=1)
    majority: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        named(self.voters, "voter")
        if len({" ".join(choice.split()).casefold() for choice in self.choices}) < len(self.choices):
            msg = "choices: two of them are the same but for case and spaces"
            raise ValueError(msg)
        return self

    @property
    def everybody(self) -> tuple[Voter, ...]:
        """The voters, also when only their number was said."""
        return self.voters or tuple(Voter() for _ in range(self.votes))


class VoteResult(PatternResult, frozen=True):
    """Result of `Vote`: `output` is the winner; it succeeds only when `tally.outcome` is decided."""

    tally: Tally = Tally(outcome="no_votes")
