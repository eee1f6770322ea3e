"""What a declared workflow takes and comes to."""

from typing import Any, Self, cast

from pydantic import Field, model_validator

from perdure.domain.agents import AgentSpec
from perdure.domain.arguments import check_value, closest
from perdure.domain.definition.check import check
from perdure.domain.definition.models import Definition, ToolStage
from perdure.domain.definition.names import named_stages
from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonObject, JsonValue, Model
from perdure.domain.patterns.steps import PatternInput, PatternResult
from perdure.domain.run import AgentInput

__all__ = ["DefinitionInput", "DefinitionResult", "Event", "StageEnd"]

MAX_PROBLEMS = 20


class StageEnd(Model, frozen=True):
    """What a stage came to. `skipped` says why it did not run; then it neither succeeded nor failed."""

    output: JsonValue = None
    success: bool
    error: ErrorInfo | None = None
    skipped: str = ""


class Event(Model, frozen=True):
    """Payload of the signal `event`. Of those with the same `id` only the first counts."""

    name: str = Field(min_length=1, max_length=200)
    data: JsonValue = None
    id: str = Field(default="", max_length=200)


class DefinitionInput(PatternInput, frozen=True):
    """Input of `Definition`: the whole definition, and values of its inputs.

    Without `goal` its description stands for it; without `limits` its own count. The definition is part of the run: a
    file that is edited later changes nothing.
    """

    goal: str = ""
    definition: Definition
    inputs: JsonObject = {}

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, value: Any) -> Any:  # noqa: ANN401 - any JSON
        if not isinstance(value, dict):
            return value
        given = cast("dict[str, Any]", value)
        raw: object = given.get("definition")
        definition = raw.model_dump(exclude_unset=True) if isinstance(raw, Definition) else raw
        if not isinstance(definition, dict):
            return given
        said = cast("dict[str, Any]", definition)
        goal = given.get("goal") or said.get("description") or f"Do the work of {said.get('name')}."
        limits = {"limits": said["limits"]} if said.get("limits") and not given.get("limits") else {}
        return {**given, "goal": goal, **limits}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        problems = [
            *(f"definition.{'.'.join(map(str, at))}: {words}" for at, words in check(self.definition)),
            *self._wrong_inputs(),
        ]
        if problems:
            more = len(problems) - MAX_PROBLEMS
            raise ValueError("; ".join(problems[:MAX_PROBLEMS]) + (f"; and {more} more" if more > 0 else ""))
        return self

    def _wrong_inputs(self) -> list[str]:
        declared = self.definition.inputs
        problems = [
            f"inputs.{name}: the definition has no such input.{closest(name, declared)}"
            for name in self.inputs
            if name not in declared
        ]
        for name, schema in declared.items():
            if name in self.inputs:
                wrong = check_value(schema, self.inputs[name])
                problems += [f"inputs.{name}: {wrong.removeprefix('answer: ')}"] if wrong else []
            elif "default" not in schema:
                problems.append(f"inputs.{name}: required, but missing")
        return problems

    @property
    def values(self) -> JsonObject:
        """The inputs, with the defaults of those that were not given."""
        declared = self.definition.inputs
        return {name: self.inputs.get(name, schema.get("default")) for name, schema in declared.items()}

    @property
    def own(self) -> AgentInput:
        """The run itself calls the tools of tool stages, and no others; policies know it by the definition's name."""
        tools = [stage.tool for _, _, stage in named_stages(self.definition.stages) if isinstance(stage, ToolStage)]
        spec = AgentSpec(name=self.definition.name, tools=tuple(dict.fromkeys(tools)))
        asked = {name: getattr(self, name) for name in self.model_fields_set & AgentInput.model_fields.keys()}
        return AgentInput.model_validate({**asked, "agent": spec})


class DefinitionResult(PatternResult, frozen=True):
    """Result of `Definition`: each stage by id, and the name and SHA-256 of what was run."""

    definition: str = ""
    definition_sha256: str = ""
    stages: dict[str, StageEnd] = {}
