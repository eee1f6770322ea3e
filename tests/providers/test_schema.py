"""Strict copies of JSON Schemas: what fits the copy fits the original, and what cannot be said strictly is not."""

import jsonschema
import pytest

from perdure.domain.model import JsonObject
from perdure.providers.schema import strict_schema

NAME: JsonObject = {"type": "string", "minLength": 1, "title": "Name"}
TREE: JsonObject = {
    "type": "object",
    "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
    "required": ["children"],
}


def of(**properties: JsonObject) -> JsonObject:
    """An object with these properties, all required."""
    return {"type": "object", "properties": {**properties}, "required": [*properties]}


@pytest.mark.parametrize("optional", [True, False])
def test_objects_are_closed_and_limits_left_to_the_validator(*, optional: bool) -> None:
    """The original is not touched."""
    schema = of(name=NAME, tags={"type": "array", "items": {"type": "string"}, "maxItems": 3})
    before = str(schema)
    copy = strict_schema(schema, optional=optional)
    assert copy == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
        "required": ["name", "tags"],
        "additionalProperties": False,
    }
    assert str(schema) == before


def test_definitions_and_choices_are_closed_too() -> None:
    """References stay references, `oneOf` becomes `anyOf`, which allows more."""
    schema: JsonObject = {
        **of(either={"oneOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}),
        "$defs": {"A": of(a={"const": 1})},
    }
    copy = strict_schema(schema, optional=False)
    assert copy is not None
    jsonschema.validate({"either": {"a": 1}}, copy)
    for open_answer in ({"either": {"a": 1, "b": 2}}, {"either": None, "more": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(open_answer, copy)


def test_a_property_may_be_left_out_only_where_the_provider_allows_it() -> None:
    """Making it required, or nullable, would change what the answer means."""
    schema: JsonObject = {**of(name=NAME, nick=NAME), "required": ["name"]}
    assert strict_schema(schema, optional=True) is not None
    assert strict_schema(schema, optional=False) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"type": "object"},
        {"type": "object", "additionalProperties": True},
        {"type": "object", "properties": {}, "patternProperties": {"^x": {"type": "string"}}},
        of(anything={}),
        of(several={"allOf": [{"type": "string"}]}),
        of(list={"type": "array"}),
        of(free={"type": "object", "additionalProperties": {"type": "integer"}}),
        of(elsewhere={"$ref": "https://example.org/schema"}),
        {**of(tree={"$ref": "#/$defs/Tree"}), "$defs": {"Tree": TREE}},
        {**of(name=NAME), "required": ["name", "missing"]},
    ],
)
def test_what_cannot_be_strict(schema: JsonObject) -> None:
    """Open objects, combinations, recursion and roots that are no object."""
    assert strict_schema(schema, optional=True) is None


def test_an_object_without_parameters_can_be_strict() -> None:
    """A tool that takes nothing."""
    assert strict_schema({"type": "object", "properties": {}}, optional=False) == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }
