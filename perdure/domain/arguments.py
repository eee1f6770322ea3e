"""Checks arguments against a JSON Schema in words a model can act on: no I/O, no remote references, no formats."""

import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, Schema

from perdure.domain.model import JsonObject, JsonValue, canonical_json

__all__ = ["check_arguments", "check_output_schema", "check_schema", "check_value", "closest"]

MAX_PROBLEMS = 8
MAX_PROBLEM = 300
MAX_SHOWN = 60

_RULES = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "pattern": "must match the regular expression {}",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "uniqueItems": "must not hold an item twice",
    "const": "must be {}",
    "enum": "must be one of {}",
}
"""Keyword of JSON Schema -> what would be valid; own words because jsonschema's repeat the whole value."""


def check_arguments(schema: JsonObject, arguments: JsonObject) -> str:
    """Say what is wrong with `arguments`, field by field and with what would be valid; empty when they fit.

    The answer is bounded in length whatever the arguments hold, and equal for equal input.
    """
    try:
        errors: Iterable[ValidationError] = _validator(canonical_json(schema)).iter_errors(arguments)  # pyright: ignore[reportUnknownMemberType] - half typed stub
        found = list(islice(errors, MAX_PROBLEMS + 1))
    except Unresolvable as problem:
        return f"the schema of this tool has a reference that leads nowhere: {_cut(str(problem), MAX_SHOWN)}"
    except RecursionError:
        return "the arguments are nested too deeply"
    except (ArithmeticError, ValueError):
        return "the arguments hold a number that is too large to check"
    problems = list(dict.fromkeys(_cut(_problem(error), MAX_PROBLEM) for error in found[:MAX_PROBLEMS]))
    if len(found) > MAX_PROBLEMS:
        problems.append("and more")
    return "; ".join(problems)


def check_value(schema: JsonObject, value: JsonValue) -> str:
    """Like `check_arguments`, for a value of any kind, which is called `answer`."""
    # With an id of its own, references such as #/$defs/x still lead into the schema when it lies within another.
    named: JsonObject = {"$id": "urn:answer", **schema}
    return check_arguments({"type": "object", "properties": {"answer": named}}, {"answer": value})


def check_schema(schema: JsonObject) -> str:
    """Say why `schema` cannot describe the arguments of a tool; empty when it can.

    It must be valid JSON Schema (2020-12) of an object, and every `$ref` must lead to a place inside it.
    """
    if schema.get("type") != "object":
        return check_output_schema(schema) or 'the schema must have "type": "object", because arguments have names'
    return check_output_schema(schema)


def check_output_schema(schema: JsonObject) -> str:
    """Say why `schema` cannot describe a value of any kind; empty when it can."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"{_path(error.absolute_path) or 'the schema'}: {_cut(error.message, MAX_PROBLEM)}"
    except RecursionError:
        return "the schema is nested too deeply"
    resource: Resource[Schema] = Resource(contents=schema, specification=DRAFT202012)
    resolver = Registry[Schema]().with_resource("", resource).resolver()
    for reference in _references(schema):
        if not reference.startswith("#"):
            return f"$ref {reference!r}: only references inside the schema (#/...) are followed"
        try:
            resolver.lookup(reference)
        except Unresolvable:
            return f"$ref {reference!r} leads nowhere"
    return ""


def closest(name: str, names: Iterable[str]) -> str:
    """Say " Did you mean 'x'?" (to append to a sentence) when one of `names` is like `name`; empty otherwise."""
    match = _like(name, names)
    return f" Did you mean {match!r}?" if match else ""


def _like(name: str, names: Iterable[str]) -> str:
    return next(iter(get_close_matches(name[:100], sorted(names), n=1)), "")


@lru_cache(maxsize=256)
def _validator(schema: str) -> Draft202012Validator:
    # An empty registry: without one jsonschema fetches remote references over HTTP.
    return Draft202012Validator(json.loads(schema), registry=Registry())


def _references(node: JsonValue) -> Iterable[str]:
    children: Iterable[JsonValue] = ()
    if isinstance(node, dict):
        target = node.get("$ref")
        if isinstance(target, str):
            yield target
        children = node.values()
    elif isinstance(node, list):
        children = node
    for child in children:
        yield from _references(child)


def _problem(error: ValidationError) -> str:
    where = _path(error.absolute_path)
    return f"{where}: {_wish(error)}" if where else _wish(error)


def _wish(error: ValidationError) -> str:
    """Put what would be valid at the place of `error` into words."""
    keyword, rule, value = str(error.validator), cast("Any", error.validator_value), cast("Any", error.instance)
    if keyword == "type":
        kinds = rule if isinstance(rule, str) else " or ".join(rule)
        return f"must be {kinds}, not {_shown(value)}"
    if keyword == "required":
        missing = ", ".join(repr(name) for name in rule if name not in value)
        return f"missing required field {missing}"
    if keyword == "additionalProperties" and rule is False and isinstance(error.schema, Mapping):
        return _unknown(value, list(error.schema.get("properties", {})))
    if keyword in ("anyOf", "oneOf") and error.context:
        return " or ".join(dict.fromkeys(_branch(error, inner) for inner in islice(error.context, MAX_PROBLEMS)))
    if keyword in _RULES:
        return f"{_RULES[keyword].format(_cut(json.dumps(rule, ensure_ascii=False), MAX_PROBLEM // 2))}"
    return _cut(error.message, MAX_PROBLEM)


def _branch(outer: ValidationError, inner: ValidationError) -> str:
    deeper = list(inner.absolute_path)[len(outer.absolute_path) :]
    return f"{_path(deeper)}: {_wish(inner)}" if deeper else _wish(inner)


def _unknown(value: Mapping[str, JsonValue], valid: Sequence[str]) -> str:
    extra = [name for name in value if name not in valid]
    words = f"unknown field {', '.join(repr(_cut(name, MAX_SHOWN)) for name in extra[:MAX_PROBLEMS])}"
    like = _like(extra[0], valid) if len(extra) == 1 else ""
    hint = f"did you mean {like!r}? " if like else ""
    return f"{words} ({hint}valid fields: {', '.join(sorted(valid)) or 'none'})"


def _shown(value: JsonValue) -> str:
    if isinstance(value, dict | list):
        return "object" if isinstance(value, dict) else "array"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    kind = "string" if isinstance(value, str) else "number"
    return f"{kind} {_cut(json.dumps(value, ensure_ascii=False), MAX_SHOWN)}"


def _path(parts: Iterable[str | int]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{_cut(part, MAX_SHOWN)}"
    return text.removeprefix(".")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
