"""How good an output is: rules that are pure functions, found by their `kind`, and the judge, who is a model.

Another rule is one more function below with `@rule` above it: its name is the `kind`, the output its first parameter,
and its keyword-only parameters (a `_` at the end does not count) are the fields that people write beside `kind`.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, cast, get_type_hints

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, StringConstraints, create_model, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from perdure.domain.answer import parse_answer
from perdure.domain.arguments import check_output_schema, check_value, closest
from perdure.domain.model import JsonObject, JsonValue, Model, Partial
from perdure.domain.patterns.steps import Worker, text_of

__all__ = ["RULES", "VERDICT", "Adviser", "Critic", "Judge", "Rule", "Scoring", "Verdict", "measure", "rule"]

VERDICT: JsonObject = {
    "type": "object",
    "properties": {
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "issues": {"type": "array", "items": {"type": "string"}},
        "suggestions": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["score", "issues", "suggestions"],
    "additionalProperties": False,
}
"""What a judge answers."""

Phrase = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Verdict(Model, frozen=True):
    """A score from 0 (useless) to 1 (nothing to improve), what is wrong, and how to mend it."""

    score: float = Field(ge=0, le=1, allow_inf_nan=False)
    issues: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Known:
    takes: type[Model]
    function: Callable[..., Verdict]
    names: dict[str, str]
    """Parameter by the name that people write."""


RULES: dict[str, _Known] = {}
"""Rules by their `kind`."""


def rule(function: Callable[..., Verdict]) -> Callable[..., Verdict]:
    """Let people name the function as the `kind` of a score.

    It raises ValueError when its parameters make no sense: before anything runs it is tried on an empty text.
    """
    kind = function.__name__.removeprefix("by_")
    hints = get_type_hints(function, include_extras=True)
    named = [each for each in inspect.signature(function).parameters.values() if each.kind is each.KEYWORD_ONLY]
    fields: dict[str, Any] = {
        each.name: (hints[each.name], Field(... if each.default is each.empty else each.default, alias=_written(each)))
        for each in named
    }
    fields["kind"] = (Literal[kind], ...)
    takes = create_model(f"Rule_{kind}", __base__=Model, __doc__=function.__doc__, **fields)
    RULES[kind] = _Known(takes, function, {_written(each): each.name for each in named})
    return function


def _written(parameter: inspect.Parameter) -> str:
    return parameter.name.rstrip("_")


@rule
def by_schema(output: JsonValue, *, schema_: JsonObject) -> Verdict:
    """1.0 when the output, or the JSON that it is the text of, fits the JSON Schema, else 0.0."""
    if wrong := check_output_schema(schema_):
        raise ValueError(wrong)
    problem = check_value(schema_, output)
    if problem and isinstance(output, str):
        value, unreadable = parse_answer(output)
        problem = unreadable or check_value(schema_, value)
    if not problem:
        return Verdict(score=1)
    return Verdict(score=0, issues=(problem,), suggestions=("answer with JSON that fits the schema, and nothing else",))


@rule
def by_contains(output: JsonValue, *, all_: Annotated[tuple[Phrase, ...], Field(min_length=1)]) -> Verdict:
    """The part of the phrases that are in the output; case and spaces do not count."""
    text = _plain(text_of(output))
    missing = [phrase for phrase in all_ if _plain(phrase) not in text]
    return Verdict(
        score=(len(all_) - len(missing)) / len(all_),
        issues=tuple(f"it does not say {phrase!r}" for phrase in missing),
        suggestions=tuple(f"say {phrase!r}" for phrase in missing),
    )


@rule
def by_length(
    output: JsonValue,
    *,
    min_: Annotated[int, Field(ge=0)] = 0,
    max_: Annotated[int, Field(ge=1)] | None = None,
) -> Verdict:
    """1.0 within the bounds (in characters), else the less the further away."""
    if max_ is not None and max_ < min_:
        msg = f"min is {min_} and max {max_}: no length is within"
        raise ValueError(msg)
    length = len(text_of(output))
    if length < min_:
        score, wish = length / min_, f"at least {min_}"
    elif max_ is not None and length > max_:
        score, wish = max_ / length, f"at most {max_}"
    else:
        return Verdict(score=1)
    words = f"it has {length} characters, it must have {wish}"
    return Verdict(score=score, issues=(words,), suggestions=(f"make it {'longer' if length < min_ else 'shorter'}",))


class Adviser(Partial, frozen=True):
    """A model that is asked about an attempt. Without `agent` it is the pattern's own.

    When it fails it is asked `retries` times more.
    """

    agent: Worker | None = None
    model: str | None = None
    retries: int = Field(default=0, ge=0, le=10)


class Critic(Adviser, frozen=True):
    """An adviser that says how good an attempt is, by these criteria."""

    criteria: str = ""


class Judge(Critic, frozen=True):
    """A critic that scores."""

    kind: Literal["judge"] = "judge"


class Rule(Partial, frozen=True, extra="allow"):
    """A rule of `RULES`; its other fields are the parameters of that rule."""

    kind: str

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.kind not in RULES:
            valid = ["judge", *RULES]
            msg = f"unknown kind {self.kind!r}.{closest(self.kind, valid)} Valid: {', '.join(sorted(valid))}"
            raise ValueError(msg)
        measure(self, "")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """One alternative for each rule."""
        return {"oneOf": [handler(known.takes.__pydantic_core_schema__) for known in RULES.values()]}


def _read(value: object) -> object:
    """Take the alternative that `kind` names, so that mistakes are told of that one alone."""
    if isinstance(value, Judge | Rule):
        return value
    if not isinstance(value, dict):
        msg = 'it must be an object such as {"kind": "judge"}'
        raise ValueError(msg)  # noqa: TRY004 - pydantic makes words of it
    fields = cast("JsonObject", value)
    return (Judge if fields.get("kind", "judge") == "judge" else Rule).model_validate(fields)


Scoring = Annotated[Judge | Rule, BeforeValidator(_read)]
"""How outputs are scored: `{"kind": "judge", ...}` or the kind of a rule with its parameters."""


def measure(scoring: Rule, output: JsonValue) -> Verdict:
    """Score an output by a rule. Raises ValueError when the rule's parameters are wrong."""
    known = RULES[scoring.kind]
    takes = known.takes.model_validate({"kind": scoring.kind, **(scoring.model_extra or {})})
    return known.function(output, **{name: getattr(takes, name) for name in known.names.values()})


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
