"""Ids of stages: their own, else one that says where they stand."""

from collections.abc import Iterator, Sequence

from perdure.domain.definition.models import ConditionStage, Place, Stage, StageBase, blocks_of

__all__ = ["id_of", "ids_of", "inside", "named_stages"]


def id_of(stage: StageBase, number: int, above: str = "") -> str:
    """Id of the stage with this number (from 0) among its neighbours; `above` says where they are."""
    return stage.id or (f"{above}.{number + 1}" if above else f"stage-{number + 1}")


def inside(stage: StageBase, identity: str, field: str) -> str:
    """What the ids of stages in this field of a stage begin with."""
    return f"{identity}.{field}" if isinstance(stage, ConditionStage) else identity


def named_stages(
    stages: Sequence[Stage], above: str = "", at: Place = ("stages",)
) -> Iterator[tuple[Place, str, StageBase]]:
    """Every stage with its place and id, those inside of others after the one that holds them."""
    for number, stage in enumerate(stages):
        place = at if at[-1] == "stage" else (*at, number)
        identity = id_of(stage, number, above)
        yield place, identity, stage
        for field, block in blocks_of(stage):
            yield from named_stages(block, inside(stage, identity, field), (*place, field))


def ids_of(stages: Sequence[Stage]) -> list[str]:
    """Ids of the stages of a definition, without those inside of others."""
    return [id_of(stage, number) for number, stage in enumerate(stages)]
