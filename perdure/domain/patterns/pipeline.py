"""What the pattern `Pipeline` takes and comes to, and how the input of a stage is made."""

import hashlib
import re
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from perdure.domain.arguments import check_output_schema, check_value, closest
from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonObject, JsonValue, Model
from perdure.domain.patterns.middlewares import Middleware, middlewares_of
from perdure.domain.patterns.steps import PatternInput, PatternResult, StepSpec, named, text_of

__all__ = ["PipelineInput", "PipelineResult", "Stage", "Traced", "digest_of", "filled", "places"]

PLACE = re.compile(r"\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}")
"""`{{ goal }}`, `{{ input }}`, `{{ NAME }}` or, of an output that is an object, `{{ NAME.field.field }}`."""


class Stage(StepSpec, frozen=True):
    """One stage: a step whose goal may be made from what came before.

    `transform` is the text that the stage works on: `{{ input }}` is the output of the stage before (of the first: the
    goal), `{{ goal }}` the goal of the pipeline, `{{ ID }}` and `{{ ID.field }}` the output of an earlier stage.
    Without it a stage with a `goal` of its own reads the input as context, one without works on the input itself.
    `middleware` changes or refuses the output, which then must fit `output_schema`. When the stage fails, after
    `retries`: `stop` ends the pipeline, `skip` passes its input on, `default` passes `default` on.
    """

    transform: str | None = None
    middleware: tuple[str | JsonObject, ...] = Field(default=(), max_length=20)
    on_failure: Literal["stop", "skip", "default"] = "stop"
    default: JsonValue = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        middlewares_of(self.middleware)
        if (self.on_failure == "default") != ("default" in self.model_fields_set):
            msg = 'on_failure "default" and `default` go together: leave both out, or say both'
            raise ValueError(msg)
        if self.output_schema is not None and (problem := check_output_schema(self.output_schema)):
            msg = f"output_schema: {problem}"
            raise ValueError(msg)
        if self.on_failure == "default" and self.output_schema is not None:
            problem = check_value(self.output_schema, self.default)
            if problem:
                msg = f"default does not fit output_schema: {problem}"
                raise ValueError(msg)
        return self

    @property
    def around(self) -> tuple[Middleware, ...]:
        """The middlewares that are named."""
        return middlewares_of(self.middleware)


class PipelineInput(PatternInput, frozen=True):
    """Input of `Pipeline`: stages one after the other, each on the output of the one before."""

    stages: tuple[Stage, ...] = Field(min_length=1, max_length=1_000)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        names = named(self.stages, "stage")
        for number, (name, stage) in enumerate(zip(names, self.stages, strict=True)):
            if name in {"goal", "input"}:
                msg = f"stages: none can be called {name!r}, which has a meaning in templates"
                raise ValueError(msg)
            for place in places(stage.transform or ""):
                if not _known(place, names[:number]):
                    valid = ["goal", "input", *names[:number]]
                    msg = f"stage {name!r}: transform: {{{{ {place} }}}} is not known here.{closest(place, valid)}"
                    raise ValueError(f"{msg} Valid: {', '.join(valid)}")
        return self


class Traced(Model, frozen=True):
    """What became of one stage: `ended` says how, `input_digest` is the SHA-256 (hex) of the text it worked on.

    `output` is what it passed on. `attempts` are the runs that were made of it.
    """

    stage: str
    ended: Literal["done", "skipped", "defaulted", "failed", "not_run"]
    attempts: int = 0
    input_digest: str = ""
    output: JsonValue = None
    error: ErrorInfo | None = None
    milliseconds: int = 0


class PipelineResult(PatternResult, frozen=True):
    """Result of `Pipeline`: `output` is that of the last stage, or of the last one that succeeded."""

    trace: tuple[Traced, ...] = ()


def places(template: str) -> list[str]:
    """The names in a template, in order."""
    return PLACE.findall(template)


def filled(template: str, goal: str, before: JsonValue, outputs: Mapping[str, JsonValue]) -> str:
    """The template with its places filled in; raises ValueError when an output has no such field."""
    return PLACE.sub(lambda match: text_of(_value(match[1], goal, before, outputs)), template)


def digest_of(text: str) -> str:
    """SHA-256 (hex) of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _known(place: str, names: list[str]) -> bool:
    return place in {"goal", "input"} or place.startswith("input.") or _stage_of(place, names) is not None


def _stage_of(place: str, names: "list[str] | Mapping[str, JsonValue]") -> str | None:
    """The stage that a place is about; ids may have dots, so that the longest one counts."""
    fitting = [name for name in names if place == name or place.startswith(f"{name}.")]
    return max(fitting, key=len, default=None)


def _value(place: str, goal: str, before: JsonValue, outputs: Mapping[str, JsonValue]) -> JsonValue:
    if place == "goal":
        return goal
    if place == "input" or place.startswith("input."):
        return _field(before, place.removeprefix("input"), place)
    name = _stage_of(place, outputs)
    if name is None:
        msg = f"{{{{ {place} }}}}: no such stage has run"
        raise ValueError(msg)
    return _field(outputs[name], place.removeprefix(name), place)


def _field(value: JsonValue, path: str, place: str) -> JsonValue:
    for part in path.split(".")[1:]:
        if not isinstance(value, dict) or part not in value:
            has = ", ".join(value) if isinstance(value, dict) else "no fields"
            msg = f"{{{{ {place} }}}}: the output has no {part!r} (it has: {has})"
            raise ValueError(msg)
        value = value[part]
    return value
