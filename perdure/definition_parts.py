"""Puts the agents that a definition names into it, also where the input of a pattern names one."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

from pydantic import BaseModel

from perdure.domain.arguments import closest
from perdure.domain.definition.models import AgentStage, Definition, PatternStage, Place
from perdure.domain.definition.names import named_stages
from perdure.domain.model import JsonObject, JsonValue

__all__ = ["with_agents"]

Patterns = Mapping[str, type[BaseModel]]
Agents = Mapping[str, JsonObject]


def with_agents(
    value: Any,  # noqa: ANN401 - any JSON
    definition: Definition,
    folder: Agents,
    patterns: Patterns,
) -> list[tuple[Place, str]]:
    """Change the JSON `value` of the definition in place; returns names in the inputs of patterns that are nobody's."""
    own = cast("Agents", value.get("agents", {}))
    agents = {**folder, **own}
    used = [definition.coordinator]
    wrong = list[tuple[Place, str]]()
    for at, _, stage in named_stages(definition.stages):
        if isinstance(stage, AgentStage | PatternStage) and isinstance(stage.agent, str):
            used.append(stage.agent)
        if isinstance(stage, PatternStage) and stage.pattern in patterns:
            schema, place = _schema(patterns[stage.pattern]), (*at, "with")
            holder = value
            for part in at:
                holder = holder[part]
            if "with" in holder:
                holder["with"] = _filled(schema, schema, holder["with"], place, agents, wrong)
    named = {name: agents[name] for name in used if name is not None and name in folder and name not in own}
    if named:
        value["agents"] = {**own, **named}
    return wrong


@lru_cache(maxsize=128)
def _schema(model: type[BaseModel]) -> JsonObject:
    return model.model_json_schema()


def _filled(  # noqa: PLR0913, PLR0917 - a walk over two trees at once
    whole: JsonObject,
    schema: JsonValue,
    value: JsonValue,
    at: Place,
    agents: Agents,
    wrong: list[tuple[Place, str]],
) -> JsonValue:
    """The value with whole agents where the schema takes one and a name stands."""
    branches = list(_branches(whole, schema))
    if isinstance(value, str) and any(branch.get("title") == "AgentSpec" for branch in branches):
        if value in agents:
            return {**agents[value], "name": value}
        if value != "default" and "{{" not in value:
            wrong.append((at, f"no agent is called {value!r}.{closest(value, agents)} There are: {', '.join(agents)}"))
        return value
    if isinstance(value, list):
        items = _keyword(branches, "items")
        return [_filled(whole, items, item, (*at, number), agents, wrong) for number, item in enumerate(value)]
    if isinstance(value, dict):
        properties, others = _keyword(branches, "properties"), _keyword(branches, "additionalProperties")
        known = properties if isinstance(properties, dict) else {}
        return {
            name: _filled(whole, known.get(name, others), item, (*at, name), agents, wrong)
            for name, item in value.items()
        }
    return value


def _keyword(branches: Iterable[JsonObject], keyword: str) -> JsonValue:
    return next((branch[keyword] for branch in branches if keyword in branch), None)


def _branches(whole: JsonObject, schema: JsonValue) -> Iterator[JsonObject]:
    """A schema and its alternatives, behind references."""
    if not isinstance(schema, dict):
        return
    target, definitions = schema.get("$ref"), whole.get("$defs")
    if isinstance(target, str) and isinstance(definitions, dict):
        yield from _branches(whole, definitions.get(target.rpartition("/")[2]))
        return
    yield schema
    for field in ("anyOf", "oneOf"):
        alternatives = schema.get(field)
        for each in alternatives if isinstance(alternatives, list) else ():
            yield from _branches(whole, each)
