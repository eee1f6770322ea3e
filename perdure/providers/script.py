"""Scripts of a stand-in model: the YAML file, what is wrong with it, and which step a turn plays."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self, cast

import yaml
from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator

from perdure.domain.errors import ConfigurationError, PerdureError, ProviderRefused, UnexpectedStep
from perdure.domain.model import JsonObject, Model
from perdure.providers.faults import Fault, Vendor, status_error

__all__ = ["Play", "Script", "ScriptError", "ScriptFile", "ScriptStep", "load_script", "plays", "scripted_error"]

_QUOTED = 200


class ScriptCall(Model, frozen=True):
    """A tool call that a step makes; `name` is another word for `tool`."""

    tool: str = Field(min_length=1, validation_alias=AliasChoices("tool", "name"))
    arguments: JsonObject = {}

    @field_validator("arguments", mode="before")
    @classmethod
    def _none_is_empty(cls, value: object) -> object:
        return {} if value is None else value


class ScriptError(Model, frozen=True):
    """A failure: an HTTP status, or words alone for a refusal that no second try changes. `retry_after`: seconds."""

    status: int = Field(default=400, ge=400, le=599)
    retry_after: float | None = Field(default=None, ge=0)
    message: str = ""


class ScriptStep(Model, frozen=True):
    """One turn of the assistant. `delay` is seconds before the answer or the error."""

    text: str = ""
    calls: tuple[ScriptCall, ...] = ()
    error: ScriptError | None = None
    delay: float = Field(default=0, ge=0)

    @field_validator("error", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return {"message": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.text or self.calls or self.error):
            raise ValueError("a step needs text, calls or error")
        return self

    @property
    def playable(self) -> bool:
        """Whether it answers, now or after its error."""
        return bool(self.text or self.calls)


class Play(Model, frozen=True):
    """What one turn plays: errors for its first attempts, then an answer. `number` counts steps of the file from 1."""

    number: int
    errors: tuple[ScriptError, ...]
    answer: ScriptStep
    delay: float

    def error(self, attempt: int) -> ScriptError | None:
        """The error of this attempt (from 1), or None when it answers. With no answer the last error stays."""
        if attempt <= len(self.errors):
            return self.errors[attempt - 1]
        return None if self.answer.playable else self.errors[-1]


class _Dialogue(Model, frozen=True):
    """Steps for the conversations whose instructions and first message, joined by a line break, fit the glob `when`."""

    when: str = Field(min_length=1)
    steps: tuple[ScriptStep, ...] = Field(min_length=1)


class _File(Model, frozen=True):
    """The file as it is written: `steps` for every conversation, or `conversations`, of which the first that fits."""

    steps: tuple[ScriptStep, ...] | None = Field(default=None, min_length=1)
    conversations: tuple[_Dialogue, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.steps is None) == (self.conversations is None):
            raise ValueError("it must have either `steps:` or `conversations:`")
        return self


class Script(Model, frozen=True):
    """A script in the order it is played."""

    path: str
    length: int
    plays: tuple[Play, ...]

    def left(self, turn: int) -> str:
        """Names the steps after this turn (from 0); empty when it is the last."""
        first = self.plays[turn].number + 1
        if first > self.length:
            return ""
        steps = f"step {first} was" if first == self.length else f"steps {first} to {self.length} were"
        return f"{self.path}: {steps} not played"


class ScriptFile(Model, frozen=True):
    """Scripts in the order of the file, each with the glob of the conversations that it is for."""

    path: str
    scripts: tuple[tuple[str, Script], ...]

    def script_for(self, opening: str) -> Script:
        """The first script for a conversation that opens so; UnexpectedStep when there is none."""
        for when, script in self.scripts:
            if fnmatchcase(opening, when):
                return script
        raise UnexpectedStep(
            f"{self.path} has no conversation for one that opens with {opening[-_QUOTED:]!r}: its globs are "
            f"{', '.join(repr(when) for when, _ in self.scripts)}",
            details={"script": self.path},
        )


def load_script(path: Path) -> ScriptFile:
    """Read and check a script; ConfigurationError names file, step and field."""
    try:
        loaded: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"The script {path} cannot be read: {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The script {path} is not YAML: {' '.join(str(error).split())}") from error
    try:
        file = _File.model_validate(loaded)
    except ValidationError as error:
        raise ConfigurationError(f"The script {path} is wrong: {_wrong(error)}") from error
    dialogues = file.conversations or (_Dialogue(when="*", steps=file.steps or ()),)
    return ScriptFile(
        path=str(path),
        scripts=tuple(
            (each.when, Script(path=str(path), length=len(each.steps), plays=plays(each.steps))) for each in dialogues
        ),
    )


def _wrong(error: ValidationError) -> str:
    return "; ".join(f"{_place(each['loc'])}: {each['msg'].removeprefix('Value error, ')}" for each in error.errors())


def _place(where: Sequence[int | str]) -> str:
    match where:
        case ("conversations", int(index), *rest):
            return f"conversation {index + 1}, {_place(rest) if rest else 'the whole'}"
        case ("steps", int(index), *fields):
            return ", ".join([f"step {index + 1}", *([f"field {'.'.join(map(str, fields))}"] if fields else [])])
        case ():
            return "the file (it must be a mapping with `steps:`)"
        case _:
            return f"field {'.'.join(map(str, where))}"


def plays(steps: Sequence[ScriptStep]) -> tuple[Play, ...]:
    """Steps that only fail are merged in front of the next one that answers."""
    merged: list[Play] = []
    errors: list[ScriptError] = []
    delay = 0.0
    for number, step in enumerate(steps, start=1):
        errors += [step.error] if step.error else []
        delay = max(delay, step.delay)
        if step.playable or number == len(steps):
            merged.append(Play(number=number, errors=tuple(errors), answer=step, delay=delay))
            errors, delay = [], 0.0
    return tuple(merged)


def scripted_error(vendor: Vendor, path: str, number: int, error: ScriptError) -> PerdureError:
    """The domain error of a scripted failure, by the table that real providers' failures go through."""
    if "status" not in error.model_fields_set:
        return ProviderRefused(error.message, details=cast("JsonObject", {"script": path, "step": number}))
    fault = Fault(error.status, (), error.message or f"step {number} of the script", "", error.retry_after)
    return status_error(vendor, path, fault)
