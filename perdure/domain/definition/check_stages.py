"""What is wrong with one stage: its agent, tool, pattern, texts and values."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from pydantic import BaseModel, ValidationError

from perdure.domain.arguments import closest
from perdure.domain.definition.expressions import pieces
from perdure.domain.definition.models import (
    AgentStage,
    Default,
    Definition,
    PatternStage,
    Place,
    ReviewStage,
    StageBase,
    ToolStage,
    WaitStage,
    WorkflowStage,
)
from perdure.domain.definition.schemas import fields_problems, schema_problems
from perdure.domain.definition.seeing import Problem, Sight, texts_in
from perdure.domain.explain import explain_one
from perdure.domain.model import JsonObject, JsonValue

__all__ = ["Known", "stage_problems"]


@dataclass(frozen=True)
class Known:
    """What is at hand where a definition is checked; None: nobody knows there, so nothing is said of it."""

    agents: Collection[str] | None = None
    tools: Mapping[str, JsonObject] | None = None
    patterns: Mapping[str, type[BaseModel]] | None = None

    def agent(self, definition: Definition, name: str, at: Place) -> Iterator[Problem]:
        """Why no agent of this name can work."""
        if self.agents is not None and name not in definition.agents and name not in self.agents:
            names = sorted({*definition.agents, *self.agents})
            yield at, f"no agent is called {name!r}.{closest(name, names)} There are: {', '.join(names)}"


def stage_problems(
    stage: StageBase, place: Place, sight: Sight, definition: Definition, known: Known
) -> Iterator[Problem]:
    """What is wrong with a stage itself, not with those inside it."""
    if isinstance(stage.on_failure, Default):
        yield from sight.value((*place, "on_failure", "default"), stage.on_failure.default)
    if isinstance(stage, AgentStage):
        yield from _agent(stage, place, sight, definition, known)
    elif isinstance(stage, ToolStage):
        yield from _tool(stage, place, sight, known)
    elif isinstance(stage, PatternStage):
        yield from _pattern(stage, place, sight, definition, known)
    elif isinstance(stage, WaitStage):
        yield from sight.text((*place, "wait"), stage.wait)
    elif isinstance(stage, ReviewStage):
        yield from sight.text((*place, "title"), stage.title)
        if stage.content is not None:
            yield from sight.expression((*place, "content"), stage.content)
    elif isinstance(stage, WorkflowStage):
        yield from _workflow(stage, place, sight)


def _agent(stage: AgentStage, place: Place, sight: Sight, definition: Definition, known: Known) -> Iterator[Problem]:
    if isinstance(stage.agent, str):
        yield from known.agent(definition, stage.agent, (*place, "agent"))
    yield from sight.text((*place, "goal"), stage.goal or "")
    if stage.output_schema is not None:
        yield from schema_problems((*place, "output_schema"), stage.output_schema)


def _tool(stage: ToolStage, place: Place, sight: Sight, known: Known) -> Iterator[Problem]:
    at = (*place, "arguments")
    yield from sight.value(at, stage.arguments)
    if known.tools is None:
        return
    if stage.tool not in known.tools:
        words = f"there is no tool {stage.tool!r}.{closest(stage.tool, known.tools)}"
        yield (*place, "tool"), f"{words} There are: {', '.join(known.tools)}"
        return
    yield from fields_problems(at, stage.arguments, known.tools[stage.tool], sight, stage.tool)


def _pattern(
    stage: PatternStage, place: Place, sight: Sight, definition: Definition, known: Known
) -> Iterator[Problem]:
    if isinstance(stage.agent, str):
        yield from known.agent(definition, stage.agent, (*place, "agent"))
    yield from sight.text((*place, "goal"), stage.goal or "")
    yield from sight.value((*place, "with"), stage.given)
    if known.patterns is None:
        return
    model = known.patterns.get(stage.pattern)
    if model is None:
        words = f"there is no workflow type {stage.pattern!r}.{closest(stage.pattern, known.patterns)}"
        yield (*place, "pattern"), f"{words} There are: {', '.join(sorted(known.patterns))}"
        return
    templated = {at[len(place) + 1] for at, text in texts_in(stage.given, (*place, "with")) if pieces(text)}
    given: dict[str, JsonValue] = {"goal": "goal", **stage.given}
    try:
        model.model_validate(given)
    except ValidationError as error:
        for item in error.errors():
            loc = tuple(part for part in item["loc"] if isinstance(part, int) or part in _names(model))
            if not loc and templated and item["type"] == "value_error":
                continue  # a rule over several fields, some of which are only known in the run
            if not loc or loc[0] not in templated:
                hint = closest(str(item["loc"][-1]), _names(model)) if item["type"] == "extra_forbidden" else ""
                yield (*place, "with", *item["loc"]), f"{stage.pattern}: {explain_one(item)}.{hint}".rstrip(".")


@lru_cache(maxsize=128)
def _names(model: type[BaseModel]) -> frozenset[str]:
    """Names of fields of a model, and of those that it is made of."""
    names = set(model.model_fields)
    for part in model.model_json_schema().get("$defs", {}).values():
        names |= set(part.get("properties", {}))
    return frozenset(names)


def _workflow(stage: WorkflowStage, place: Place, sight: Sight) -> Iterator[Problem]:
    at = (*place, "with")
    yield from sight.value(at, stage.given)
    if stage.definition is not None:
        inputs = stage.definition.inputs
        needed: list[JsonValue] = [name for name, schema in inputs.items() if "default" not in schema]
        takes: JsonObject = {"properties": {**inputs}, "required": needed}
        yield from fields_problems(at, stage.given, takes, sight, stage.workflow)
