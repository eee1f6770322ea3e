"""The pattern `BestOf` and its rule."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from perdure.domain.patterns.best_of import BestOfInput, BestOfResult, best
from perdure.testing import Environment, call
from tests.waiting import update

SCORES = st.floats(allow_nan=False, min_value=0, max_value=100) | st.sampled_from([0.0, 1.0, 100.0])


def candidates(*names: str) -> list[dict[str, Any]]:
    """Candidates that the script knows by their goals."""
    return [{"id": name, "goal": f"say {name}"} for name in names]


def ranking(*scores: int) -> str:
    """An answer of the judge."""
    each = ", ".join(f'"candidate-{number}": {score}' for number, score in enumerate(scores, start=1))
    return f'{{"scores": {{{each}}}, "reason": "so"}}'


@given(st.lists(SCORES, max_size=8))
def test_the_highest_score_wins_and_of_equal_ones_the_earliest(scores: list[float]) -> None:
    """Nobody has more than the winner, and nobody before it has as much; of nobody there is no winner."""
    names = [f"c{number}" for number in range(len(scores))]
    winner = best(names, dict(zip(names, scores, strict=True)))
    expected = names[scores.index(max(scores))] if scores else None
    assert winner == expected


@given(st.lists(st.sampled_from([0.0, None, float("nan")]), min_size=1, max_size=6))
def test_zero_is_a_score_and_no_score_is_less(scores: list[float | None]) -> None:
    """A candidate with zero is not lost behind those without a score, and somebody always wins."""
    names = [f"c{number}" for number in range(len(scores))]
    known = {name: score for name, score in zip(names, scores, strict=True) if score is not None}
    zeros = [name for name in names if known.get(name) == 0.0]
    assert best(names, known) == [*zeros, names[0]][0]


async def test_the_judge_sees_neutral_labels_and_no_failures(env: Environment) -> None:
    """Names and what failed are not in its request; a tie goes to the earliest."""
    script = {"*Judge how well*": [ranking(0, 0)], "*say zoe": ["from z"], "*say bob": [], "*say ann": ["from a"]}
    model = env.model(script)
    handle = await env.start_pattern(
        "BestOf", BestOfResult, "go", model=model, candidates=candidates("zoe", "bob", "ann"), max_concurrent=1
    )
    result = await handle.result()
    assert (result.success, result.output, result.winner) == (True, "from z", "zoe")
    assert (result.scores, result.reason) == ({"zoe": 0, "ann": 0}, "so")
    assert (result.candidates, list(result.failures)) == ({"zoe": "from z", "ann": "from a"}, ["bob"])
    asked = env.scripted(model).requests[-1].conversation.messages[0].text
    assert asked.index("'candidate-1'") < asked.index("from z") < asked.index("'candidate-2'") < asked.index("from a")
    assert [word for word in ("zoe", "bob", "ann", "candidate-3", "UnexpectedStep") if word in asked] == []


async def test_the_only_one_left_wins_without_a_judge(env: Environment) -> None:
    """There is nothing to compare: the judge is not asked."""
    model = env.model({"*say a": ["A"]})
    handle = await env.start_pattern("BestOf", BestOfResult, "go", model=model, candidates=candidates("a", "b"))
    result = await handle.result()
    assert (result.success, result.output, result.winner, result.scores) == (True, "A", "a", {})
    assert [step.step_id for step in result.steps if step.step_id == "judge"] == []


async def test_nobody_left_is_a_failure_of_its_own(env: Environment) -> None:
    """Every candidate is named, and nobody has won."""
    handle = await env.start_pattern("BestOf", BestOfResult, "go", model=env.model({"*nothing*": []}), samples=2)
    result = await handle.result()
    assert (result.success, result.winner, list(result.failures)) == (False, None, ["candidate-1", "candidate-2"])
    assert result.error is not None
    assert result.error.code == "CANDIDATES_FAILED"


async def test_a_judge_that_fails_leaves_all_candidates(env: Environment) -> None:
    """It is an explicit failure: nobody has won by chance."""
    model = env.model({"*Judge how well*": ["neither"] * 9, "*": ["made"]})
    handle = await env.start_pattern("BestOf", BestOfResult, "go", model=model, samples=2)
    result = await handle.result()
    assert (result.success, result.output, result.winner) == (False, None, None)
    assert result.candidates == {"candidate-1": "made", "candidate-2": "made"}
    assert result.error is not None
    assert (result.error.code, "InvalidOutput" in result.error.message) == ("JUDGE_FAILED", True)


async def test_stopped_while_the_judge_thinks_it_keeps_the_candidates(env: Environment) -> None:
    """What was made is in the result, with the first candidate as what was reached."""
    model = env.model({"*Judge how well*": [call("ask_human", question="?"), "never"], "*": ["made"]})
    handle = await env.start_pattern("BestOf", BestOfResult, "go", model=model, samples=2)
    await env.pending()
    await update(handle, "stop", {"by": "ada"})
    result = await handle.result()
    assert (result.success, result.stop_reason, result.output, result.winner) == (False, "stopped", "made", None)
    assert result.candidates == {"candidate-1": "made", "candidate-2": "made"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"candidates": [{"id": "a"}, {"id": "a"}]}, "two steps are called 'a'"),
        ({"candidates": [{"id": "a"}], "samples": 2}, "say one of both"),
    ],
)
def test_wrong_input_is_refused_in_words(fields: dict[str, Any], words: str) -> None:
    """Before anything runs."""
    with pytest.raises(ValidationError, match=words):
        BestOfInput.model_validate({"goal": "go", **fields})
