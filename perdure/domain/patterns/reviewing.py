"""Review of a plan or a result in stages: what the pattern `Review` takes and comes to."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from perdure.domain.arguments import check_arguments, check_schema
from perdure.domain.model import JsonObject, JsonValue, Model, Partial
from perdure.domain.patterns.steps import PatternInput, PatternResult, StepId, StepSpec, Worker, text_of
from perdure.domain.policy import MAX_QUORUM, Level, Rule, Seconds

__all__ = [
    "ReviewInput",
    "ReviewKind",
    "ReviewResult",
    "ReviewStage",
    "StageVerdict",
    "Status",
    "content_schema",
    "unwrapped",
    "wrapped",
]

ReviewKind = Literal["plan", "result"]
Status = Literal["approved", "rejected", "modified", "expired"]
TEXT: JsonObject = {
    "type": "object",
    "properties": {"text": {"type": "string", "minLength": 1}},
    "required": ["text"],
    "additionalProperties": False,
}
ITEMS: JsonObject = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "string", "minLength": 1},
                    "category": {"type": "string"},
                    "content": {},
                    "metadata": {"type": "object"},
                },
                "required": ["id", "content"],
            },
        }
    },
    "required": ["items"],
}
"""Content of several items; beside `items` it may have other fields, such as a name and a description."""
PEOPLE = ("approvers", "quorum", "timeout", "on_timeout", "reminder", "escalate_after", "escalate_to", "self_approval")


class ReviewStage(Partial, frozen=True):
    """One stage: people, as a rule of a policy names them, or an `agent` that reviews.

    At level `review` people answer by `decide` with the digest of the content, at `confirm` a signal is enough.
    """

    name: StepId
    agent: Worker | None = None
    level: Literal["confirm", "review"] = "review"
    approvers: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = ()
    quorum: int = Field(default=1, ge=1, le=MAX_QUORUM, strict=True)
    timeout: Seconds | None = None
    on_timeout: Literal["reject", "stop"] = "reject"
    reminder: Seconds | None = None
    escalate_after: Seconds | None = None
    escalate_to: tuple[str, ...] = ()
    self_approval: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        said = [name for name in PEOPLE if name in self.model_fields_set and name != "timeout"]
        if self.agent is not None and said:
            msg = f"stage {self.name!r}: {said[0]} is for people, but an agent reviews: leave one of the two out"
            raise ValueError(msg)
        assert self.rule  # noqa: S101 - a rule that cannot be says why
        return self

    @property
    def rule(self) -> Rule:
        """What the stage asks of people, as a rule."""
        said = {name: getattr(self, name) for name in PEOPLE}
        return Rule(level=Level(self.level), **said)


class ReviewInput(PatternInput, frozen=True):
    """Input of `Review`: `content` (text or an object, which may have `items`), or a `draft` that an agent writes.

    With `draft` a rejection goes back to that agent, with the notes, and begins again at the first stage; at most
    `rounds` versions are reviewed. `content_schema` is JSON Schema of an object: what a draft or an edit must fit.
    """

    kind: ReviewKind = "result"
    title: Annotated[str, StringConstraints(max_length=200)] = ""
    content: Annotated[str, StringConstraints(min_length=1)] | JsonObject | None = None
    content_schema: JsonObject | None = None
    draft: StepSpec | None = None
    stages: tuple[ReviewStage, ...] = Field(min_length=1, max_length=50)
    rounds: int = Field(default=3, ge=1, le=50)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.content is None and self.draft is None:
            msg = "content or draft: say what is reviewed, or who writes it"
            raise ValueError(msg)
        names = [stage.name for stage in self.stages]
        if twice := [name for name in names if names.count(name) > 1]:
            msg = f"stages: two are called {twice[0]!r}"
            raise ValueError(msg)
        if self.content_schema is not None and (problem := check_schema(self.content_schema)):
            msg = f"content_schema: {problem}"
            raise ValueError(msg)
        if self.content is not None:
            given = wrapped(self.content)
            if problem := check_arguments(content_schema(given, self.content_schema), given):
                msg = f"content: {problem}"
                raise ValueError(msg)
        return self


class StageVerdict(Model, frozen=True):
    """What one stage said of one version: `notes` are the reviewer's words, `modifications` the content it made of it.

    `by` is who decided: people, the agent, or "timeout" for `expired`. A stage that failed has no verdict.
    """

    stage: str
    round: int
    status: Status
    by: str
    notes: str = ""
    modifications: JsonValue = None
    created_at: datetime
    reviewed_at: datetime


class ReviewResult(PatternResult, frozen=True):
    """Result of `Review`: `content` is the last version, approved or not; `verdicts` come in their order."""

    approved: bool = False
    content: JsonValue = None
    verdicts: tuple[StageVerdict, ...] = ()
    rounds: int = 0


def wrapped(content: JsonValue) -> JsonObject:
    """Content as an object, which a request to people holds and an edit replaces: text is `{"text": ...}`."""
    return content if isinstance(content, dict) else {"text": text_of(content)}


def unwrapped(content: JsonObject) -> JsonValue:
    """What was wrapped, as it was."""
    return content["text"] if list(content) == ["text"] else content


def content_schema(content: JsonObject, schema: JsonObject | None = None) -> JsonObject:
    """What an edit must fit: the schema that was given, else what is known of content of this form."""
    if schema is not None:
        return schema
    if list(content) == ["text"] and isinstance(content["text"], str):
        return TEXT
    return ITEMS if "items" in content else {"type": "object", "minProperties": 1}
