"""A workflow that people declare as data: its inputs, agents and stages."""

import hashlib
from typing import Annotated, Any, Literal, cast

from pydantic import ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

from perdure.domain.agents import AgentSpec, Limits, Name
from perdure.domain.model import JsonObject, JsonValue, Model, Partial, canonical_json
from perdure.domain.patterns.steps import StepId, Worker
from perdure.domain.policy import Seconds

__all__ = [
    "KINDS",
    "AgentStage",
    "ConditionStage",
    "Default",
    "Definition",
    "MapStage",
    "ParallelStage",
    "PatternStage",
    "Place",
    "ReviewStage",
    "Stage",
    "StageBase",
    "ToolStage",
    "WaitStage",
    "WorkflowStage",
    "blocks_of",
]

MAX_STAGES = 2_000
Place = tuple[str | int, ...]
"""Where in a definition something stands: names of fields and positions in lists."""
Text = Annotated[str, StringConstraints(min_length=1)]
Expression = Text
"""JMESPath over `inputs`, `stages`, `goal` and, in a `map`, the item."""


class Default(Model, frozen=True):
    """A stage that fails counts as one that came to this output."""

    default: JsonValue


class StageBase(Partial, frozen=True):
    """What every stage has. `when`: it only runs if this is true. `needs`: stages that must have succeeded before it.

    `on_failure`: `stop` ends the whole, `continue` goes on without it, `{default: ...}` takes that as its output.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    id: StepId | None = None
    description: str = ""
    when: Expression | None = None
    needs: tuple[str, ...] = ()
    on_failure: Literal["stop", "continue"] | Default = "stop"


class Working(StageBase, frozen=True):
    """A stage that is a run of its own. `timeout` is in seconds or as "15m"; a failed one is tried `retries` more."""

    timeout: Seconds | None = None
    retries: int = Field(default=0, ge=0, le=10)


class AgentStage(Working, frozen=True):
    """An agent works on a goal; without one, on the goal of the whole."""

    agent: Worker
    goal: Text | None = None
    output_schema: JsonObject | None = None
    model: str | None = None
    tools: tuple[str, ...] | None = None
    limits: Limits | None = None


class ToolStage(StageBase, frozen=True):
    """One tool call, under the policy and the approvals of the run; the output of a JSON text is its value."""

    tool: Text
    arguments: JsonObject = {}
    retries: int = Field(default=0, ge=0, le=10)


class PatternStage(Working, frozen=True):
    """A run of another workflow type; `with` are the fields of its input."""

    pattern: Text
    goal: Text | None = None
    agent: Worker | None = None
    model: str | None = None
    limits: Limits | None = None
    given: JsonObject = Field(default={}, alias="with")


class ParallelStage(StageBase, frozen=True):
    """Stages side by side; its output is theirs by id."""

    parallel: tuple["Stage", ...] = Field(min_length=1)
    max_concurrent: int | None = Field(default=None, ge=1, le=100)


class MapStage(StageBase, frozen=True):
    """One stage for each item of a list; its output is the list of theirs, in order."""

    map: Expression
    item: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = Field(default="item", alias="as")
    max_concurrent: int | None = Field(default=None, ge=1, le=100)
    stage: "Stage"


class ConditionStage(StageBase, frozen=True):
    """One of two lists of stages; its output is that of the last stage that ran."""

    condition: Expression
    then: tuple["Stage", ...] = ()
    otherwise: tuple["Stage", ...] = Field(default=(), alias="else")


class WaitStage(StageBase, frozen=True):
    """Wait for a named event; its output is the event's data. `timeout` is in seconds or as "1h"."""

    wait: Text
    timeout: Seconds | None = None
    on_timeout: Literal["fail", "continue"] = "fail"


class ReviewStage(StageBase, frozen=True):
    """People look at what was made, by default the output of the stage before: they approve, edit or reject it."""

    review: Literal["result", "plan"]
    title: str = ""
    approvers: tuple[str, ...] = ()
    content: Expression | None = None


class WorkflowStage(Working, frozen=True):
    """Another definition, by the name of its file; `with` are its inputs. `definition` is put in when it is loaded."""

    workflow: Text
    given: JsonObject = Field(default={}, alias="with")
    definition: "Definition | None" = None


KINDS: dict[str, type[StageBase]] = {
    "pattern": PatternStage,
    "tool": ToolStage,
    "parallel": ParallelStage,
    "map": MapStage,
    "condition": ConditionStage,
    "wait": WaitStage,
    "review": ReviewStage,
    "workflow": WorkflowStage,
    "agent": AgentStage,
}
"""The field that makes a stage what it is; the first that it has counts."""


def _kind(value: Any) -> str | None:  # noqa: ANN401 - whatever a file holds
    if isinstance(value, StageBase):
        return next((f"<{kind}>" for kind, model in KINDS.items() if isinstance(value, model)), None)
    fields = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    return next((f"<{kind}>" for kind in KINDS if kind in fields), None)


Stage = Annotated[
    Annotated[PatternStage, Tag("<pattern>")]
    | Annotated[ToolStage, Tag("<tool>")]
    | Annotated[ParallelStage, Tag("<parallel>")]
    | Annotated[MapStage, Tag("<map>")]
    | Annotated[ConditionStage, Tag("<condition>")]
    | Annotated[WaitStage, Tag("<wait>")]
    | Annotated[ReviewStage, Tag("<review>")]
    | Annotated[WorkflowStage, Tag("<workflow>")]
    | Annotated[AgentStage, Tag("<agent>")],
    Discriminator(
        _kind,
        custom_error_type="stage_kind",
        custom_error_message=f"a stage must have one of {', '.join(sorted(KINDS))}",
    ),
]


class Definition(Partial, frozen=True):
    """A workflow as data. `inputs` are JSON Schemas by name; an input without `default` must be given.

    `type`: stages one after the other, all at once, each as soon as its `needs` have succeeded, or led by the agent
    `coordinator`. `output` is a JMESPath expression; by default it is the output of the last stage.
    """

    name: Name
    description: str = ""
    version: str = ""
    inputs: dict[Name, JsonObject] = {}
    agents: dict[Name, AgentSpec] = {}
    coordinator: Name | None = None
    type: Literal["sequential", "parallel", "graph", "hierarchical"] = "sequential"
    max_concurrent: int = Field(default=8, ge=1, le=100)
    limits: Limits | None = None
    stages: tuple[Stage, ...] = Field(default=(), max_length=MAX_STAGES)
    output: Expression | None = None

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:  # noqa: ANN401 - whatever a file holds
        """An agent is called as its key says."""
        fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        agents: object = fields.get("agents")
        if not isinstance(agents, dict):
            return cast("object", value)
        known = {
            name: {"name": name, **cast("dict[str, Any]", spec)} if isinstance(spec, dict) else spec
            for name, spec in cast("dict[str, Any]", agents).items()
        }
        return {**fields, "agents": known}

    @property
    def digest(self) -> str:
        """SHA-256 of the whole, as hex: names exactly what was run."""
        value = self.model_dump(mode="json", exclude_unset=True)
        return hashlib.sha256(canonical_json(value).encode()).hexdigest()


for _model in (ParallelStage, MapStage, ConditionStage, WorkflowStage, Definition):
    _model.model_rebuild()


def blocks_of(stage: StageBase) -> list[tuple[str, tuple[Stage, ...]]]:
    """Lists of stages inside a stage, by the field that holds them."""
    if isinstance(stage, ParallelStage):
        return [("parallel", stage.parallel)]
    if isinstance(stage, ConditionStage):
        return [("then", stage.then), ("else", stage.otherwise)]
    return [("stage", (stage.stage,))] if isinstance(stage, MapStage) else []
