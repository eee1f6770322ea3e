"""A form from a JSON Schema, and the arguments back from what was filled in."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

from perdure.domain.model import JsonObject, JsonValue, canonical_json

__all__ = ["Change", "Field", "FormError", "answer_field", "changes", "fields_of", "read_answer", "read_fields"]

Kind = Literal["text", "lines", "number", "integer", "choice", "list", "json"]

PREFIX = "arg."
ANSWER = "answer"
NOT_GIVEN = ""
SHORT = 80
"""Characters that fit into one line of a form."""
SIMPLE: Mapping[str, Kind] = {"string": "text", "number": "number", "integer": "integer", "array": "list"}
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
MAX_DIGITS = 400


@dataclass(frozen=True)
class Field:
    """One control: `shown` is its text, `value` what it stands for while nobody changes it (`given`: there is one)."""

    name: str
    label: str
    kind: Kind
    required: bool
    help: str = ""
    value: JsonValue = None
    given: bool = False
    shown: str = ""
    nullable: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    problem: str = ""

    @property
    def id(self) -> str:
        """Id of the control on its page, which labels name."""
        return re.sub(r"[^A-Za-z0-9_-]", lambda found: f"_{ord(found[0]):x}_", self.name)


@dataclass(frozen=True)
class Change:
    """One argument before and after, as JSON; None for one that was or is not given."""

    name: str
    before: str | None
    after: str | None


class FormError(Exception):
    """What was filled in cannot be read: `fields` are the controls again, with what is wrong."""

    def __init__(self, fields: tuple[Field, ...]) -> None:
        """Keep the controls."""
        super().__init__("; ".join(f"{field.label}: {field.problem}" for field in fields if field.problem))
        self.fields = fields


def fields_of(schema: JsonObject, arguments: JsonObject) -> tuple[Field, ...]:
    """A control for each argument that the schema knows or the call has; what has no simple one is edited as JSON."""
    properties = _object(schema.get("properties"))
    required = schema.get("required")
    names = dict.fromkeys([*properties, *arguments])
    return tuple(
        _field(
            PREFIX + name,
            name,
            _resolved(schema, properties.get(name)),
            required=isinstance(required, list) and name in required,
            given=name in arguments,
            value=arguments.get(name),
        )
        for name in names
    )


def answer_field(schema: JsonObject) -> Field:
    """The control for the answer to a question."""
    field = _field(ANSWER, "Your answer", _resolved(schema, schema), required=True, given=False, value=None)
    return replace(field, kind="lines") if field.kind == "text" else field


def read_fields(fields: tuple[Field, ...], filled: Mapping[str, str]) -> JsonObject:
    """Arguments from what was filled in; a control that was left alone stands for exactly what it was made of.

    Raises FormError with all that cannot be read.
    """
    found: JsonObject = {}
    again = list[Field]()
    for field in fields:
        text = _lines(filled.get(field.name, field.shown))
        try:
            given, value = _read(field, text)
        except ValueError as error:
            again.append(replace(field, shown=text, problem=str(error)))
            continue
        again.append(replace(field, shown=text))
        if given:
            found[field.name.removeprefix(PREFIX)] = value
    if any(field.problem for field in again):
        raise FormError(tuple(again))
    return found


def read_answer(field: Field, filled: Mapping[str, str]) -> JsonValue:
    """The answer to a question; raises FormError."""
    return read_fields((field,), filled).get(ANSWER)


def changes(before: JsonObject, after: JsonObject) -> tuple[Change, ...]:
    """The arguments that differ, in the order of the call."""
    return tuple(
        Change(name, _json(before, name), _json(after, name))
        for name in dict.fromkeys([*before, *after])
        if _json(before, name) != _json(after, name)
    )


def _json(arguments: JsonObject, name: str) -> str | None:
    return json.dumps(arguments[name], ensure_ascii=False, indent=2, sort_keys=True) if name in arguments else None


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _resolved(root: JsonObject, schema: JsonValue) -> JsonObject:
    """The schema that a local reference names; an empty one where it leads nowhere."""
    found = _object(schema)
    reference = found.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return found
    place: JsonValue = root
    for part in reference[2:].split("/"):
        place = _object(place).get(part.replace("~1", "/").replace("~0", "~"))
    named = {name: value for name, value in found.items() if name != "$ref"}
    return {**_object(place), **named}


def _field(name: str, label: str, schema: JsonObject, *, required: bool, given: bool, value: JsonValue) -> Field:  # noqa: PLR0913 - what a control is made of
    schema, nullable = _without_null(schema)
    title, help_text = schema.get("title"), schema.get("description")
    kind = _kind(schema, value if given else None)
    words = [str(text) for text in (help_text, _bounds(schema)) if text]
    field = Field(
        name=name,
        label=label,
        kind=kind,
        required=required,
        nullable=nullable,
        help=". ".join(words) or (str(title) if title and str(title).lower() != label.lower() else ""),
        value=value,
        given=given,
    )
    shown = _shown(field)
    return replace(field, shown=shown, choices=tuple(_choices(schema, field, shown)) if kind == "choice" else ())


def _without_null(schema: JsonObject) -> tuple[JsonObject, bool]:
    """The schema of a value that may also be null, and whether it may."""
    kinds = schema.get("type")
    if isinstance(kinds, list) and "null" in kinds and len(kinds) == 2:  # noqa: PLR2004 - null and another
        return {**schema, "type": next(kind for kind in kinds if kind != "null")}, True
    branches = schema.get("anyOf")
    if isinstance(branches, list) and {"type": "null"} in branches and len(branches) == 2:  # noqa: PLR2004 - see above
        outer = {name: part for name, part in schema.items() if name != "anyOf"}
        return {**_object(next(part for part in branches if part != {"type": "null"})), **outer}, True
    return schema, False


def _kind(schema: JsonObject, value: JsonValue) -> Kind:
    """The simplest control that can hold the value there is."""
    if isinstance(schema.get("enum"), list) or schema.get("type") == "boolean":
        return "choice"
    kind = SIMPLE.get(str(schema.get("type")), "json")
    if kind == "text":
        if value is not None and not isinstance(value, str):
            return "json"
        return "lines" if isinstance(value, str) and (len(value) > SHORT or "\n" in value or "\r" in value) else "text"
    if kind == "list":
        plain = _object(schema.get("items")).get("type") == "string" and "enum" not in _object(schema.get("items"))
        return "list" if plain and _one_line_each(value) else "json"
    if kind in ("number", "integer") and value is not None and (isinstance(value, bool | str | list | dict)):
        return "json"
    return kind


def _one_line_each(value: JsonValue) -> bool:
    items = value if isinstance(value, list) else [] if value is None else [None]
    return all(isinstance(item, str) and item.strip() and not re.search(r"[\r\n]", item) for item in items)


def _choices(schema: JsonObject, field: Field, shown: str) -> Iterator[tuple[str, str]]:
    """Value and words of each option: values are JSON, so that 1 and "1" are two.

    What is there now is always an option: a browser would choose the first one in its place.
    """
    options = schema.get("enum")
    known = options if isinstance(options, list) else [True, False]
    values = {canonical_json(option): _words(option) for option in known}
    if field.nullable:
        values.setdefault("null", "(nothing)")
    if not field.given or not field.required:
        yield NOT_GIVEN, "(choose)" if field.required else "(not given)"
    if field.given and shown not in values:
        yield shown, f"{shown} (as it is now)"
    yield from values.items()


def _words(option: JsonValue) -> str:
    if isinstance(option, bool):
        return "yes" if option else "no"
    return option if isinstance(option, str) else canonical_json(option)


def _bounds(schema: JsonObject) -> str:
    words = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "exclusiveMinimum": "more than {}",
        "exclusiveMaximum": "less than {}",
        "maxLength": "at most {} characters",
    }
    return ", ".join(text.format(schema[name]) for name, text in words.items() if name in schema)


def _shown(field: Field) -> str:
    """Text of the control before anybody has touched it."""
    if not field.given or (field.value is None and field.kind not in ("choice", "json")):
        return NOT_GIVEN
    if field.kind in ("text", "lines"):
        return _lines(cast("str", field.value))
    if field.kind == "list":
        return "\n".join(cast("list[str]", field.value))
    if field.kind == "json":
        return json.dumps(field.value, ensure_ascii=False, indent=2)
    return canonical_json(field.value)


def _lines(text: str) -> str:
    """Text as browsers send it back, with one kind of line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def _read(field: Field, text: str) -> tuple[bool, JsonValue]:
    """Whether a value is given, and which; raises ValueError with what would be valid."""
    if text == field.shown and (field.given or not field.required):
        return field.given, field.value
    if field.kind in ("text", "lines"):
        return True, text
    if field.kind == "list":
        return True, [line.strip() for line in text.split("\n") if line.strip()]
    text = text.strip()
    if not text:
        return _left_empty(field)
    if field.kind == "choice":
        return True, _chosen(field, text)
    return True, _number(field.kind, text) if field.kind in ("number", "integer") else _parsed(text)


def _left_empty(field: Field) -> tuple[bool, JsonValue]:
    if field.required and not field.nullable:
        raise ValueError("fill this in")
    return field.required, None


def _chosen(field: Field, text: str) -> JsonValue:
    if text not in dict(field.choices):
        raise ValueError("choose one of the options")
    return cast("JsonValue", json.loads(text))


def _number(kind: Kind, text: str) -> JsonValue:
    if len(text) > MAX_DIGITS or not NUMBER.fullmatch(text):
        raise ValueError("write a number with digits only, and a point for decimals")
    value = float(text) if re.search(r"[.eE]", text) else int(text)
    if kind == "integer" and isinstance(value, float):
        raise ValueError("write a whole number")
    if value in (float("inf"), float("-inf")):
        raise ValueError("this number is too large")
    return value


def _parsed(text: str) -> JsonValue:
    def refused(name: str) -> JsonValue:
        raise ValueError(f"{name} is not JSON")

    try:
        return cast("JsonValue", json.loads(text, parse_constant=refused))
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
