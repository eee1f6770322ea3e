"""The pattern `Iterative`."""

from typing import Any

from perdure.domain.patterns.iterative import IterativeResult
from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.waiting import update

JUDGE = {"kind": "judge", "agent": {"name": "judge", "instructions": "You judge.", "tools": ["ask_human"]}}
GOOD = '{"score": 0.9, "issues": [], "suggestions": []}'


def verdict(score: float, name: str) -> str:
    """What the judge says, with an issue and a suggestion of this name."""
    return f'{{"score": {score}, "issues": ["{name} is wrong"], "suggestions": ["mend {name}"]}}'


def contains(*phrases: str) -> dict[str, Any]:
    """A score by phrases."""
    return {"kind": "contains", "all": phrases}


def asked(env: Environment, model: str, sign: str) -> list[str]:
    """First messages that hold this sign, in order."""
    texts = [request.conversation.messages[0].text for request in env.scripted(model).requests]
    return [text for text in texts if sign in text]


async def test_issues_and_suggestions_go_into_the_next_attempt(env: Environment) -> None:
    """Those of the attempt that is shown, and of no other (a known mistake); a good score ends it."""
    model = env.model(
        {
            "You judge.*draft one*": [verdict(0.1, "one")],
            "You judge.*draft two*": [verdict(0.3, "two")],
            "You judge.*draft three*": [GOOD],
            "*two is wrong*": ["draft three"],
            "*one is wrong*": ["draft two"],
            "*": ["draft one"],
        }
    )
    score = {**JUDGE, "criteria": "It counts."}
    handle = await env.start_pattern("Iterative", IterativeResult, "count", model=model, score=score, attempts=5)
    result = await handle.result()
    assert (result.success, result.output, result.best, result.score) == (True, "draft three", 3, 0.9)
    assert (result.evaluation_score, result.warnings) == (0.9, ())
    assert [(each.number, each.score, each.issues) for each in result.attempts] == [
        (1, 0.1, ("one is wrong",)),
        (2, 0.3, ("two is wrong",)),
        (3, 0.9, ()),
    ]
    third = asked(env, model, "Improve on the attempt above")[1]
    assert [name in third for name in ("draft two", "two is wrong", "mend two")] == [True, True, True]
    assert [name in third for name in ("draft one", "one is wrong", "mend one")] == [False, False, False]
    assert "<context title='attempt'>\ndraft one\n</context>" in asked(env, model, "Criteria:\nIt counts.")[0]
    assert (await handle.query("steps"))["evaluation_score"] == 0.9
    assert (await handle.query("status"))["progress"]["done"] == 6


async def test_the_best_is_kept_with_a_warning(env: Environment) -> None:
    """The bound ends it; a later attempt that is worse or equal does not replace the best."""
    model = env.model({"*say 'b'*": ["a and b, again"], "*Issue*": ["a"], "*": ["a, no more"]})
    score = contains("a", "b", "c")
    handle = await env.start_pattern("Iterative", IterativeResult, "go", model=model, score=score, attempts=3)
    result = await handle.result()
    assert [each.output for each in result.attempts] == ["a, no more", "a and b, again", "a"]
    assert (result.success, result.output, result.best) == (True, "a and b, again", 2)
    assert result.warnings == (
        "the threshold 0.8 was not reached in 3 attempts: the best is attempt 2 with score 0.666667",
    )
    assert result.score == result.evaluation_score == 2 / 3


async def test_a_best_attempt_of_score_zero_is_not_lost(env: Environment) -> None:
    """The known mistake; the first of two zeros stays."""
    model = env.model({"*Issue*": ["second"], "*": ["first"]})
    handle = await env.start_pattern(
        "Iterative", IterativeResult, "go", model=model, score=contains("gold"), attempts=2, threshold=0.5
    )
    result = await handle.result()
    assert (result.success, result.output, result.best, result.score) == (True, "first", 1, 0.0)
    assert result.evaluation_score == 0.0
    assert len(result.warnings) == 1


async def test_a_failed_judge_is_no_score(env: Environment) -> None:
    """Neither a low nor a high one: the attempt is unscored, and one that is scored is better."""
    model = env.model(
        {"You judge.*draft two*": [verdict(0, "two")], "You judge*": [], "*above*": ["draft two"], "*": ["draft one"]}
    )
    handle = await env.start_pattern(
        "Iterative", IterativeResult, "go", model=model, score=JUDGE, attempts=2, threshold=0.5
    )
    result = await handle.result()
    first, second = result.attempts
    assert (first.score, first.output, first.issues) == (None, "draft one", ())
    assert first.unscored is not None
    assert (first.unscored.code, second.score, result.best) == ("UnexpectedStep", 0.0, 2)
    assert "attempt 1 was not scored: UnexpectedStep" in result.warnings[1]


async def test_without_any_score_the_first_output_is_kept(env: Environment) -> None:
    """A threshold of 0 is not reached by an attempt that nobody could score."""
    model = env.model({"You judge*": [], "*": ["draft"]})
    handle = await env.start_pattern(
        "Iterative", IterativeResult, "go", model=model, score=JUDGE, attempts=2, threshold=0
    )
    result = await handle.result()
    assert (result.success, result.output, result.best, result.score) == (True, "draft", 1, None)
    assert "the threshold 0 was not reached in 2 attempts: the best is attempt 1 with no score" in result.warnings
    assert (len(result.attempts), len(result.warnings)) == (2, 3)


async def test_no_attempt_with_an_output_is_no_success(env: Environment) -> None:
    """Nothing is judged then."""
    handle = await env.start_pattern("Iterative", IterativeResult, "go", model=env.model([]), attempts=2)
    result = await handle.result()
    assert (result.success, result.stop_reason, result.output, result.best) == (False, StopReason.ERROR, None, None)
    assert result.error is not None
    assert (result.error.code, [step.step_id for step in result.steps]) == ("NO_ATTEMPT", ["attempt-1", "attempt-2"])


async def test_stopped_the_best_so_far_is_the_output(env: Environment) -> None:
    """Not what the judge said last, and not the attempt that is being judged."""
    model = env.model(
        {
            "You judge.*draft two*": [call("ask_human", question="Is it?"), GOOD],
            "You judge*": [verdict(0.2, "one")],
            "*Issue*": ["draft two"],
            "*": ["draft one"],
        }
    )
    handle = await env.start_pattern("Iterative", IterativeResult, "go", model=model, score=JUDGE)
    await env.pending()
    await update(handle, "stop", {"by": "ada"})
    result = await handle.result()
    assert (result.success, result.stop_reason, result.output) == (False, StopReason.STOPPED, "draft one")
    assert [(each.output, each.score) for each in result.attempts] == [("draft one", 0.2), ("draft two", None)]
