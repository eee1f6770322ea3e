"""Everything that is wrong with a definition, found before anything runs."""

from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet

from perdure.domain.arguments import closest
from perdure.domain.definition.check_stages import Known, stage_problems
from perdure.domain.definition.expressions import constant, problem_of
from perdure.domain.definition.kinds import ANY, kind_of, stage_schemas
from perdure.domain.definition.models import (
    MAX_STAGES,
    ConditionStage,
    Definition,
    MapStage,
    ParallelStage,
    Place,
    Stage,
    StageBase,
)
from perdure.domain.definition.names import id_of, inside, named_stages
from perdure.domain.definition.needs import ancestors, cycle
from perdure.domain.definition.schemas import schema_problems
from perdure.domain.definition.seeing import Problem, Sight

__all__ = ["Known", "Problem", "check"]

NOTHING = Known()


def check(definition: Definition, known: Known = NOTHING) -> list[Problem]:
    """All problems of a definition, in the order of the file; `known` are the agents, tools and patterns at hand."""
    checker = _Checker(definition, known)
    found = [*checker.head(), *checker.ids(), *checker.stages(), *checker.end()]
    return list(dict.fromkeys(found))


class _Checker:
    """Goes through a definition once."""

    def __init__(self, definition: Definition, known: Known) -> None:
        self.definition = definition
        self.known = known
        self.named: dict[str, StageBase] = {}
        for _, identity, stage in named_stages(definition.stages):
            self.named.setdefault(identity, stage)
        schemas = stage_schemas(self.named, definition)
        self.sight = Sight(dict(definition.inputs), schemas, frozenset[str](), {})

    def head(self) -> Iterator[Problem]:
        """Inputs, agents and coordinator."""
        definition = self.definition
        for name, schema in definition.inputs.items():
            yield from schema_problems(("inputs", name), schema, default=True)
        for name, spec in definition.agents.items():
            if spec.name != name:
                yield ("agents", name, "name"), f"the agent is called {name!r} here: leave its name out"
        leader = definition.coordinator
        if definition.type == "hierarchical":
            if leader is None:
                yield ("type",), "a hierarchical workflow needs a coordinator: name one of its agents"
            if not definition.stages and not definition.agents:
                yield ("agents",), "without stages the coordinator needs agents to give work to"
        elif leader is not None:
            yield ("coordinator",), f'only type "hierarchical" has a coordinator, this is "{definition.type}"'
        if leader is not None:
            yield from self.known.agent(definition, leader, ("coordinator",))
        if definition.type != "hierarchical" and not definition.stages:
            yield ("stages",), "there are no stages"

    def ids(self) -> Iterator[Problem]:
        """Ids that two stages have, and too many stages."""
        first: dict[str, Place] = {}
        for place, identity, _ in named_stages(self.definition.stages):
            if identity in first:
                yield (*place, "id"), f"another stage is called {identity!r} already: ids must differ"
            first.setdefault(identity, place)
        if len(first) > MAX_STAGES:
            yield ("stages",), f"there are {len(first)} stages, at most {MAX_STAGES} are run"

    def stages(self) -> Iterator[Problem]:
        """The stages, in the order in which they run."""
        stages, at = self.definition.stages, ("stages",)
        by_needs = self.definition.type == "graph" or (
            self.definition.type == "hierarchical" and any(stage.needs for stage in stages)
        )
        if by_needs:
            yield from self._graph(stages)
        elif self.definition.type == "parallel":
            yield from self._side_by_side(stages, "", at, self.sight)
        else:
            yield from self._in_turn(stages, "", at, self.sight)[1]

    def _in_turn(self, stages: Sequence[Stage], above: str, at: Place, sight: Sight) -> tuple[set[str], list[Problem]]:
        """Stages one after the other: each sees those before."""
        before, found = set(sight.before), list[Problem]()
        for number, stage in enumerate(stages):
            identity = id_of(stage, number, above)
            found += self._needs(stage, (*at, number), before)
            found += self._stage(stage, identity, (*at, number), sight.seeing(before))
            before |= {identity, *self._visible_inside(stage, identity)}
        return before, found

    def _side_by_side(self, stages: Sequence[Stage], above: str, at: Place, sight: Sight) -> Iterator[Problem]:
        for number, stage in enumerate(stages):
            yield from self._needs(stage, (*at, number), sight.before)
            yield from self._stage(stage, id_of(stage, number, above), (*at, number), sight)

    def _graph(self, stages: Sequence[Stage]) -> Iterator[Problem]:
        names = [id_of(stage, number) for number, stage in enumerate(stages)]
        needs = {name: stage.needs for name, stage in zip(names, stages, strict=True)}
        circle = cycle(needs)
        if circle:
            number = names.index(circle[0])
            words = f"these stages need each other in a circle: {' -> '.join([*circle, circle[0]])}"
            yield ("stages", number, "needs"), words
        before = {} if circle else ancestors(needs)
        everything = set(names)
        inner = {name: found for name in names if (found := self._visible_inside(self.named[name], name))}
        for number, (name, stage) in enumerate(zip(names, stages, strict=True)):
            place: Place = ("stages", number)
            yield from self._needs(stage, place, everything)
            # After a circle nobody knows who comes before whom.
            seen: AbstractSet[str] = self.named.keys() if circle else before[name].keys()
            for holder, found in inner.items():
                seen = seen | found if holder in seen else seen
            yield from self._stage(stage, name, place, self.sight.seeing(seen))

    def _with_inside(self, names: Collection[str]) -> set[str]:
        seen = set(names)
        for name in names:
            seen |= self._visible_inside(self.named[name], name)
        return seen

    @staticmethod
    def _visible_inside(stage: StageBase, identity: str) -> set[str]:
        """Stages inside of a stage that those after it see: all but the copies that a map makes."""
        found = set[str]()
        if isinstance(stage, ParallelStage | ConditionStage):
            blocks: list[tuple[str, tuple[Stage, ...]]] = (
                [("parallel", stage.parallel)]
                if isinstance(stage, ParallelStage)
                else [("then", stage.then), ("else", stage.otherwise)]
            )
            for field, block in blocks:
                for number, each in enumerate(block):
                    name = id_of(each, number, inside(stage, identity, field))
                    found |= {name, *_Checker._visible_inside(each, name)}
        return found

    def _needs(self, stage: StageBase, place: Place, before: Collection[str]) -> Iterator[Problem]:
        for number, need in enumerate(stage.needs):
            at = (*place, "needs", number)
            if need not in self.named:
                yield at, f"no stage has the id {need!r}.{closest(need, self.named)}"
            elif need not in before:
                yield at, f"stage {need!r} has not run before this: put it before, or say type: graph"

    def _stage(self, stage: StageBase, identity: str, place: Place, sight: Sight) -> Iterator[Problem]:
        """One stage and those inside it."""
        if stage.when is not None:
            yield from sight.expression((*place, "when"), stage.when)
            if not problem_of(stage.when) and constant(stage.when) is False:
                yield (*place, "when"), f"{stage.when!r} is never true: the stage is unreachable"
        yield from stage_problems(stage, place, sight, self.definition, self.known)
        if isinstance(stage, ParallelStage):
            yield from self._side_by_side(stage.parallel, identity, (*place, "parallel"), sight)
        elif isinstance(stage, ConditionStage):
            yield from self._branches(stage, identity, place, sight)
        elif isinstance(stage, MapStage):
            items = sight.schema_of(stage.map)
            if kind_of(items) not in {"", "array"}:
                yield (*place, "map"), f"{stage.map!r} is of type {kind_of(items)}: only a list can be mapped"
            item = items.get("items")
            inner = sight.within(stage.item, item if isinstance(item, dict) else ANY)
            at = (*place, "stage")
            yield from self._needs(stage.stage, at, sight.before)
            yield from self._stage(stage.stage, id_of(stage.stage, 0, identity), at, inner)

    def _branches(self, stage: ConditionStage, identity: str, place: Place, sight: Sight) -> Iterator[Problem]:
        yield from sight.expression((*place, "condition"), stage.condition)
        known = None if problem_of(stage.condition) else constant(stage.condition)
        for field, block, dead in (("then", stage.then, False), ("else", stage.otherwise, True)):
            if block and known is dead:
                yield (*place, field), f"the condition is always {str(known).lower()}: these stages are unreachable"
            yield from self._in_turn(block, inside(stage, identity, field), (*place, field), sight)[1]
        if not stage.then and not stage.otherwise:
            yield (*place, "condition"), "there is nothing to do: give stages in then or else"

    def end(self) -> Iterator[Problem]:
        """The output."""
        if self.definition.output is not None:
            everything = set(self._with_inside([id_of(s, n) for n, s in enumerate(self.definition.stages)]))
            yield from self.sight.seeing(everything).expression(("output",), self.definition.output)
