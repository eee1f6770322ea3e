"""The inbox: what waits in all runs, what in one and those below it, each request once."""

import io
from datetime import UTC, datetime, timedelta

import pytest

from perdure.cli.inbox import Waiting
from perdure.cli.inbox_view import show_in_full, show_inbox, span
from perdure.cli.output import Format, Output
from perdure.cli.questions import merged
from perdure.domain.approvals import Vote
from tests.cli.test_asking import request

NOW = datetime(2026, 1, 1, 3, tzinfo=UTC)


def shown(*waiting: Waiting, form: Format = Format.TEXT) -> str:
    """The inbox as it is written."""
    out = io.StringIO()
    show_inbox(Output(form, out, out), waiting, NOW)
    return out.getvalue()


def test_a_line_tells_who_asked_how_long_ago_and_what_is_missing() -> None:
    """Title, requester, age, deadline, votes, level, and the ids to answer with."""
    voted = request().model_copy(
        update={
            "quorum": 2,
            "votes": (Vote(by="eve", at=NOW),),
            "expires_at": NOW + timedelta(minutes=90),
            "workflow_id": "bills.1",
        }
    )
    head, line, *_ = shown(Waiting(voted, "bills")).splitlines()
    assert head.split("  ")[0] == "TITLE"
    cells = [cell.strip() for cell in line.split("  ") if cell]
    assert cells[1:] == ["ada", "3 h", "in 1 h", "1 of 2", "confirm", "req-1-aa", "bills.1", "bills"]
    assert "\x1b" not in line


def test_an_empty_inbox_says_so() -> None:
    """For people in words, for programs as an empty list."""
    assert shown() == "nothing waits for a person\n"
    assert '"items": []' in shown(form=Format.JSON)
    assert '"root": "bills"' in shown(Waiting(request(), "bills"), form=Format.JSON)


def test_one_run_is_shown_with_the_commands_that_answer() -> None:
    """And with whose approvals there are already."""
    out = io.StringIO()
    votes = (Vote(by="eve", at=NOW, signed=True),)
    show_in_full(
        Output(Format.TEXT, out, out), [Waiting(request().model_copy(update={"quorum": 3, "votes": votes}), "w")]
    )
    assert "approvals  1 of 3: eve (signed)" in out.getvalue()
    assert "uv run starter.py approve" in out.getvalue()


def test_a_request_that_two_runs_tell_of_is_one_request() -> None:
    """Of a run's own requests its own word counts; a root's copy stands for a run that was not asked."""
    own = request().model_copy(update={"workflow_id": "w.1", "reason": "own"})
    copy, later = own.model_copy(update={"reason": "copy"}), own.model_copy(update={"asked_at": NOW})
    assert merged({"w": [copy], "w.1": [own]}) == [own]
    assert merged({"w": [copy], "w.1": []}) == []
    assert merged({"w": [copy]}) == [copy]
    other = later.model_copy(update={"workflow_id": "w"})
    assert merged({"w": [other, copy], "w.1": [own]}) == [own, other]


@pytest.mark.parametrize(
    ("seconds", "words"), [(-5, "0 s"), (59.9, "59 s"), (60, "1 min"), (7_300, "2 h"), (200_000, "2 d")]
)
def test_a_length_of_time_is_told_in_its_largest_unit(seconds: float, words: str) -> None:
    """Never negative."""
    assert span(seconds) == words
