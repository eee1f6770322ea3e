"""What is known before a run of the values that expressions look at: a little of JSON Schema."""

from collections.abc import Mapping, Sequence

from perdure.domain.arguments import closest
from perdure.domain.definition.models import AgentStage, Definition, MapStage, ParallelStage, StageBase
from perdure.domain.definition.names import id_of
from perdure.domain.model import JsonObject, JsonValue

__all__ = ["ANY", "end_schema", "kind_of", "look", "stage_schemas"]

ANY: JsonObject = {}
"""The schema of a value of which nothing is known."""


def output_schema(stage: StageBase, definition: Definition, identity: str = "") -> JsonObject:
    """Schema of a stage's output."""
    if isinstance(stage, AgentStage):
        spec = stage.agent if not isinstance(stage.agent, str) else definition.agents.get(stage.agent)
        return stage.output_schema or (spec.output_schema if spec else None) or ({"type": "string"} if spec else ANY)
    if isinstance(stage, ParallelStage):
        inner: JsonObject = {
            id_of(each, number, identity): output_schema(each, definition) for number, each in enumerate(stage.parallel)
        }
        return {"type": "object", "properties": inner, "additionalProperties": False}
    if isinstance(stage, MapStage):
        return {"type": "array", "items": output_schema(stage.stage, definition)}
    return ANY


def end_schema(stage: StageBase, definition: Definition, identity: str) -> JsonObject:
    """Schema of what expressions see of a stage."""
    output = ANY if not isinstance(stage.on_failure, str) else output_schema(stage, definition, identity)
    return {
        "type": "object",
        "properties": {"output": output, "success": {"type": "boolean"}, "error": ANY, "skipped": {"type": "string"}},
        "additionalProperties": False,
    }


def stage_schemas(named: Mapping[str, StageBase], definition: Definition) -> dict[str, JsonObject]:
    """What expressions see of all stages, by id."""
    return {identity: end_schema(stage, definition, identity) for identity, stage in named.items()}


def look(schema: JsonObject, path: Sequence[str], above: str) -> tuple[JsonObject, str]:
    """Schema of what lies at `path` below a value that is called `above`, or why nothing can lie there."""
    for name in path:
        kind = kind_of(schema)
        if name == "[]":
            if kind not in {"", "array"}:
                return ANY, f"{above} is {_a(kind)}: it has no items"
            schema = _object(schema.get("items"))
            above = f"an item of {above}"
            continue
        if kind not in {"", "object"}:
            return ANY, f"{above} is {_a(kind)}: it has no field {name!r}"
        properties = schema.get("properties")
        known = properties if isinstance(properties, dict) else {}
        if known and name not in known and schema.get("additionalProperties") in {None, False}:
            return ANY, f"{above} has no field {name!r}.{closest(name, known)} It has: {', '.join(known)}"
        schema = _object(known.get(name))
        above = f"{above}.{name}"
    return schema, ""


def kind_of(schema: JsonObject) -> str:
    """The one type that a schema allows; empty when there may be several."""
    kind = schema.get("type")
    return kind if isinstance(kind, str) else ""


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
