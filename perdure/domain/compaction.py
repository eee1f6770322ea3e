"""Which messages leave a conversation that outgrew its budget: pure selection over turns that are never split."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from perdure.domain.context import Strategy
from perdure.domain.messages import AssistantMessage, Message, SystemMessage, ToolResultMessage, UserMessage
from perdure.domain.relevance import relevance

__all__ = ["MAX_PIECES", "RECEIPT_MARK", "Selection", "Unit", "Visible", "select", "units"]

RECEIPT_MARK = "[context receipt]"
"""How the system message begins that stands for messages which were left out."""
MAX_PIECES = 40
"""Runs of neighbouring messages that may stay: a view is carried in every history and must stay small."""
RECENT_TURNS = 3
"""Turns before the newest that `lowest_relevance` lets go last."""


@dataclass(frozen=True)
class Unit:
    """Messages that stay or leave together, by their places `begin` up to, not including, `end` in the view.

    A user message, a system message, or an answer of the model with the results of all its calls and whatever was
    said in between. `size` is in characters of message JSON.
    """

    begin: int
    end: int
    size: int
    kind: Literal["user", "turn", "note", "receipt"]


@dataclass(frozen=True)
class Visible:
    """A conversation as it is selected from: messages in the model's order, their JSON, their numbers in the log."""

    messages: Sequence[Message]
    jsons: Sequence[str]
    numbers: Sequence[int]

    @property
    def size(self) -> int:
        """Characters of message JSON."""
        return sum(map(len, self.jsons))

    def size_of(self, places: Sequence[int]) -> int:
        """Characters of JSON of some messages."""
        return sum(len(self.jsons[place]) for place in places)


@dataclass(frozen=True)
class Selection:
    """Places of the messages that leave and of those that stay, in order; `goal` is the first user message's place.

    `turn_left` says that the newest turn is among those that leave.
    """

    leaving: tuple[int, ...] = ()
    staying: tuple[int, ...] = ()
    goal: int | None = None
    turn_left: bool = False


def units(messages: Sequence[Message], jsons: Sequence[str]) -> list[Unit]:
    """The messages in units, in order; results without a call go with what stands before them."""
    begins: list[int] = []
    waiting: Counter[str] = Counter()
    for place, message in enumerate(messages):
        match message:
            case AssistantMessage():
                waiting = Counter(call.id for call in message.calls)
                begins.append(place)
            case ToolResultMessage():
                waiting = +(waiting - Counter([message.call_id]))
                begins += [] if begins else [place]
            case _ if not waiting:
                begins.append(place)
            case _:
                pass
    return [
        Unit(begin, end, sum(map(len, jsons[begin:end])), _kind(messages[begin]))
        for begin, end in pairwise([*begins, len(messages)])
    ]


def _kind(first: Message) -> Literal["user", "turn", "note", "receipt"]:
    match first:
        case UserMessage():
            return "user"
        case SystemMessage():
            return "receipt" if first.text.startswith(RECEIPT_MARK) else "note"
        case _:
            return "turn"


def select(view: Visible, target: int, strategy: Strategy, keep_turns: int, *, overflowed: bool = False) -> Selection:
    """What leaves so that at most `target` characters of message JSON stay, or as few as can be.

    The first user message stays, and the newest turn with everything after it, whatever their size. Only when the
    provider has refused the view (`overflowed`) may that turn leave too, last of all. Earlier receipts leave with
    anything else that does: the new receipt leads to them. Nothing leaves when no other message can.
    """
    parts = units(view.messages, view.jsons)
    goal = next((index for index, unit in enumerate(parts) if unit.kind == "user"), None)
    last_turn = max((index for index, unit in enumerate(parts) if unit.kind == "turn"), default=len(parts) - 1)
    kept = {index for index, unit in enumerate(parts) if index >= last_turn and unit.kind != "receipt"}
    kept |= set() if goal is None else {goal}
    receipts = {index for index, unit in enumerate(parts) if unit.kind == "receipt"} - kept
    free = [index for index in range(len(parts)) if index not in kept | receipts]
    order, leave = _ORDERS[strategy](_Choice(view, parts, free, sorted(kept), keep_turns))
    gone = receipts | leave
    size = sum(unit.size for index, unit in enumerate(parts) if index not in gone)
    if overflowed and parts and parts[last_turn].kind == "turn" and last_turn != goal:
        order = [*order, last_turn]
    for index in order:
        if size <= target:
            break
        if index not in gone:
            gone.add(index)
            size -= parts[index].size
    gone |= _crumbs(view, parts, gone, kept)
    return _selection(parts, set() if gone == receipts else gone, goal, last_turn)


def _selection(parts: Sequence[Unit], gone: set[int], goal: int | None, last_turn: int) -> Selection:
    def places(*, leave: bool) -> tuple[int, ...]:
        chosen = [unit for index, unit in enumerate(parts) if (index in gone) is leave]
        return tuple(place for unit in chosen for place in range(unit.begin, unit.end))

    return Selection(
        leaving=places(leave=True),
        staying=places(leave=False),
        goal=None if goal is None else parts[goal].begin,
        turn_left=last_turn in gone,
    )


@dataclass(frozen=True)
class _Choice:
    """What a strategy chooses from: the units that may leave (`free`) and those that stay (`kept`), by index."""

    view: Visible
    parts: Sequence[Unit]
    free: Sequence[int]
    kept: Sequence[int]
    keep_turns: int

    def turns(self, count: int) -> int:
        """Index of the unit with which the last `count` turns begin."""
        turns = [index for index, unit in enumerate(self.parts) if unit.kind == "turn"]
        return turns[-count] if len(turns) >= count else 0

    def text(self, index: int) -> str:
        """JSON of all messages of a unit."""
        unit = self.parts[index]
        return "\n".join(self.view.jsons[unit.begin : unit.end])


_Order = Callable[[_Choice], tuple[list[int], set[int]]]
"""The order in which units leave while there is too much, and those that leave in any case."""


def _oldest_first(choice: _Choice) -> tuple[list[int], set[int]]:
    return list(choice.free), set()


def _sliding_window(choice: _Choice) -> tuple[list[int], set[int]]:
    first = choice.turns(choice.keep_turns)
    return list(choice.free), {index for index in choice.free if index < first}


def _lowest_relevance(choice: _Choice) -> tuple[list[int], set[int]]:
    query = "\n".join(choice.text(index) for index in choice.kept)
    scores = relevance(query, [choice.text(index) for index in choice.free])
    recent = choice.turns(1 + RECENT_TURNS)
    ranked = sorted(zip(choice.free, scores, strict=True), key=lambda each: (each[0] >= recent, each[1], each[0]))
    return [index for index, _ in ranked], set()


_ORDERS: dict[Strategy, _Order] = {
    "oldest_first": _oldest_first,
    "summarise": _oldest_first,
    "sliding_window": _sliding_window,
    "lowest_relevance": _lowest_relevance,
}


def _crumbs(view: Visible, parts: Sequence[Unit], gone: set[int], kept: set[int]) -> set[int]:
    """The smallest runs of neighbours that must leave too, so that at most `MAX_PIECES` remain."""
    runs: list[list[int]] = []
    for index, unit in enumerate(parts):
        if index in gone:
            continue
        joined = bool(runs) and view.numbers[parts[runs[-1][-1]].end - 1] + 1 == view.numbers[unit.begin]
        if joined:
            runs[-1].append(index)
        else:
            runs.append([index])
    loose = [run for run in runs if not kept.intersection(run)]
    loose.sort(key=lambda run: sum(parts[index].size for index in run))
    return {index for run in loose[: max(len(runs) - MAX_PIECES, 0)] for index in run}
