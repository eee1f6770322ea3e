"""How text is split and results are grouped, and what the pattern `MapReduce` takes and comes to."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, Self, TypeVar

from pydantic import Field, model_validator

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue, Model
from perdure.domain.patterns.steps import PatternInput, PatternResult, Step, StepSpec, text_of
from perdure.domain.run import ContextItem

__all__ = ["MAX_ITEMS", "MapReduceInput", "MapReduceResult", "Split", "filled", "groups", "map_step", "pieces"]

MAX_ITEMS = 1_000
T = TypeVar("T")

_PLACE = re.compile(r"\{(item|number)\}")


class Split(Model, frozen=True):
    """How a text becomes items: so many lines, paragraphs (between empty lines) or characters each."""

    by: Literal["lines", "paragraphs", "characters"]
    size: int = Field(ge=1)


def pieces(text: str, split: Split) -> list[str]:
    """The items of a text. What is only white space is no item; empty lines do not count as lines."""
    if split.by == "characters":
        parts = [text[start : start + split.size] for start in range(0, len(text), split.size)]
        return [part for part in parts if part.strip()]
    whole = text.splitlines() if split.by == "lines" else re.split(r"\n(?:[^\S\n]*\n)+", "\n".join(text.splitlines()))
    kept = [part for part in whole if part.strip()]
    between = "\n" if split.by == "lines" else "\n\n"
    return [between.join(kept[start : start + split.size]) for start in range(0, len(kept), split.size)]


def filled(template: str, item: str, number: int) -> str:
    """The template with its places filled in one pass: what looks like a place inside an item stays as it is."""
    values = {"item": item, "number": str(number)}
    return _PLACE.sub(lambda place: values[place[1]], template)


def map_step(template: StepSpec, goal: str, item: JsonValue, number: int) -> Step:
    """The step for the item of this number (from 1); an item that the goal does not name comes as context."""
    wanted, text = template.goal or goal, text_of(item)
    context = () if "{item}" in wanted else (ContextItem(title=f"item {number}", text=text),)
    name = f"{template.id or 'item'}-{number}"
    # Every item has a step of its own name: equal items, or one id for all, must not fall together.
    own = template.model_copy(update={"id": None, "goal": filled(wanted, text, number)})
    return own.step(name, goal, context)


def groups(items: Sequence[T], at_once: int) -> list[Sequence[T]]:
    """As few groups of neighbours as possible, of at most `at_once`, whose sizes differ by at most one."""
    count = -(-len(items) // at_once)
    cuts = [len(items) * number // count for number in range(count + 1)]
    return [items[start:end] for start, end in pairwise(cuts)]


class MapReduceInput(PatternInput, frozen=True):
    """Input of `MapReduce`: `items`, or a `text` and how to `split` it; a step for each, and one over all results.

    The goal of `map` may say `{item}` and `{number}` (from 1); without `{item}` the item comes as context. More than
    `reduce_at_once` results are reduced in groups first. It needs `min_successes` items, by default all.
    """

    items: tuple[JsonValue, ...] | None = None
    text: str | None = None
    split: Split | None = None
    map: StepSpec = StepSpec()
    reduce: StepSpec = StepSpec()
    reduce_at_once: int = Field(default=20, ge=2, le=100)
    min_successes: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.items is None) == (self.text is None):
            msg = "say either `items` or `text` with `split`"
            raise ValueError(msg)
        if (self.text is None) != (self.split is None):
            msg = 'split: `text` needs it, and it needs `text`; such as {"by": "paragraphs", "size": 1}'
            raise ValueError(msg)
        count, where = len(self.everything), "items" if self.text is None else "text"
        if not 1 <= count <= MAX_ITEMS:
            msg = f"{where}: these are {count} items, and there must be 1 to {MAX_ITEMS}"
            raise ValueError(msg)
        if self.min_successes is not None and self.min_successes > count:
            msg = f"min_successes: {self.min_successes}, but there are only {count} items"
            raise ValueError(msg)
        return self

    @property
    def everything(self) -> tuple[JsonValue, ...]:
        """The items, also when they have to be cut from a text."""
        if self.text is not None and self.split is not None:
            return tuple(pieces(self.text, self.split))
        return self.items or ()


class MapReduceResult(PatternResult, frozen=True):
    """Result of `MapReduce`: `output` is what everything was reduced to; results and failures by item number."""

    outputs: dict[int, JsonValue] = {}
    failures: dict[int, ErrorInfo] = {}
