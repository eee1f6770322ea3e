"""JSON Schemas in definitions: whether they are any, and whether values that are known before the run fit them."""

import json
from collections.abc import Iterator
from functools import lru_cache

from perdure.domain.arguments import check_output_schema, check_value, closest
from perdure.domain.definition.expressions import pieces
from perdure.domain.definition.kinds import kind_of
from perdure.domain.definition.models import Place
from perdure.domain.definition.seeing import Problem, Sight, texts_in
from perdure.domain.model import JsonObject, JsonValue, canonical_json

__all__ = ["fields_problems", "schema_problems"]


def schema_problems(at: Place, schema: JsonObject, *, default: bool = False) -> Iterator[Problem]:
    """Why this is no JSON Schema, or why its default does not fit it."""
    wrong = _wrong(canonical_json(schema))
    if wrong:
        yield at, f"not a JSON Schema: {wrong}"
    elif default and "default" in schema:
        unfit = check_value(schema, schema["default"])
        if unfit:
            yield (*at, "default"), unfit.removeprefix("answer: ")


@lru_cache(maxsize=1_024)
def _wrong(schema: str) -> str:
    return check_output_schema(json.loads(schema))


def fields_problems(at: Place, given: JsonObject, schema: JsonObject, sight: Sight, what: str) -> Iterator[Problem]:
    """What is wrong with values that are given by name to `what`, which takes an object of this schema."""
    properties, required = schema.get("properties"), schema.get("required")
    fields = properties if isinstance(properties, dict) else {}
    for name in required if isinstance(required, list) else ():
        if name not in given:
            yield at, f"{what} needs {name!r}"
    for name, value in given.items():
        if name in fields:
            yield from _value_problems((*at, name), value, _object(fields[name]), sight)
        else:
            names = ", ".join(fields) or "nothing"
            yield (*at, name), f"{what} has no {name!r}.{closest(name, fields)} It takes: {names}"


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _value_problems(at: Place, value: JsonValue, schema: JsonObject, sight: Sight) -> Iterator[Problem]:
    found = [piece for _, text in texts_in(value, at) for piece in pieces(text)]
    if not found:
        wrong = check_value(schema, value)
        if wrong:
            yield at, wrong.removeprefix("answer: ")
    elif isinstance(value, str) and value.strip() == "{{" + found[0].expression + "}}":
        is_, wanted = kind_of(sight.schema_of(found[0].expression)), kind_of(schema)
        if is_ and wanted and is_ != wanted and (is_, wanted) != ("integer", "number"):
            yield at, f"{found[0].expression.strip()!r} is of type {is_}, not {wanted}"
