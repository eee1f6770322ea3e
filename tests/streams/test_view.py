"""What a reader has after lost attempts: every character once."""

from perdure.streams import Texts
from tests.streams.helpers import event


def test_a_reset_voids_what_a_lost_attempt_said() -> None:
    """And what it goes on to say after it was given up."""
    view = Texts()
    view.apply(event(kind="segment.start", data={"run_id": "r"}))
    view.apply(event("half of"))
    view.apply(event(kind="segment.reset", epoch=2, data={"run_id": "r"}))
    view.apply(event(kind="segment.start", epoch=2, data={"run_id": "r"}))
    assert view.text("turn-1") == ""
    assert not view.apply(event(" the truth"))
    assert view.apply(event("All", epoch=2))
    view.apply(event(" of it", epoch=2))
    assert view.text("turn-1") == "All of it"


def test_the_end_of_an_answer_is_right_whatever_was_missed() -> None:
    """Its text counts, unless it was too long to be whole."""
    view = Texts()
    view.apply(event("a"))
    view.apply(event("abc", kind="segment.end"))
    view.apply(event("long", segment="turn-2"))
    view.apply(event("lo", kind="segment.end", segment="turn-2", data={"cut": True, "size": 4}))
    assert (view.text("turn-1"), view.text("turn-2")) == ("abc", "long")


def test_another_run_of_the_same_id_begins_at_its_first_attempt() -> None:
    """Its epochs are its own."""
    view = Texts()
    view.apply(event(kind="segment.start", epoch=3, data={"run_id": "r1"}))
    view.apply(event("old", epoch=3))
    view.apply(event(kind="segment.start", epoch=1, data={"run_id": "r2"}))
    view.apply(event("new", epoch=1))
    assert view.text("turn-1") == "new"


def test_a_gap_leaves_only_what_is_whole() -> None:
    """Half an answer whose middle is gone would be wrong."""
    view = Texts()
    view.apply(event("whole", kind="segment.end"))
    view.apply(event("half", segment="turn-2"))
    view.apply(event(kind="segment.reset", segment="", data={"gap": True}))
    assert (view.text("turn-1"), view.text("turn-2")) == ("whole", "")
