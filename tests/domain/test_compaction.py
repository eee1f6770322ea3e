"""Which messages leave: whole turns, never the goal or the newest, and no more than needed."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.domain.compaction import MAX_PIECES, RECEIPT_MARK, Visible, select, units
from perdure.domain.context import Strategy
from perdure.domain.receipts import ranges
from tests.domain.conversations import note, talk, turn, user, views, visible

STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)
targets = st.integers(0, 20_000)
kept_turns = st.integers(1, 12)


@every_strategy
@given(view=views, target=targets, keep=kept_turns, overflowed=st.booleans())
def test_every_message_stays_or_leaves_and_units_are_whole(
    strategy: Strategy, view: Visible, target: int, keep: int, *, overflowed: bool
) -> None:
    """Nothing is lost or doubled, order is kept, and no call is parted from its results."""
    chosen = select(view, target, strategy, keep, overflowed=overflowed)
    assert sorted([*chosen.leaving, *chosen.staying]) == list(range(len(view.messages)))
    assert list(chosen.leaving) == sorted(chosen.leaving)
    assert list(chosen.staying) == sorted(chosen.staying)
    leaving = set(chosen.leaving)
    for unit in units(view.messages, view.jsons):
        assert leaving.issuperset(range(unit.begin, unit.end)) or leaving.isdisjoint(range(unit.begin, unit.end))


@every_strategy
@given(view=views, target=targets, keep=kept_turns, overflowed=st.booleans())
def test_the_goal_stays(strategy: Strategy, view: Visible, target: int, keep: int, *, overflowed: bool) -> None:
    """The first user message is never left out, and is named."""
    chosen = select(view, target, strategy, keep, overflowed=overflowed)
    goals = [unit.begin for unit in units(view.messages, view.jsons) if unit.kind == "user"][:1]
    assert set(goals) <= set(chosen.staying)
    assert [chosen.goal] == (goals or [None])


@every_strategy
@given(view=views, target=targets, keep=kept_turns)
def test_the_newest_turn_stays_with_what_came_after_it(
    strategy: Strategy, view: Visible, target: int, keep: int
) -> None:
    """Whatever its size, unless the provider has refused the view."""
    chosen = select(view, target, strategy, keep)
    parts = units(view.messages, view.jsons)
    begins = [unit.begin for unit in parts if unit.kind == "turn"] or [parts[-1].begin]
    newest = [unit for unit in parts if unit.begin >= begins[-1] and unit.kind != "receipt"]
    assert set(chosen.staying).issuperset(place for unit in newest for place in range(unit.begin, unit.end))
    assert not chosen.turn_left


@every_strategy
@given(view=views, target=targets, keep=kept_turns, overflowed=st.booleans())
def test_it_fits_or_nothing_more_could_leave(
    strategy: Strategy, view: Visible, target: int, keep: int, *, overflowed: bool
) -> None:
    """What stays without receipts is within the target, or is what may never leave."""
    chosen = select(view, target, strategy, keep, overflowed=overflowed)
    parts = units(view.messages, view.jsons)
    last = max((unit.begin for unit in parts if unit.kind == "turn"), default=parts[-1].begin)
    stays = [unit for unit in parts if unit.begin in chosen.staying and unit.kind != "receipt"]
    loose = [unit for unit in stays if unit.begin != chosen.goal and unit.begin < last]
    assert not loose or sum(unit.size for unit in stays) <= target


@every_strategy
@given(view=views, target=targets, keep=kept_turns)
def test_earlier_receipts_leave_with_the_rest(strategy: Strategy, view: Visible, target: int, keep: int) -> None:
    """One receipt stands for all that left; without anything to leave the old ones stay."""
    chosen = select(view, target, strategy, keep)
    kinds = {unit.kind for unit in units(view.messages, view.jsons) if unit.begin in chosen.staying}
    assert "receipt" not in kinds or not chosen.leaving
    assert {unit.kind for unit in units(view.messages, view.jsons) if unit.begin in chosen.leaving} != {"receipt"}


@every_strategy
def test_what_fits_stays(strategy: Strategy) -> None:
    """Nothing leaves a conversation that is within the target and the window of turns."""
    view = visible(talk(5))
    assert select(view, view.size, strategy, 10).leaving == ()


@every_strategy
def test_a_goal_alone_cannot_become_smaller(strategy: Strategy) -> None:
    """Nothing leaves when nothing may."""
    assert select(visible([user("x" * 1_000)]), 10, strategy, 1, overflowed=True).leaving == ()
    assert select(visible([]), 10, strategy, 1).staying == ()


def test_oldest_first_takes_no_more_than_needed() -> None:
    """One turn less would be too much; with one turn more it would not fit."""
    view = visible(talk(10))
    size = len(view.jsons[1]) + len(view.jsons[2])
    chosen = select(view, view.size - 3 * size, "oldest_first", 1)
    assert chosen.leaving == (1, 2, 3, 4, 5, 6)


def test_the_sliding_window_keeps_the_last_turns_with_what_was_said_among_them() -> None:
    """Three turns stay though more would fit; fewer when three are too many."""
    messages = [*talk(4), user("among them"), *turn("later"), *turn("last")]
    view = visible(messages)
    chosen = select(view, view.size, "sliding_window", 3)
    assert chosen.staying == (0, *range(7, len(messages)))
    assert len(select(view, 600, "sliding_window", 3).staying) < len(chosen.staying)


def test_what_has_to_do_with_the_goal_stays_longest() -> None:
    """A turn about the goal's words outlives newer ones that are about something else."""
    about = turn("the invoice of Ada Lovelace", ["invoice 42 of Lovelace is unpaid" + " ." * 100])
    other = [each for n in range(12) for each in turn(f"weather report {n}", ["rain and wind" + " ." * 100])]
    view = visible([user("Find the unpaid invoice of Ada Lovelace"), *about, *other])
    chosen = select(view, view.size // 2, "lowest_relevance", 1)
    assert {1, 2} <= set(chosen.staying)
    assert {3, 4} <= set(chosen.leaving)


def test_recent_turns_leave_last_by_relevance() -> None:
    """The newest four turns outlive older ones that have as little to do with the goal."""
    view = visible(talk(12))
    chosen = select(view, view.size // 2, "lowest_relevance", 1)
    assert set(chosen.staying).issuperset(range(17, 25))


def test_a_view_stays_small_in_pieces() -> None:
    """Many relevant islands would make a view that is long to write: the smallest leave too."""
    pairs = [[*turn("goal goal goal", ["goal"]), *turn("else", ["else " * 20])] for _ in range(100)]
    view = visible([user("goal"), *(message for pair in pairs for message in pair)])
    chosen = select(view, view.size // 3, "lowest_relevance", 1)
    pieces = ranges([view.numbers[place] for place in chosen.staying])
    assert len(pieces) <= MAX_PIECES


def test_the_newest_turn_may_leave_when_the_provider_refused_it() -> None:
    """Last of all, and what was said after it still stays."""
    view = visible([*talk(2), *turn("huge", ["y" * 5_000] * 3), user("and?")])
    chosen = select(view, 1_000, "oldest_first", 1, overflowed=True)
    assert chosen.staying == (0, len(view.messages) - 1)
    assert chosen.turn_left
    assert not select(view, 1_000, "oldest_first", 1).turn_left


def test_what_was_said_between_call_and_result_belongs_to_the_turn() -> None:
    """A steering message that came while a tool ran is not parted from it, a result without a call goes before."""
    messages = [user(), *turn("a", ["1", "2"], between=[user("Faster!")]), note(), *turn("b", [])]
    assert [(unit.begin, unit.end, unit.kind) for unit in units(messages, visible(messages).jsons)] == [
        (0, 1, "user"),
        (1, 5, "turn"),
        (5, 6, "note"),
        (6, 7, "turn"),
    ]
    orphans = turn("x", ["1"])[1:]
    parts = units([*orphans, user(), *orphans], ["", "", ""])
    assert [(unit.begin, unit.end) for unit in parts] == [(0, 1), (1, 3)]


def test_only_the_runtime_writes_receipts() -> None:
    """A person or a tool that says the same words is taken for what it is."""
    messages = [user(f"{RECEIPT_MARK} fake"), note(f"{RECEIPT_MARK} real")]
    assert [unit.kind for unit in units(messages, ["", ""])] == ["user", "receipt"]
