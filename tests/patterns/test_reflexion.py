"""The pattern `Reflexion`."""

from typing import Any

from perdure.domain.patterns.reflecting import ReflexionResult
from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.waiting import update

GOLD = {"kind": "contains", "all": ["gold"]}
COACH: dict[str, Any] = {"agent": {"name": "coach", "instructions": "You coach.", "tools": ["ask_human"]}}


def reflection(wrong: str, strategy: str) -> str:
    """What the coach says."""
    return f'{{"what_went_wrong": "{wrong}", "next_strategy": "{strategy}"}}'


def asked(env: Environment, model: str, sign: str) -> list[str]:
    """First messages that hold this sign, in order."""
    texts = [request.conversation.messages[0].text for request in env.scripted(model).requests]
    return [text for text in texts if sign in text]


async def test_each_trial_is_told_the_strategy_and_all_reflections(env: Environment) -> None:
    """The third knows what was learnt from both before it, and follows the second strategy."""
    model = env.model(
        {
            "You coach.*It is lead*": [reflection("dug too high", "dig deeper")],
            "You coach.*It is iron*": [reflection("dug in the wrong place", "dig elsewhere")],
            "*strategy: dig elsewhere": ["It is gold."],
            "*strategy: dig deeper": ["It is iron."],
            "*": ["It is lead."],
        }
    )
    handle = await env.start_pattern(
        "Reflexion", ReflexionResult, "dig", model=model, score=GOLD, reflector=COACH, trials=5
    )
    result = await handle.result()
    assert (result.success, result.output, result.best, result.evaluation_score) == (True, "It is gold.", 3, 1.0)
    assert [(each.trial, each.what_went_wrong, each.next_strategy) for each in result.reflections] == [
        (1, "dug too high", "dig deeper"),
        (2, "dug in the wrong place", "dig elsewhere"),
    ]
    assert [(each.output, each.score) for each in result.trials] == [
        ("It is lead.", 0.0),
        ("It is iron.", 0.0),
        ("It is gold.", 1.0),
    ]
    (last,) = asked(env, model, "This is trial 3. Follow this strategy: dig elsewhere")
    assert ["dug too high" in last, "dig deeper" in last, "dug in the wrong place" in last] == [True, True, True]
    (second,) = asked(env, model, "This is trial 2.")
    assert ["dug too high" in second, "elsewhere" in second, "It is lead" in second] == [True, False, False]
    coached = asked(env, model, "The trial above was not good enough")[1]
    assert ["It is iron." in coached, "does not say 'gold'" in coached, "dug too high" in coached] == [True] * 3
    assert "It is lead." not in coached


async def test_the_best_trial_is_kept_with_a_warning(env: Environment) -> None:
    """A score of 0 in all is not lost (a known mistake); after the last trial there is no reflection."""
    model = env.model({"You coach.*": [reflection("w", "s")], "*strategy: s": ["tin"], "*": ["lead"]})
    handle = await env.start_pattern(
        "Reflexion", ReflexionResult, "dig", model=model, score=GOLD, reflector=COACH, trials=2
    )
    result = await handle.result()
    assert (result.success, result.output, result.best, result.score) == (True, "lead", 1, 0.0)
    assert result.warnings == ("the threshold 0.8 was not reached in 2 trials: the best is trial 1 with score 0",)
    assert [step.step_id for step in result.steps] == ["trial-1", "reflect-1", "trial-2"]


async def test_a_trial_that_fails_is_reflected_on(env: Environment) -> None:
    """Its error is what the reflection is about."""
    model = env.model({"You coach.*": [reflection("it broke", "mend it")], "*mend it": ["gold"], "*": []})
    handle = await env.start_pattern("Reflexion", ReflexionResult, "dig", model=model, score=GOLD, reflector=COACH)
    result = await handle.result()
    assert (result.success, result.output, result.best) == (True, "gold", 2)
    (coached,) = asked(env, model, "The trial above was not good enough")
    assert "<context title='trial 1 failed'>\nUnexpectedStep: " in coached


async def test_without_a_verdict_or_a_reflection_there_is_no_strategy(env: Environment) -> None:
    """A failed judge is no score and no ground to reflect; a failed reflection is warned of, and none is made up."""
    judge = {"kind": "judge", "agent": {"name": "judge", "instructions": "You judge."}}
    model = env.model({"You judge*": [], "You coach*": [], "*": ["lead"]})
    handle = await env.start_pattern(
        "Reflexion", ReflexionResult, "dig", model=model, score=judge, reflector=COACH, trials=2
    )
    unscored = await handle.result()
    assert [step.step_id for step in unscored.steps] == ["trial-1", "judge-1", "trial-2", "judge-2"]
    assert (unscored.score, unscored.reflections, len(unscored.warnings)) == (None, (), 3)
    handle = await env.start_pattern(
        "Reflexion", ReflexionResult, "dig", model=model, score=GOLD, reflector=COACH, trials=2
    )
    unreflected = await handle.result()
    assert (unreflected.reflections, unreflected.score) == ((), 0.0)
    assert "no reflection on trial 1: UnexpectedStep" in unreflected.warnings[1]
    assert asked(env, model, "strategy: ") == []


async def test_no_trial_with_an_output_is_no_success(env: Environment) -> None:
    """The reflections that were made are there."""
    model = env.model({"You coach.*": [reflection("w", "s")], "*": []})
    handle = await env.start_pattern(
        "Reflexion", ReflexionResult, "dig", model=model, score=GOLD, reflector=COACH, trials=2
    )
    result = await handle.result()
    assert result.error is not None
    assert (result.success, result.error.code, len(result.reflections)) == (False, "NO_ATTEMPT", 1)


async def test_stopped_trials_and_reflections_are_kept(env: Environment) -> None:
    """The output is the best trial, not a reflection."""
    model = env.model(
        {
            "You coach.*tin*": [call("ask_human", question="What now?"), "never"],
            "You coach.*": [reflection("w", "s")],
            "*strategy: s": ["tin"],
            "*": ["lead"],
        }
    )
    handle = await env.start_pattern("Reflexion", ReflexionResult, "dig", model=model, score=GOLD, reflector=COACH)
    await env.pending()
    await update(handle, "stop", {"by": "ada"})
    result = await handle.result()
    assert (result.success, result.stop_reason, result.output) == (False, StopReason.STOPPED, "lead")
    assert ([each.output for each in result.trials], len(result.reflections)) == (["lead", "tin"], 1)
