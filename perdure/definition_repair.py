"""What is left of a definition with mistakes when they are taken out, so that the rest can be checked, too."""

import copy
from collections.abc import Sequence
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from perdure.domain.agents import AgentSpec
from perdure.domain.arguments import closest
from perdure.domain.definition.models import KINDS, Definition, Place
from perdure.domain.explain import explain_one
from perdure.domain.model import JsonObject

__all__ = ["plain", "remains", "words_of"]

ROUNDS = 4
Loc = Sequence[int | str]


def plain(loc: Loc) -> Place:
    """The place without the tags of the kinds of stages."""
    return tuple(part for part in loc if not _is_tag(part))


def words_of(item: ErrorDetails) -> str:
    """Words for one mistake, with a suggestion."""
    loc = item["loc"]
    words = explain_one({**item, "loc": plain(loc)})
    if item["type"] != "extra_forbidden":
        return words
    tags = [part for part in loc if _is_tag(part)]
    model: Any = Definition if len(loc) == 1 else AgentSpec if loc[0] == "agents" else None
    if tags and _is_tag(loc[len(loc) - 2]):
        model = KINDS[str(tags[-1])[1:-1]]
    if model is None:
        return words
    names = [field.alias or name for name, field in model.model_fields.items()]
    return f"{words}.{closest(str(loc[-1]), names)} Valid fields: {', '.join(sorted(names))}"


def remains(raw: JsonObject, error: ValidationError) -> Definition | None:
    """The definition without what is wrong in it: places stay the same. None when too little is left."""
    value = cast("Any", copy.deepcopy(raw))
    for number in range(ROUNDS):
        for item in error.errors():
            if item["type"] == "extra_forbidden":
                _drop(value, plain(item["loc"]))
                continue
            whole = number > 0 or item["type"] in {"missing", "stage_kind"}
            _mend(value, item["loc"], whole=whole, again=number > 1)
        try:
            return Definition.model_validate(value)
        except ValidationError as again:
            error = again
    return None


def _mend(value: Any, loc: Loc, *, whole: bool, again: bool) -> None:  # noqa: ANN401 - any JSON
    """Take out the value at `loc`; in a stage that needs it, the stage becomes one that only waits."""
    tags = [number for number, part in enumerate(loc) if _is_tag(part)]
    if loc and loc[0] == "stages" and (tags or len(loc) > 1):
        end = tags[-1] if tags else len(loc)
        place, field = plain(loc[:end]), loc[end + 1 : end + 2]
        kind = str(loc[end])[1:-1] if end < len(loc) else ""
        if whole or not field or field[0] == kind:
            stage = _at(value, place)
            fields = cast("dict[str, Any]", stage) if isinstance(stage, dict) else {}
            kept = {name: fields[name] for name in ("id", "needs") if name in fields and not again}
            _put(value, place, {**kept, "wait": "nothing"})
        else:
            _drop(value, (*place, *field))
    elif loc == ("name",):
        value["name"] = "unnamed"
    elif loc == ("type",) and "coordinator" in value:
        value["type"] = "hierarchical"
    else:
        _drop(value, plain(loc)[:2] if loc and loc[0] in {"agents", "inputs"} else plain(loc)[:1])


def _at(value: Any, place: Place) -> Any:  # noqa: ANN401 - any JSON
    for part in place:
        value = value[part]
    return value


def _put(value: Any, place: Place, new: JsonObject) -> None:  # noqa: ANN401 - any JSON
    _at(value, place[:-1])[place[-1]] = new


def _drop(value: Any, place: Place) -> None:  # noqa: ANN401 - any JSON
    holder = _at(value, place[:-1])
    if isinstance(holder, dict):
        cast("dict[Any, Any]", holder).pop(place[-1], None)


def _is_tag(part: int | str) -> bool:
    return isinstance(part, str) and part.startswith("<") and part[1:-1] in KINDS
