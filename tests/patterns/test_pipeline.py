"""The pattern `Pipeline`: templates, middlewares, and what becomes of a stage that fails."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from perdure.domain.model import JsonValue
from perdure.domain.patterns.middlewares import MIDDLEWARES, Refused, applied, middlewares_of
from perdure.domain.patterns.pipeline import PipelineInput, PipelineResult, digest_of, filled
from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.waiting import update

TEXTS = st.text(max_size=40)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def stage(name: str, **fields: Any) -> dict[str, Any]:
    """A stage that the script knows by its instructions."""
    return {"id": name, "agent": {"name": name, "instructions": f"You are {name}.", "tools": []}, **fields}


def texts_of(value: JsonValue) -> list[str]:
    """All texts in a value, names of fields left out."""
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [value] if isinstance(value, str) else [text for item in inner for text in texts_of(item)]


@given(VALUES)
def test_middlewares_change_texts_and_nothing_else(value: JsonValue) -> None:
    """Trimmed and cut texts; numbers, names of fields and the form stay; twice is as good as once."""
    once = applied(middlewares_of(({"name": "limit", "characters": 5}, "trim")), value)
    assert all(len(text) <= 5 and text == text.strip() for text in texts_of(once))
    assert applied(middlewares_of(("trim", {"name": "limit", "characters": 5})), once) == once
    assert len(texts_of(once)) == len(texts_of(value))


@given(VALUES, st.integers(0, 9))
def test_what_is_redacted_is_gone(value: JsonValue, digit: int) -> None:
    """No text of the output has a match any more."""
    around = middlewares_of(({"name": "redact", "patterns": [f"{digit}+", "(?i)secret"], "by": "#"},))
    assert not any(re.search(f"{digit}+|(?i:secret)", text) for text in texts_of(applied(around, value)))


@pytest.mark.parametrize(
    ("output", "words"), [("  ", "empty"), ({"a": ""}, "no 'a'"), ({"b": 1}, "no 'a'"), ("x", "no")]
)
def test_require_refuses_what_is_empty(output: JsonValue, words: str) -> None:
    """Empty outputs and empty fields are no outputs; zero and false are."""
    with pytest.raises(Refused, match=words):
        applied(middlewares_of(({"name": "require", "fields": ["a"]},)), output)
    assert applied(middlewares_of(("require",)), 0) == 0
    assert applied(middlewares_of(({"name": "require", "fields": ["a"]},)), {"a": False}) == {"a": False}


def test_templates_take_goal_input_outputs_and_their_fields() -> None:
    """Values that are no texts are JSON; what an output holds is not read as a template."""
    outputs: dict[str, JsonValue] = {"a": {"n": {"m": [1, 2]}}, "a.b": "{{ goal }}"}
    template = "{{goal}}|{{ input }}|{{ input.x }}|{{ a.n.m }}|{{ a.b }}"
    assert filled(template, "G", {"x": "y"}, outputs) == 'G|{"x":"y"}|y|[1,2]|{{ goal }}'
    with pytest.raises(ValueError, match="has no 'z' \\(it has: n\\)"):
        filled("{{ a.z }}", "G", "", outputs)


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ([], "at least 1"),
        ([stage("a"), stage("a")], "two steps are called 'a'"),
        ([stage("goal")], "none can be called 'goal'"),
        ([stage("first", transform="{{ firts }}")], "not known here"),
        ([stage("first"), stage("b", transform="{{ firts.x }} ")], "Did you mean 'first'"),
        ([stage("a", transform="{{ b }}"), stage("b")], "Valid: goal, input"),
        ([stage("a", middleware=["trimm"])], "Did you mean 'trim'.* Valid: trim, require, redact, limit"),
        ([stage("a", middleware=[{"name": "limit"}])], "middleware 'limit': characters"),
        ([stage("a", middleware=[{"name": "redact", "patterns": ["("]}])], "no regular expression"),
        ([stage("a", middleware=[{"name": "redact", "patterns": ["(a+)+b"]}])], "for ever"),
        ([stage("a", on_failure="default")], "go together"),
        ([stage("a", default=1)], "go together"),
        ([stage("a", on_failure="default", default=1, output_schema={"type": "string"})], "default does not fit"),
    ],
)
def test_mistakes_are_told_before_anything_runs(stages: list[dict[str, Any]], words: str) -> None:
    """Unknown names come with a suggestion."""
    with pytest.raises(ValidationError, match=words):
        PipelineInput.model_validate({"goal": "go", "stages": stages})


def test_every_middleware_says_what_it_is_called() -> None:
    """The registry and the models agree."""
    assert all(model.model_fields["name"].default == name for name, model in MIDDLEWARES.items())


async def test_each_stage_works_on_what_came_before(env: Environment) -> None:
    """Input, transform and goal of its own; the trace has digest, output, attempts and how it ended."""
    model = env.model({"You are a.*": [" one "], "You are b.*": ["two"], "You are c.*": ["three"]})
    stages = [
        stage("a", middleware=["trim"]),
        stage("b", goal="Improve it."),
        stage("c", transform="{{ a }} and {{ b }} for {{ goal }}"),
    ]
    handle = await env.start_pattern("Pipeline", PipelineResult, "count", model=model, stages=stages)
    result = await handle.result()
    asked = [item.conversation.messages[0].text for item in env.scripted(model).requests]
    assert asked == ["count", "<context title='input'>\none\n</context>\n\nImprove it.", "one and two for count"]
    assert (result.success, result.output) == (True, "three")
    assert [(each.stage, each.ended, each.attempts, each.output) for each in result.trace] == [
        ("a", "done", 1, "one"),
        ("b", "done", 1, "two"),
        ("c", "done", 1, "three"),
    ]
    assert [each.input_digest for each in result.trace] == [digest_of(t) for t in ("count", "one", asked[2])]


async def test_a_refused_output_is_tried_again_with_the_reason(env: Environment) -> None:
    """The second attempt reads why the first did not count; both are steps."""
    model = env.model({"You are a.*was not accepted*": ['{"n": 1}'], "You are a.*": ['{"m": 1}']})
    stages = [
        stage("a", retries=1, middleware=[{"name": "require", "fields": ["n"]}], output_schema={"type": "object"})
    ]
    handle = await env.start_pattern("Pipeline", PipelineResult, "go", model=model, stages=stages)
    result = await handle.result()
    assert (result.output, result.trace[0].attempts, result.trace[0].ended) == ({"n": 1}, 2, "done")
    assert [step.iteration for step in result.steps] == [1, 2]


async def test_a_change_by_middleware_must_still_fit_the_schema(env: Environment) -> None:
    """What is passed on fits: an output that a middleware has spoilt is a failure, not data."""
    model = env.model({"*": ['{"n": "12345"}']})
    schema = {"type": "object", "properties": {"n": {"type": "string", "minLength": 3}}}
    stages = [stage("a", output_schema=schema, middleware=[{"name": "limit", "characters": 2}])]
    handle = await env.start_pattern("Pipeline", PipelineResult, "go", model=model, stages=stages)
    result = await handle.result()
    assert result.trace[0].error is not None
    assert (result.success, result.trace[0].error.code) == (False, "OUTPUT_INVALID")


async def test_failures_stop_are_skipped_or_have_a_default(env: Environment) -> None:
    """A stage after one that stopped does not run, and the trace says so; the last good output is kept."""
    model = env.model({"You are a.*": ["A"], "You are d.*": ["D"], "*": []})
    stages = [
        stage("a"),
        stage("b", on_failure="skip", retries=2),
        stage("c", on_failure="default", default={"n": 1}),
        stage("d", transform="{{ b }}{{ c.n }}"),
        stage("e", transform="{{ c.m }}"),
        stage("f"),
    ]
    handle = await env.start_pattern("Pipeline", PipelineResult, "go", model=model, stages=stages)
    result = await handle.result()
    assert [(each.ended, each.attempts, each.output) for each in result.trace] == [
        ("done", 1, "A"),
        ("skipped", 3, "A"),
        ("defaulted", 1, {"n": 1}),
        ("done", 1, "D"),
        ("failed", 0, None),
        ("not_run", 0, None),
    ]
    assert result.error is not None
    assert (result.success, result.output, result.error.code) == (False, "D", "STAGE_FAILED")
    assert "has no 'm'" in result.error.message
    assert [item.conversation.messages[0].text for item in env.scripted(model).requests][-1] == "A1"


async def test_a_stage_has_its_time(env: Environment) -> None:
    """A stage that waits for a person longer than its timeout is told to stop."""
    model = env.model({"*": [call("ask_human", question="?"), "never"]})
    slow = {"id": "a", "timeout": 0.5, "on_failure": "default", "default": "late"}
    handle = await env.start_pattern("Pipeline", PipelineResult, "go", model=model, stages=[slow])
    result = await handle.result()
    assert (result.output, result.trace[0].error and result.trace[0].error.code) == ("late", "TIMEOUT")
    assert result.trace[0].milliseconds >= 500


async def test_stop_keeps_the_trace(env: Environment) -> None:
    """What had ended is in the result."""
    model = env.model({"You are a.*": ["A"], "*": [call("ask_human", question="?"), "never"]})
    stages = [stage("a"), {"id": "b", "agent": {"name": "b", "instructions": "You ask."}}]
    handle = await env.start_pattern("Pipeline", PipelineResult, "go", model=model, stages=stages)
    await env.pending()
    await update(handle, "stop", {"by": "ada"})
    result = await handle.result()
    assert (result.stop_reason, result.output) == (StopReason.STOPPED, "A")
    assert [(each.stage, each.ended) for each in result.trace] == [("a", "done")]
