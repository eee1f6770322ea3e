"""Other ways to write a definition, brought into the one form on the YAML nodes, so that every place keeps its line."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import yaml

__all__ = ["canonical"]

Pair = tuple[yaml.Node, yaml.Node]
TOP = {"max_parallel": "max_concurrent", "maxConcurrent": "max_concurrent"}
STAGE = {"name": "id", "depends_on": "needs", "dependsOn": "needs", "goal_text": "goal"}
AGENT = {"system_prompt": "instructions", "systemPrompt": "instructions"}
IGNORED = {"checkpoints": "checkpoints are not needed: the history of a run has each of its steps"}
WORD = re.compile(r"^\$?\{?\{?\s*([A-Za-z0-9_.-]+)\s*\}?\}?$")


def canonical(root: yaml.Node) -> list[str]:
    """Rewrite the document in place; returns what was left out, as `line: words`.

    Agents may be a list with names, roles and capabilities; type, coordinator and stages may lie under `workflow`;
    stages may have `name`, `depends_on`, `agents` with `parallel`, `input`, `output` and `review: true`.
    """
    if not isinstance(root, yaml.MappingNode):
        return []
    notes = list[str]()
    root.value = [pair for pair in _lifted(root) if not _ignored(pair, notes)]
    _rename(root, TOP)
    if not _get(root, "name"):
        root.value.insert(0, (_text("name", root), _text("workflow", root)))
    version = _get(root, "version")
    if isinstance(version, yaml.ScalarNode):
        version.tag = "tag:yaml.org,2002:str"
    agents = _get(root, "agents")
    if isinstance(agents, yaml.SequenceNode):
        _set(root, "agents", _agents_by_name(agents))
    agents = _get(root, "agents")
    for _, spec in agents.value if isinstance(agents, yaml.MappingNode) else ():
        if isinstance(spec, yaml.MappingNode):
            _agent(spec)
    stages = _get(root, "stages")
    if isinstance(stages, yaml.SequenceNode):
        _stages(root, stages)
    return notes


def _lifted(root: yaml.MappingNode) -> list[Pair]:
    """The fields, with those of a block `workflow` beside the others."""
    found = list[Pair]()
    for key, value in cast("list[Pair]", root.value):
        if _word(key) == "workflow" and isinstance(value, yaml.MappingNode):
            found += cast("list[Pair]", value.value)
        else:
            found.append((key, value))
    return found


def _ignored(pair: Pair, notes: list[str]) -> bool:
    words = IGNORED.get(_word(pair[0]))
    if words:
        notes.append(f"{pair[0].start_mark.line + 1}: {words}")
    return words is not None


def _agents_by_name(agents: yaml.SequenceNode) -> yaml.MappingNode:
    pairs = list[Pair]()
    for item in cast("list[yaml.Node]", agents.value):
        name = _get(item, "name") if isinstance(item, yaml.MappingNode) else None
        pairs.append((name or _text("agent", item), item))
    return _mapping(pairs, agents)


def _agent(spec: yaml.MappingNode) -> None:
    _rename(spec, AGENT)
    described = list[str]()
    for field in ("role", "capabilities"):
        value = _take(spec, field)
        if value is not None:
            described.append(", ".join(_words(value)))
    if described and _get(spec, "description") is None:
        spec.value.append((_text("description", spec), _text(": ".join(described), spec)))
    if described and _get(spec, "instructions") is None:
        spec.value.append((_text("instructions", spec), _text(f"You are the {': '.join(described)}.", spec)))


def _stages(root: yaml.MappingNode, stages: yaml.SequenceNode) -> None:
    """Rewrite every stage of the list; what a stage calls its output names it, too."""
    items = [item for item in cast("list[yaml.Node]", stages.value) if isinstance(item, yaml.MappingNode)]
    for item in items:
        _rename(item, STAGE)
    by_needs = any(_get(item, "needs") for item in items)
    if by_needs and _get(root, "type") is None:
        root.value.append((_text("type", root), _text("graph", root)))
    found, outputs, last = list[yaml.Node](), dict[str, str](), dict[str, str]()
    for item in cast("list[yaml.Node]", stages.value):
        found.append(item)
        if isinstance(item, yaml.MappingNode):
            _team(item)
            review = _reviewed(item, by_needs=by_needs)
            found += review
            name = _word(_get(item, "id"))
            if name:
                last[name] = f"{name}.review" if review else name
                outputs |= dict.fromkeys([*_named_output(item), name], last[name])
    stages.value = found
    for item in items:
        _needs(item, last)
        _input(item, outputs)
    if _word(_get(root, "type")) == "hierarchical" and not by_needs:
        _chained([item for item in found if isinstance(item, yaml.MappingNode)])


def _chained(items: Sequence[yaml.MappingNode]) -> None:
    """Stages that run in turn still do when some of them name their input: each needs the one before, too."""
    if not any(_get(item, "needs") for item in items):
        return
    for before, item in pairwise(items):
        needs, name = _get(item, "needs"), _get(before, "id")
        known = cast("list[yaml.Node]", needs.value) if isinstance(needs, yaml.SequenceNode) else []
        if name is not None and _word(name) not in {_word(node) for node in known}:
            _take(item, "needs")
            item.value.append((_text("needs", item), _list([*known, name], needs or item)))


def _named_output(item: yaml.MappingNode) -> list[str]:
    """How a stage calls its output, which only stages of agents do."""
    named = _get(item, "agent") is not None or _get(item, "parallel") is not None
    output = _take(item, "output") if named else None
    return [] if output is None else _words(output)


def _needs(item: yaml.MappingNode, last: dict[str, str]) -> None:
    """What needs a stage that is reviewed needs its review."""
    needs = _get(item, "needs")
    if isinstance(needs, yaml.ScalarNode):
        needs = _list([needs], needs)
        _set(item, "needs", needs)
    for need in cast("list[yaml.Node]", needs.value) if isinstance(needs, yaml.SequenceNode) else ():
        if isinstance(need, yaml.ScalarNode):
            need.value = last.get(str(need.value), need.value)


def _team(item: yaml.MappingNode) -> None:
    """Several agents at the same stage are stages side by side, or one at a time without `parallel: true`."""
    agents, flag = _get(item, "agents"), _get(item, "parallel")
    if not isinstance(flag, yaml.ScalarNode) and not isinstance(agents, yaml.SequenceNode):
        return
    if isinstance(flag, yaml.ScalarNode):
        _take(item, "parallel")
    if not isinstance(agents, yaml.SequenceNode):
        return
    _take(item, "agents")
    own = [pair for pair in cast("list[Pair]", item.value) if _word(pair[0]) in {"goal", "input", "timeout", "retries"}]
    item.value = [pair for pair in cast("list[Pair]", item.value) if pair not in own]
    name = _word(_get(item, "id"))
    inner = list[yaml.Node]()
    for agent in cast("list[yaml.Node]", agents.value):
        goal = [pair for pair in own if _word(pair[0]) != "input"]
        pairs: list[Pair] = [(_text("agent", agent), agent), *goal]
        if name:
            pairs.insert(0, (_text("id", agent), _text(f"{name}.{_word(agent)}", agent)))
        inner.append(_mapping(pairs, agent))
    item.value += [pair for pair in own if _word(pair[0]) == "input"]
    item.value.append((_text("parallel", agents), _list(inner, agents)))
    if isinstance(flag, yaml.ScalarNode) and flag.value not in {"true", "True", "yes"}:
        item.value.append((_text("max_concurrent", flag), _int(1, flag)))


def _reviewed(item: yaml.MappingNode, *, by_needs: bool) -> list[yaml.Node]:
    """A stage with `review: true` is followed by one at which people look at its output."""
    flag, name = _get(item, "review"), _word(_get(item, "id"))
    if not isinstance(flag, yaml.ScalarNode) or flag.value not in {"true", "True", "yes", "false", "False", "no"}:
        return []
    _take(item, "review")
    if flag.value not in {"true", "True", "yes"} or not name:
        return []
    content = f"stages.{name}.output" if name.isidentifier() else f'stages."{name}".output'
    fields = {"id": f"{name}.review", "review": "result", "content": content}
    pairs: list[Pair] = [(_text(field, flag), _text(value, flag)) for field, value in fields.items()]
    if by_needs:
        pairs.append((_text("needs", flag), _list([_text(name, flag)], flag)))
    return [_mapping(pairs, flag)]


def _input(item: yaml.MappingNode, outputs: dict[str, str]) -> None:
    """What goes into a stage: names of outputs become what it needs, a text becomes its goal."""
    given = _take(item, "input")
    if given is None:
        return
    nodes = cast("list[yaml.Node]", given.value) if isinstance(given, yaml.SequenceNode) else [given]
    names = [found[1] for node in nodes if (found := WORD.match(_word(node)))]
    stages = [_text(outputs[name], given) for name in names if name in outputs]
    inner = _get(item, "parallel")
    if stages and isinstance(inner, yaml.SequenceNode):
        for each in cast("list[yaml.Node]", inner.value):
            if isinstance(each, yaml.MappingNode):
                each.value.append((_text("needs", given), _list(stages, given)))
    elif stages:
        needs = _get(item, "needs")
        known = cast("list[yaml.Node]", needs.value) if isinstance(needs, yaml.SequenceNode) else []
        more = [stage for stage in stages if _word(stage) not in {_word(node) for node in known}]
        _take(item, "needs")
        item.value.append((_text("needs", given), _list([*known, *more], needs or given)))
    elif isinstance(given, yaml.ScalarNode) and not names and _get(item, "goal") is None:
        item.value.append((_text("goal", given), given))


def _get(node: yaml.Node | None, field: str) -> yaml.Node | None:
    pairs = cast("list[Pair]", node.value) if isinstance(node, yaml.MappingNode) else []
    return next((value for key, value in pairs if _word(key) == field), None)


def _take(node: yaml.MappingNode, field: str) -> yaml.Node | None:
    found = _get(node, field)
    node.value = [pair for pair in cast("list[Pair]", node.value) if _word(pair[0]) != field]
    return found


def _set(node: yaml.MappingNode, field: str, value: yaml.Node) -> None:
    node.value = [(key, value if _word(key) == field else old) for key, old in cast("list[Pair]", node.value)]


def _rename(node: yaml.MappingNode, names: dict[str, str]) -> None:
    for key, _ in cast("list[Pair]", node.value):
        new = names.get(_word(key))
        if new and isinstance(key, yaml.ScalarNode) and _get(node, new) is None:
            key.value = new


def _word(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _words(node: yaml.Node) -> list[str]:
    items = cast("list[yaml.Node]", node.value) if isinstance(node, yaml.SequenceNode) else [node]
    return [word for item in items if (word := _word(item))]


def _text(value: str, like: yaml.Node) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:str", value, like.start_mark, like.end_mark)


def _int(value: int, like: yaml.Node) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:int", str(value), like.start_mark, like.end_mark)


def _list(items: Sequence[yaml.Node], like: yaml.Node) -> yaml.SequenceNode:
    return yaml.SequenceNode("tag:yaml.org,2002:seq", list(items), like.start_mark, like.end_mark)


def _mapping(pairs: Sequence[Pair], like: yaml.Node) -> yaml.MappingNode:
    return yaml.MappingNode("tag:yaml.org,2002:map", list(pairs), like.start_mark, like.end_mark)
