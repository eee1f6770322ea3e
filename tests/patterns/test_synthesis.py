"""The pattern `Synthesis`."""

from typing import Any

import pytest
from pydantic import ValidationError

from perdure.domain.patterns.synthesis import SynthesisInput, SynthesisResult
from perdure.testing import Environment


def contributors(*names: str) -> list[dict[str, Any]]:
    """Contributors that the script knows by their goals."""
    return [{"id": name, "goal": f"say {name}"} for name in names]


async def test_one_answer_of_named_contributions(env: Environment) -> None:
    """The synthesiser sees each contribution under its name, and is told what is missing; the schema is for it."""
    model = env.model({"*Make one answer*": ['{"sum": 3}'], "*say a": ["one"], "*say b": ["two"], "*say c": []})
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
    handle = await env.start_pattern(
        "Synthesis",
        SynthesisResult,
        "the goal",
        model=model,
        contributors=contributors("a", "b", "c"),
        output_schema=schema,
        max_concurrent=1,
    )
    result = await handle.result()
    assert (result.success, result.output, result.contributions) == (True, {"sum": 3}, {"a": "one", "b": "two"})
    assert list(result.failures) == ["c"]
    *_, last = env.scripted(model).requests
    asked = last.conversation.messages[0].text
    expected = ["<context title='a'>\none", "<context title='b'>\ntwo", "their part is missing: c.", "the goal"]
    assert [part for part in expected if part not in asked] == []


async def test_too_few_contributions_are_not_synthesised(env: Environment) -> None:
    """The synthesiser is not asked; what there is stays."""
    model = env.model({"*say a": ["one"]})
    handle = await env.start_pattern(
        "Synthesis", SynthesisResult, "go", model=model, contributors=contributors("a", "b"), min_contributions=2
    )
    result = await handle.result()
    assert (result.success, result.contributions, len(result.steps)) == (False, {"a": "one"}, 2)
    assert result.error is not None
    assert (result.error.code, "failed: b" in result.error.message) == ("TOO_FEW_CONTRIBUTIONS", True)


async def test_all_failed_is_never_synthesised(env: Environment) -> None:
    """By default one contribution is needed: an answer made of nothing would be invented."""
    model = env.model({"*Make one answer*": ["invented"]})
    handle = await env.start_pattern(
        "Synthesis", SynthesisResult, "go", model=model, contributors=contributors("a", "b")
    )
    result = await handle.result()
    assert (result.success, result.contributions, list(result.failures)) == (False, {}, ["a", "b"])


async def test_a_synthesiser_that_fails_keeps_the_contributions(env: Environment) -> None:
    """They are the output of the failure."""
    model = env.model({"*say a": ["one"]})
    handle = await env.start_pattern("Synthesis", SynthesisResult, "go", model=model, contributors=contributors("a"))
    result = await handle.result()
    assert (result.success, result.output, result.contributions) == (False, {"a": "one"}, {"a": "one"})
    assert result.error is not None
    assert result.error.code == "SYNTHESIS_FAILED"


def test_more_contributions_than_contributors_are_refused() -> None:
    """Before anything runs."""
    with pytest.raises(ValidationError, match="there are only 1 contributors"):
        SynthesisInput.model_validate({"goal": "go", "contributors": contributors("a"), "min_contributions": 2})
