"""Which attempt is the best, and what the next one is told."""

from collections.abc import Sequence
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from perdure.domain.errors import ErrorInfo
from perdure.domain.patterns.attempts import Attempt, best_of, concluded, told
from perdure.domain.patterns.refining import Draft, kept
from perdure.domain.patterns.reflecting import Reflection, lessons, strategy_for

WRONG = ErrorInfo(code="WRONG", type="WRONG", message="it went wrong")
Kind = float | Literal["failed"] | None
EVERY: list[Kind] = [None, "failed", 0.0, 0.5, 1.0]
KINDS = st.lists(st.sampled_from(EVERY), max_size=8)


def attempts(kinds: Sequence[Kind]) -> list[Attempt]:
    """Attempts with these scores; "failed" has no output, None nobody could score."""
    return [
        Attempt(number=number, error=WRONG)
        if kind == "failed"
        else Attempt(number=number, output=f"output {number}", score=kind, issues=(f"issue {number}",))
        for number, kind in enumerate(kinds, start=1)
    ]


@given(KINDS)
def test_no_attempt_with_an_output_is_lost(kinds: list[Kind]) -> None:
    """There is a best one whenever any has an output; its score is the highest, and any score beats none."""
    made = attempts(kinds)
    best = best_of(made)
    scores = [each.score for each in made if each.score is not None]
    assert (best is None) == all(each.error is not None for each in made)
    assert (best.score if best else None) == max(scores, default=None)


@given(KINDS)
def test_of_equal_attempts_the_first_stays(kinds: list[Kind]) -> None:
    """No earlier attempt with an output has the score of the best."""
    made = attempts(kinds)
    best = best_of(made)
    earlier = [] if best is None else made[: best.number - 1]
    assert best is None or [each for each in earlier if each.error is None and each.score == best.score] == []


def test_a_score_of_zero_is_better_than_none() -> None:
    """The known mistake: a best attempt that is compared with 0 or by its truth is lost."""
    zero = best_of(attempts(["failed", 0.0, "failed"]))
    assert zero is not None
    assert (zero.number, zero.score) == (2, 0.0)
    over_unscored = best_of(attempts([None, 0.0]))
    assert over_unscored is not None
    assert over_unscored.number == 2
    found = concluded([zero], zero, "the threshold 0.5 was not reached", {})
    assert (found.error, found.score, found.output) == (None, 0.0, "output 2")
    assert found.warnings == ("the threshold 0.5 was not reached in 1 attempt: the best is attempt 2 with score 0",)


@given(KINDS)
def test_feedback_is_on_the_attempt_that_is_shown(kinds: list[Kind]) -> None:
    """The known mistake: the last attempt with the feedback on another one."""
    items = told(attempts(kinds))
    shown = [item.title.removeprefix("feedback on ") for item in items]
    assert len(set(shown)) <= 1
    for item in items:
        assert item.title.split()[-1] in item.text
    assert bool(items) == any(kind != "failed" for kind in kinds)


def test_after_a_failed_attempt_the_one_before_is_shown() -> None:
    """With its own feedback."""
    first, second = told(attempts([0.5, "failed"]))
    assert (first.title, first.text) == ("attempt 1", "output 1")
    assert (second.title, second.text) == ("feedback on attempt 1", "Score: 0.5 of 1\nIssue: issue 1")


def test_nothing_to_show_is_no_success() -> None:
    """The words say how the last one failed."""
    found = concluded(attempts(["failed", "failed"]), None, "", {"x": 1})
    assert found.error is not None
    assert (found.error.code, found.error.message) == (
        "NO_ATTEMPT",
        "no attempt of 2 has an output: the last failed with WRONG: it went wrong",
    )
    assert found.details == {"x": 1}


def test_the_draft_that_satisfies_is_kept_before_one_that_scores_higher() -> None:
    """The critic's word counts more than its number; without it the number does."""
    high = Draft(number=1, output="a", score=0.9)
    satisfying = Draft(number=2, output="b", score=0.8, satisfied=True)
    assert kept([high, satisfying]) is satisfying
    assert kept([high, satisfying.model_copy(update={"satisfied": False})]) is high
    assert kept([]) is None


def test_the_strategy_is_that_of_the_trial_just_before() -> None:
    """Older reflections are lessons, not the strategy."""
    first = Reflection(trial=1, what_went_wrong="w1", next_strategy="s1")
    third = Reflection(trial=3, what_went_wrong="w3", next_strategy="s3")
    assert [strategy_for(number, [first, third]) for number in range(1, 6)] == ["", "s1", "", "s3", ""]
    assert [(item.title, item.text.split("\n")[0]) for item in lessons([first, third])] == [
        ("reflection on trial 1", "What went wrong: w1"),
        ("reflection on trial 3", "What went wrong: w3"),
    ]
