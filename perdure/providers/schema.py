"""JSON Schemas as providers' strict modes accept them: a careful copy, or None when it cannot be said strictly."""

from typing import cast

from perdure.domain.model import JsonObject, JsonValue, canonical_json

__all__ = ["in_words", "strict_schema"]

_KEPT = frozenset({"$ref", "anyOf", "const", "description", "enum", "items", "properties", "required", "type"})
"""Keywords that strict modes know."""
_DROPPED = frozenset({
    "$comment", "$id", "$schema", "default", "deprecated", "discriminator", "examples", "exclusiveMaximum",
    "exclusiveMinimum", "format", "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum",
    "multipleOf", "pattern", "readOnly", "title", "uniqueItems", "writeOnly",
})  # fmt: skip
"""Annotations, and limits that are checked when the answer is here. Leaving one out only allows more."""


class _NotStrictError(Exception):
    """The schema means something that a strict mode cannot express."""


def strict_schema(schema: JsonObject, *, optional: bool) -> JsonObject | None:
    """A copy in which every object is closed, or None.

    What fits the copy's shape fits the schema's, apart from limits such as `minimum`, which are for whoever
    validates the answer. `optional` says whether the provider lets a property be left out.
    """
    definitions = schema.get("$defs", {})
    if schema.get("type") != "object" or not isinstance(definitions, dict):
        return None
    root: JsonObject = {key: value for key, value in schema.items() if key != "$defs"}
    try:
        copy = _closed(root, optional=optional)
        if definitions:
            copy["$defs"] = {name: _closed(each, optional=optional) for name, each in definitions.items()}
        _refuse_cycles(definitions)
    except _NotStrictError:
        return None
    return copy


def in_words(schema: JsonObject) -> str:
    """For a schema that a provider's own mechanism cannot hold: whoever asked validates the answer anyway."""
    said = canonical_json(schema)
    return f"Your final answer must be one JSON value, without any other text, that fits this JSON Schema:\n{said}"


def _closed(schema: JsonValue, *, optional: bool) -> JsonObject:
    if not isinstance(schema, dict):
        raise _NotStrictError
    copy: JsonObject = {}
    for key, value in schema.items():
        if key in _KEPT:
            copy[key] = _kept(key, value, optional=optional)
        elif key == "oneOf" and isinstance(value, list):
            copy["anyOf"] = [_closed(each, optional=optional) for each in value]
        elif key == "additionalProperties" and value is False:
            copy.setdefault("properties", {})
        elif key not in _DROPPED:
            raise _NotStrictError
    if not copy.keys() & {"$ref", "anyOf", "const", "enum", "type"}:
        raise _NotStrictError
    return _object(copy, optional=optional)


def _kept(key: str, value: JsonValue, *, optional: bool) -> JsonValue:
    match key, value:
        case "properties", dict():
            return {name: _closed(each, optional=optional) for name, each in value.items()}
        case "items", dict():
            return _closed(value, optional=optional)
        case "anyOf", list():
            return [_closed(each, optional=optional) for each in value]
        case "$ref", str() if not value.startswith("#/$defs/"):
            raise _NotStrictError
        case _:
            return value


def _object(copy: JsonObject, *, optional: bool) -> JsonObject:
    kinds = copy.get("type")
    if kinds == "array" and "items" not in copy:
        raise _NotStrictError
    if kinds != "object" and not (isinstance(kinds, list) and "object" in kinds):
        return copy
    properties, required = copy.get("properties"), copy.setdefault("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        raise _NotStrictError  # an object that names no properties takes any
    if not set(cast("list[str]", required)) <= set(properties) or (not optional and len(required) < len(properties)):
        raise _NotStrictError
    copy["additionalProperties"] = False
    return copy


def _refuse_cycles(definitions: JsonObject) -> None:
    """Definitions that contain themselves are beyond some strict modes; all are treated alike."""
    uses = {f"#/$defs/{name}": set(_references(each)) for name, each in definitions.items()}
    while uses:
        free = {name for name, used in uses.items() if not used & uses.keys()}
        if not free:
            raise _NotStrictError
        uses = {name: used for name, used in uses.items() if name not in free}


def _references(schema: JsonValue) -> list[str]:
    match schema:
        case {"$ref": str(target)}:
            return [target]
        case dict():
            return [each for value in schema.values() for each in _references(value)]
        case list():
            return [each for value in schema for each in _references(value)]
        case _:
            return []
