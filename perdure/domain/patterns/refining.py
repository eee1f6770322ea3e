"""What the pattern `SelfRefine` takes and comes to, and which draft it keeps."""

from collections.abc import Sequence

from pydantic import Field

from perdure.domain.model import JsonObject, Model
from perdure.domain.patterns.attempts import Attempt, best_of
from perdure.domain.patterns.scoring import Critic
from perdure.domain.patterns.steps import PatternInput, PatternResult, StepSpec

__all__ = ["CRITIQUE", "Critique", "Draft", "SelfRefineInput", "SelfRefineResult", "criticised", "kept"]

CRITIQUE: JsonObject = {
    "type": "object",
    "properties": {
        "satisfied": {"type": "boolean"},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "problems": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["satisfied", "score", "problems"],
    "additionalProperties": False,
}
"""What a critic answers."""


class Critique(Model, frozen=True):
    """Whether a draft is good as it is, a score from 0 to 1, and what is wrong."""

    satisfied: bool
    score: float = Field(ge=0, le=1, allow_inf_nan=False)
    problems: tuple[str, ...] = ()


class Draft(Attempt, frozen=True):
    """One draft; `satisfied` only when the critic said so. Problems that the critic found are its `issues`."""

    satisfied: bool = False


class SelfRefineInput(PatternInput, frozen=True):
    """Input of `SelfRefine`: at most `rounds` drafts by the `worker`, each criticised by the `critic`."""

    worker: StepSpec = StepSpec()
    critic: Critic = Critic()
    rounds: int = Field(default=3, ge=1, le=100)


class SelfRefineResult(PatternResult, frozen=True):
    """Result of `SelfRefine`: `output` is that of draft number `best`, `score` its score, None without any."""

    drafts: tuple[Draft, ...] = ()
    satisfied: bool = False
    best: int | None = None
    score: float | None = None


def criticised(draft: Draft, critique: Critique) -> Draft:
    """The draft with what the critic says of it."""
    return draft.model_copy(
        update={"satisfied": critique.satisfied, "score": critique.score, "issues": critique.problems}
    )


def kept(drafts: Sequence[Draft]) -> Draft | None:
    """The draft that satisfied the critic, else the best one."""
    return next((draft for draft in drafts if draft.satisfied), None) or best_of(drafts)
