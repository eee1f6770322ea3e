"""Middlewares of a pipeline: small pure functions, by name, that stand around a stage."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator

from perdure.domain.arguments import closest
from perdure.domain.model import JsonObject, JsonValue, Model, canonical_json

__all__ = ["MIDDLEWARES", "Limit", "Middleware", "Redact", "Refused", "Require", "Trim", "applied", "middlewares_of"]

LONGEST_PATTERN = 200
MAX_TEXT = 200_000
"""Characters that a pattern is held against: a workflow task must stay short."""
NESTED = re.compile(r"[+*}]\??\)+[+*{]")
"""A repetition of a repetition, such as (a+)+, which can take for ever."""


class Refused(Exception):
    """A middleware does not let the output through; its words say why."""


class Trim(Model, frozen=True):
    """Leave out white space at both ends of every text."""

    name: Literal["trim"] = "trim"

    def __call__(self, output: JsonValue) -> JsonValue:
        """The output without it."""
        return _texts(output, str.strip)


class Require(Model, frozen=True):
    """Refuse an empty output, and an object in which one of the `fields` is missing or empty."""

    name: Literal["require"] = "require"
    fields: tuple[str, ...] = ()

    def __call__(self, output: JsonValue) -> JsonValue:
        """The output as it is."""
        if _empty(output):
            msg = "require: the output is empty"
            raise Refused(msg)
        for field in self.fields:
            if not isinstance(output, dict) or _empty(output.get(field)):
                msg = f"require: the output has no {field!r}"
                raise Refused(msg)
        return output


class Redact(Model, frozen=True):
    """Put `by` where one of the `patterns` (regular expressions of Python) matches, in every text of the output."""

    name: Literal["redact"] = "redact"
    patterns: tuple[Annotated[str, Field(min_length=1, max_length=LONGEST_PATTERN)], ...] = Field(
        min_length=1, max_length=50
    )
    by: str = "[redacted]"

    @field_validator("patterns")
    @classmethod
    def _valid(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except (re.error, RecursionError, OverflowError) as error:
                msg = f"{pattern!r} is no regular expression: {error}"
                raise ValueError(msg) from None
            if NESTED.search(pattern):
                msg = f"{pattern!r} repeats a repetition, which can take for ever: write it without"
                raise ValueError(msg)
        return patterns

    def __call__(self, output: JsonValue) -> JsonValue:
        """The output with what matches left out; one that is too long to look through is refused."""
        if len(canonical_json(output)) > MAX_TEXT:
            msg = f"redact: the output has more than {MAX_TEXT} characters: put `limit` before it"
            raise Refused(msg)
        return _texts(output, self._redacted)

    def _redacted(self, text: str) -> str:
        for pattern in self.patterns:
            text = re.sub(pattern, lambda _match: self.by, text)
        return text


class Limit(Model, frozen=True):
    """Cut every text of the output off after so many `characters`."""

    name: Literal["limit"] = "limit"
    characters: int = Field(ge=1)

    def __call__(self, output: JsonValue) -> JsonValue:
        """The output, cut."""
        return _texts(output, lambda text: text[: self.characters])


Middleware = Trim | Require | Redact | Limit
MIDDLEWARES: Mapping[str, type[Middleware]] = {"trim": Trim, "require": Require, "redact": Redact, "limit": Limit}
"""By name; a definition names one as "trim", or as {"name": "limit", "characters": 100}."""


def middlewares_of(given: tuple[str | JsonObject, ...]) -> tuple[Middleware, ...]:
    """The middlewares that are named, in order; raises ValueError with what would be valid."""
    return tuple(_middleware({"name": item} if isinstance(item, str) else item) for item in given)


def applied(middlewares: tuple[Middleware, ...], output: JsonValue) -> JsonValue:
    """The output after all of them, in order; raises Refused."""
    for middleware in middlewares:
        output = middleware(output)
    return output


def _middleware(given: JsonObject) -> Middleware:
    name = str(given.get("name"))
    if name not in MIDDLEWARES:
        msg = f"middleware: there is no {name!r}.{closest(name, MIDDLEWARES)} Valid: {', '.join(MIDDLEWARES)}"
        raise ValueError(msg)
    try:
        return MIDDLEWARES[name].model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"middleware {name!r}: {where}: {first['msg']}"
        raise ValueError(msg) from None


def _texts(value: JsonValue, change: Callable[[str], str]) -> JsonValue:
    """The value with every text in it changed; names of fields stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: _texts(item, change) for name, item in value.items()}
    if isinstance(value, list):
        return [_texts(item, change) for item in value]
    return value


def _empty(value: JsonValue) -> bool:
    return value is None or value in ({}, []) or (isinstance(value, str) and not value.strip())
