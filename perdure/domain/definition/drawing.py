"""Pictures of a definition: a tree in text, and a flowchart in Mermaid."""

from collections.abc import Iterator, Sequence
from itertools import count

from perdure.domain.definition.models import (
    AgentStage,
    ConditionStage,
    Definition,
    MapStage,
    ParallelStage,
    PatternStage,
    ReviewStage,
    Stage,
    StageBase,
    ToolStage,
    WaitStage,
    WorkflowStage,
)
from perdure.domain.definition.names import id_of, ids_of, inside

__all__ = ["as_mermaid", "as_text"]

MAX_LABEL = 60


def label(stage: StageBase) -> str:
    """What a stage does, in a few words."""
    words = ""
    if isinstance(stage, AgentStage):
        words = f"agent {_agent(stage)}"
    elif isinstance(stage, ToolStage):
        words = f"tool {stage.tool}"
    elif isinstance(stage, PatternStage):
        words = f"pattern {stage.pattern}"
    elif isinstance(stage, ParallelStage):
        words = "parallel"
    elif isinstance(stage, MapStage):
        words = f"for each {stage.item} of {stage.map}"
    elif isinstance(stage, ConditionStage):
        words = f"if {stage.condition}"
    elif isinstance(stage, WaitStage):
        words = f"wait for {stage.wait}"
    elif isinstance(stage, ReviewStage):
        words = f"review of a {stage.review}"
    elif isinstance(stage, WorkflowStage):
        words = f"workflow {stage.workflow}"
    return words if len(words) <= MAX_LABEL else f"{words[: MAX_LABEL - 1]}…"


def _agent(stage: AgentStage) -> str:
    return stage.agent if isinstance(stage.agent, str) else stage.agent.name


def as_text(definition: Definition) -> str:
    """A tree: stages in the order of the file, those inside of others below them, with what each needs."""
    head = f"{definition.name} ({definition.type}"
    head += f", led by {definition.coordinator})" if definition.coordinator else ")"
    rows = list(_rows(definition.stages, "", ""))
    width = max((len(left) for left, _ in rows), default=0)
    return "\n".join([head, *(f"{left.ljust(width)}  {right}".rstrip() for left, right in rows)])


def _rows(stages: Sequence[Stage], above: str, margin: str) -> Iterator[tuple[str, str]]:
    for number, stage in enumerate(stages):
        last = number == len(stages) - 1
        identity, below = id_of(stage, number, above), f"{margin}{'   ' if last else '│  '}"
        needs = f"  <- {', '.join(stage.needs)}" if stage.needs else ""
        when = f"  when {stage.when}" if stage.when else ""
        yield f"{margin}{'└─' if last else '├─'} {identity}", f"{label(stage)}{when}{needs}"
        if isinstance(stage, ConditionStage):
            for field, branch in (("then", stage.then), ("else", stage.otherwise)):
                if branch:
                    yield f"{below}{field}", ""
                    yield from _rows(branch, inside(stage, identity, field), below)
        elif isinstance(stage, ParallelStage):
            yield from _rows(stage.parallel, identity, below)
        elif isinstance(stage, MapStage):
            yield from _rows((stage.stage,), identity, below)


def as_mermaid(definition: Definition) -> str:
    """A flowchart that GitHub and editors show."""
    chart = _Chart()
    stages = definition.stages
    if definition.type == "hierarchical":
        first, last = chart.node("coordinator.plan", f"agent {definition.coordinator}"), "coordinator.result"
        entries, exits = chart.ordered(stages) if stages else ([], [])
        if not stages:
            entries = exits = [
                chart.node(name, "agent") for name in definition.agents if name != definition.coordinator
            ]
        final = chart.node(last, f"agent {definition.coordinator}")
        chart.link([first], entries)
        chart.link(exits, [final])
    elif definition.type == "parallel":
        for number, stage in enumerate(stages):
            chart.stage(stage, id_of(stage, number))
    elif definition.type == "graph":
        chart.ordered(stages)
    else:
        chart.in_turn(stages, "")
    return "\n".join(["flowchart TD", *(f"    {line}" for line in [*chart.nodes, *chart.edges])])


class _Chart:
    """Nodes and edges of a flowchart; a group of stages has entries and exits."""

    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.edges: list[str] = []
        self._numbers = count(1)

    def node(self, name: str, words: str, shape: str = "[]") -> str:
        """Add a node; returns its id in the chart."""
        identity = f"n{next(self._numbers)}"
        text = f"{name}<br/>{words}".replace('"', "#quot;")
        self.nodes.append(f'{identity}{shape[: len(shape) // 2]}"{text}"{shape[len(shape) // 2 :]}')
        return identity

    def link(self, sources: Sequence[str], targets: Sequence[str], words: str = "") -> None:
        """Add an edge from each to each."""
        arrow = f"-- {words} -->" if words else "-->"
        self.edges += [f"{source} {arrow} {target}" for source in sources for target in targets]

    def in_turn(self, stages: Sequence[Stage], above: str) -> tuple[list[str], list[str]]:
        """Add stages that run one after the other."""
        entries, exits = list[str](), list[str]()
        for number, stage in enumerate(stages):
            first, last = self.stage(stage, id_of(stage, number, above))
            self.link(exits, first)
            entries, exits = entries or first, last
        return entries, exits

    def ordered(self, stages: Sequence[Stage]) -> tuple[list[str], list[str]]:
        """Add stages that run by their needs, or in turn when none has any."""
        if not any(stage.needs for stage in stages):
            return self.in_turn(stages, "")
        ends = {name: self.stage(stage, name) for name, stage in zip(ids_of(stages), stages, strict=True)}
        needed = dict.fromkeys(need for stage in stages for need in stage.needs)
        for name, stage in zip(ids_of(stages), stages, strict=True):
            for need in stage.needs:
                self.link(ends[need][1], ends[name][0])
        entries = [
            node
            for name, stage in zip(ids_of(stages), stages, strict=True)
            if not stage.needs
            for node in ends[name][0]
        ]
        return entries, [node for name in ends if name not in needed for node in ends[name][1]]

    def stage(self, stage: StageBase, identity: str) -> tuple[list[str], list[str]]:
        """Add a stage and those inside it; returns where it begins and where it ends."""
        if isinstance(stage, ConditionStage):
            return self._condition(stage, identity)
        shape = "([])" if isinstance(stage, WaitStage | ReviewStage) else "[]"
        node = self.node(identity, label(stage), shape)
        blocks = stage.parallel if isinstance(stage, ParallelStage) else ()
        if isinstance(stage, MapStage):
            blocks = (stage.stage,)
        exits = list[str]()
        for number, each in enumerate(blocks):
            first, last = self.stage(each, id_of(each, number, identity))
            self.link([node], first, "each" if isinstance(stage, MapStage) else "")
            exits += last
        return [node], exits or [node]

    def _condition(self, stage: ConditionStage, identity: str) -> tuple[list[str], list[str]]:
        node, exits = self.node(identity, label(stage), "{}"), list[str]()
        for field, branch in (("then", stage.then), ("else", stage.otherwise)):
            first, last = self.in_turn(branch, inside(stage, identity, field))
            self.link([node], first, field)
            exits += last or [node]
        return [node], list(dict.fromkeys(exits))
