"""Runs the stages of a definition in their order, each once, and decides what a failure means for the others."""

from collections.abc import Sequence

from perdure.domain.definition.expressions import ExpressionError
from perdure.domain.definition.models import (
    ConditionStage,
    Default,
    Definition,
    MapStage,
    ParallelStage,
    Stage,
    StageBase,
    blocks_of,
)
from perdure.domain.definition.names import id_of, inside, named_stages
from perdure.domain.definition.run import StageEnd
from perdure.domain.model import JsonValue
from workflows.definition.order import by_needs, side_by_side
from workflows.definition.scope import Scope, failed, skipped, succeeded
from workflows.definition.stages import Before, Doing
from workflows.patterns.team import Team

__all__ = ["Interpreter"]

MOST_ITEMS = 1_000
Halt = tuple[str, StageEnd] | None
"""The stage whose failure ends the whole, or the stage that holds it."""


class Interpreter:
    """Goes through stages. A failed stage ends the whole, is left out, or has a default, as it says itself."""

    def __init__(self, doing: Doing, team: Team, definition: Definition, at_once: int) -> None:
        """Work through this definition, with at most `at_once` stages at work."""
        self._doing = doing
        self._team = team
        self._at_once = at_once
        self._total = sum(not blocks_of(stage) for _, _, stage in named_stages(definition.stages))

    async def in_turn(self, stages: Sequence[Stage], above: str, scope: Scope, before: Before = None) -> Halt:
        """One after the other."""
        for number, stage in enumerate(stages):
            identity = id_of(stage, number, above)
            end = await self._stage(stage, identity, scope, before)
            if _halts(stage, end):
                return identity, end
            if not end.skipped:
                before = (identity, end)
        return None

    async def apart(self, stages: Sequence[Stage], above: str, scope: Scope, at_once: int | None = None) -> Halt:
        """Side by side; after a failure that ends the whole no other begins."""
        named = {id_of(stage, number, above): stage for number, stage in enumerate(stages)}
        halt: Halt = None

        async def do(name: str, parts: int) -> bool:
            nonlocal halt
            end = await self._stage(named[name], name, scope.divided(parts), None)
            if halt is None and _halts(named[name], end):
                halt = (name, end)
                if not above:
                    await self._doing.halt(name)
            return halt is None

        await side_by_side(list(named), do, at_once or self._at_once)
        return halt

    async def by_needs(self, stages: Sequence[Stage], scope: Scope) -> Halt:
        """Each as soon as those that it needs have ended; a failure that ends the whole stops those at work."""
        named = {id_of(stage, number): stage for number, stage in enumerate(stages)}
        halt: Halt = None

        async def do(name: str, parts: int) -> bool:
            nonlocal halt
            end = await self._stage(named[name], name, scope.divided(parts), None)
            if halt is None and _halts(named[name], end):
                halt = (name, end)
                await self._doing.halt(name)
            return halt is None

        await by_needs({name: stage.needs for name, stage in named.items()}, do, self._at_once)
        return halt

    async def _stage(self, stage: StageBase, identity: str, scope: Scope, before: Before) -> StageEnd:
        """One stage, with what its own fields say of when it runs and what its failure means."""
        missing = [need for need in stage.needs if need in scope.ends and not scope.ends[need].success]
        try:
            if missing:
                end = skipped(f"it needs {', '.join(missing)}, which did not succeed", success=False)
            elif stage.when is not None and not scope.holds(stage.when):
                end = skipped(f"not {stage.when}", success=True)
            else:
                self._team.stage(identity, self._total)
                end = await self._work(stage, identity, scope, before)
            if not end.success and isinstance(stage.on_failure, Default):
                default = scope.filled({"default": stage.on_failure.default})["default"]
                end = StageEnd(output=default, success=True, error=end.error)
        except ExpressionError as error:
            end = failed("EXPRESSION_FAILED", str(error))
        scope.take(identity, end)
        self._team.stage(identity, self._total)
        return end

    async def _work(self, stage: StageBase, identity: str, scope: Scope, before: Before) -> StageEnd:
        if isinstance(stage, ParallelStage):
            return await self._parallel(stage, identity, scope)
        if isinstance(stage, MapStage):
            return await self._map(stage, identity, scope)
        if isinstance(stage, ConditionStage):
            return await self._condition(stage, identity, scope, before)
        return await self._doing.do(stage, identity, scope, before)

    async def _parallel(self, stage: ParallelStage, identity: str, scope: Scope) -> StageEnd:
        halt = await self.apart(stage.parallel, identity, scope, stage.max_concurrent)
        names = [id_of(each, number, identity) for number, each in enumerate(stage.parallel)]
        output: dict[str, JsonValue] = {
            name: scope.ends[name].output for name in names if name in scope.ends and scope.ends[name].success
        }
        return succeeded(output) if halt is None else _because(halt, output)

    async def _map(self, stage: MapStage, identity: str, scope: Scope) -> StageEnd:
        items = scope.value(stage.map)
        if not isinstance(items, list):
            return failed("NOT_A_LIST", f"{stage.map!r} came to {type(items).__name__}, only a list can be mapped")
        if len(items) > MOST_ITEMS:
            return failed("TOO_MANY_ITEMS", f"{stage.map!r} has {len(items)} items, at most {MOST_ITEMS} are mapped")
        names = [f"{identity}.{number}" for number in range(1, len(items) + 1)]
        ends: dict[str, StageEnd] = {}
        halt: Halt = None

        async def do(name: str, parts: int) -> bool:
            nonlocal halt
            item = items[names.index(name)]
            inner = scope.inside(stage.item, item, scope.parts * parts)
            ends[name] = await self._stage(stage.stage, name, inner, None)
            if _halts(stage.stage, ends[name]):
                halt = halt or (name, ends[name])
            return halt is None

        await side_by_side(names, do, stage.max_concurrent or self._at_once)
        output: JsonValue = [ends[name].output for name in names if name in ends]
        return succeeded(output) if halt is None else _because(halt, output)

    async def _condition(self, stage: ConditionStage, identity: str, scope: Scope, before: Before) -> StageEnd:
        held = scope.holds(stage.condition)
        branch = stage.then if held else stage.otherwise
        above = inside(stage, identity, "then" if held else "else")
        halt = await self.in_turn(branch, above, scope, before)
        if halt is not None:
            return _because(halt, None)
        ends = [scope.ends[id_of(each, number, above)] for number, each in enumerate(branch)]
        ran = [end for end in ends if not end.skipped]
        return succeeded(ran[-1].output if ran else None)


def _halts(stage: StageBase, end: StageEnd) -> bool:
    """Whether this end of a stage is the end of the whole: what could not run because of others is not."""
    return not end.success and not end.skipped and stage.on_failure == "stop"


def _because(halt: tuple[str, StageEnd], output: JsonValue) -> StageEnd:
    """The end of a stage because of one inside it."""
    name, end = halt
    error = end.error
    return failed(error.code if error else "STAGE_FAILED", f"{name}: {error.message if error else ''}", output)
