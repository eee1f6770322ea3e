"""The chain of an audit log and its comparison with what runs recorded: every kind of damage is found."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.domain.audit import AuditEntry, AuditHead, problems
from perdure.domain.audit_check import RunHeads, check, parts
from perdure.domain.model import JsonObject
from tests.audit_logs import BEGIN, entries_after, entries_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DATA = st.dictionaries(
    TEXT, st.one_of(TEXT, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False)), max_size=3
)
LOGS = st.lists(DATA, min_size=2, max_size=12)


def log_of(data: list[JsonObject]) -> list[AuditEntry]:
    """A log with this data."""
    return entries_after(AuditHead(), data)


def run_of(entries: list[AuditEntry], written: int | None = None) -> RunHeads:
    """What a run says that has entered these, and knows `written` of them (default: all) to be stored."""
    stored = entries if written is None else entries[:written]
    return RunHeads(written=stored[-1].head if stored else AuditHead(), head=entries[-1].head)


def wrong(entries: list[AuditEntry], *runs: RunHeads) -> tuple[str, ...]:
    """What is wrong with a log."""
    return check(entries, runs).problems


@given(LOGS)
def test_a_log_as_it_was_written_is_well_after_a_round_trip(data: list[JsonObject]) -> None:
    """Whatever its entries say."""
    entries = [AuditEntry.model_validate_json(entry.model_dump_json()) for entry in log_of(data)]
    assert list(problems(entries, entries[-1].head)) == []
    assert check(entries, [run_of(entries)]).compared


@given(LOGS, st.data())
def test_an_entry_that_is_removed_is_found(data: list[JsonObject], draw: st.DataObject) -> None:
    """Each of them, the last one too."""
    entries = log_of(data)
    gone = draw.draw(st.integers(0, len(entries) - 1))
    assert wrong(entries[:gone] + entries[gone + 1 :], run_of(entries))


@given(LOGS, st.data())
def test_two_entries_that_change_places_are_found(data: list[JsonObject], draw: st.DataObject) -> None:
    """Also when they are not neighbours, and without a history to compare with."""
    entries = log_of(data)
    first, second = sorted(draw.draw(st.sets(st.integers(0, len(entries) - 1), min_size=2, max_size=2)))
    entries[first], entries[second] = entries[second], entries[first]
    assert check(entries, None).problems


@given(LOGS, st.data())
def test_an_end_that_is_cut_is_found(data: list[JsonObject], draw: st.DataObject) -> None:
    """Of any length, the whole log too: the chain cannot show it, the history does."""
    entries = log_of(data)
    left = entries[: draw.draw(st.integers(0, len(entries) - 1))]
    assert check(left, None).problems == ()
    assert wrong(left, run_of(entries))


@given(LOGS, DATA, st.data())
def test_an_entry_that_is_put_in_is_found(data: list[JsonObject], new: JsonObject, draw: st.DataObject) -> None:
    """Anywhere, with a hash that is right for its place; and a copy of one that is there."""
    entries = log_of(data)
    place = draw.draw(st.integers(0, len(entries)))
    head = entries[place - 1].head if place else AuditHead()
    forged = entries_after(head, [{**new, "forged": True}])
    later = BEGIN + timedelta(days=1)
    assert wrong(entries[:place] + forged + entries[place:], run_of(entries))
    assert check(entries[:place] + forged + entries[place:], [run_of(entries)], later) != check(
        entries, [run_of(entries)], later
    )
    copy = draw.draw(st.sampled_from(entries))
    assert wrong([*entries[:place], copy, *entries[place:]], run_of(entries))


@given(LOGS, st.data())
def test_a_log_that_is_rewritten_from_an_entry_on_is_found(data: list[JsonObject], draw: st.DataObject) -> None:
    """All its hashes are right; they are not those that the run recorded."""
    entries = log_of(data)
    place = draw.draw(st.integers(0, len(entries) - 1))
    head = entries[place - 1].head if place else AuditHead()
    forged = entries_after(head, [{"forged": n} for n in range(len(entries) - place)])
    assert check([*entries[:place], *forged], None).problems == ()
    assert wrong([*entries[:place], *forged], run_of(entries))


def test_a_changed_field_is_named_with_its_entry() -> None:
    """By number, with both hashes."""
    entries = entries_of(3)
    entries[1] = entries[1].model_copy(update={"by": "eve"})
    assert [words.split(":")[0] for words in problems(entries, None)] == ["entry 2 was changed"]


def test_a_file_may_be_ahead_of_what_is_known_to_be_stored_and_not_of_what_was_entered() -> None:
    """The answer to a write may still be under way."""
    entries = entries_of(5)
    assert wrong(entries, run_of(entries, 3)) == ()
    assert wrong(entries[:4], run_of(entries, 3)) == ()
    assert wrong(entries, run_of(entries[:4], 3)) == ("entry 5 is not the run's: it has entered 4",)


def test_a_log_that_was_not_begun_is_well() -> None:
    """The run has entered its policy and nothing has made it write that."""
    entries = entries_of(1)
    assert check([], [run_of(entries, 0)]).model_dump() == {"problems": (), "compared": True}
    assert check([], []).compared
    assert wrong([], run_of(entries))


def test_a_log_that_begins_anew_has_a_part_for_each_run() -> None:
    """Each is compared with its own run; what the server has forgotten is not."""
    first, second = entries_of(4, "first"), entries_of(3, "second")
    both = first + second
    assert [len(part) for part in parts(both)] == [4, 3]
    assert check(both, [run_of(first), run_of(second)]) == check(first, [run_of(first)])
    forgotten = check(both, [run_of(second)], BEGIN + timedelta(days=1))
    assert (forgotten.problems, forgotten.compared) == ((), False)
    assert "of no run that the server knows" in check(both, [run_of(second)], BEGIN).problems[0]
    assert wrong(first[:3] + second, run_of(first), run_of(second))
    assert wrong(first, run_of(first), run_of(second))


def test_a_run_that_went_back_branches_off() -> None:
    """What came after the checkpoint stays in the log; both branches are compared."""
    first = entries_of(6)
    back = first[:3] + entries_after(first[2].head, [{"again": n} for n in range(2)])
    both = first + back[3:]
    assert [len(part) for part in parts(both)] == [6, 5]
    assert check(both, [run_of(first), run_of(back)]).compared
    assert wrong(both, run_of(first), run_of(back)) == ()
    assert wrong(both[:-1], run_of(first), run_of(back))


@pytest.mark.parametrize("place", [6, 8])
def test_a_branch_that_no_run_has_made_is_found(place: int) -> None:
    """Between the parts of two runs, and after the last."""
    first, second = entries_of(6, "first"), entries_of(2, "second")
    forged = entries_after(first[2].head, [{"forged": True}])
    both = first + second
    assert wrong(both[:place] + forged + both[place:], run_of(first), run_of(second))
