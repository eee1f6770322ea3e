"""The pattern `MapReduce` and its rules."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from perdure.domain.patterns.map_reduce import MapReduceInput, MapReduceResult, Split, filled, groups, pieces
from perdure.testing import Environment, call
from tests.waiting import update

TEXT = st.text(alphabet="ab \n\t", max_size=60)


@given(TEXT, st.integers(1, 7))
def test_characters_lose_nothing_but_white_space(text: str, size: int) -> None:
    """No piece is longer than the size, and all characters that say something are there, in order."""
    found = pieces(text, Split(by="characters", size=size))
    assert all(0 < len(piece) <= size and piece.strip() for piece in found)
    assert "".join("".join(found).split()) == "".join(text.split())


@given(TEXT, st.integers(1, 4))
def test_lines_and_paragraphs_stay_whole(text: str, size: int) -> None:
    """The lines of all pieces are those of the text that are not empty; a piece has at most so many of them."""
    wanted = [line for line in text.splitlines() if line.strip()]
    by_line = pieces(text, Split(by="lines", size=size))
    assert [line for piece in by_line for line in piece.splitlines()] == wanted
    assert all(len(piece.splitlines()) <= size for piece in by_line)
    by_paragraph = pieces(text, Split(by="paragraphs", size=size))
    assert [line for piece in by_paragraph for line in piece.splitlines() if line.strip()] == wanted
    assert pieces("a\nb\n \n\n\nc\r\n\r\nd", Split(by="paragraphs", size=2)) == ["a\nb\n\nc", "d"]


@given(st.text(max_size=20), st.integers(1, 1_000))
def test_an_item_is_never_a_template(item: str, number: int) -> None:
    """What looks like a place inside an item, or like a format, stays as it is."""
    tricky = f"{{number}}{item}{{0.__class__}}{{item}}"
    assert filled("<{item}|{number}|{other}>", tricky, number) == f"<{tricky}|{number}|{{other}}>"


@given(st.lists(st.integers(), min_size=1, max_size=200), st.integers(2, 30))
def test_groups_are_few_even_and_complete(items: list[int], at_once: int) -> None:
    """Their order is that of the items, none is too large, and sizes differ by at most one."""
    found = groups(items, at_once)
    sizes = [len(group) for group in found]
    assert [item for group in found for item in group] == items
    assert (max(sizes) <= at_once, max(sizes) - min(sizes) <= 1, len(found)) == (True, True, -(-len(items) // at_once))


async def test_equal_items_and_equal_failures_stay_apart(env: Environment) -> None:
    """Results and failures are by item number: what has the same content does not fall together."""
    script = {"*Make one result*": ["all"], "*bad": [], "*say good": ["fine"]}
    model = env.model(script)
    handle = await env.start_pattern(
        "MapReduce",
        MapReduceResult,
        "go",
        model=model,
        items=["good", "bad", "good", "bad"],
        map={"id": "say", "goal": "say {item}"},
        min_successes=2,
    )
    result = await handle.result()
    assert (result.success, result.output) == (True, "all")
    assert (result.outputs, list(result.failures)) == ({1: "fine", 3: "fine"}, [2, 4])
    assert sorted(step.step_id for step in result.steps) == ["reduce-1-1", "say-1", "say-2", "say-3", "say-4"]
    asked = env.scripted(model).requests[-1].conversation.messages[0].text
    expected = ["'result of item 1'>\nfine", "'result of item 3'>\nfine", "no result: 2, 4."]
    assert [part for part in expected if part not in asked] == []
    assert "'result of item 2'" not in asked


async def test_too_few_items_are_not_reduced(env: Environment) -> None:
    """By default all must succeed; those that did are there."""
    model = env.model({"*Make one result*": ["never"], "*bad": [], "*good": ["fine"]})
    handle = await env.start_pattern(
        "MapReduce", MapReduceResult, "go", model=model, items=["good", "bad"], map={"goal": "say {item}"}
    )
    result = await handle.result()
    assert (result.success, result.output, result.outputs, list(result.failures)) == (False, ["fine"], {1: "fine"}, [2])
    assert result.error is not None
    assert (result.error.code, result.error.message.endswith("failed: 2")) == ("ITEMS_FAILED", True)


async def test_many_results_are_reduced_as_a_tree(env: Environment) -> None:
    """Seven by three: three groups, then their three results; only the last has the schema of the whole."""
    number = {"type": "integer"}
    script = {"*'part 1'*": ["7"], "*Make one result*": ["some"], "*": ["one"]}
    model = env.model(script)
    handle = await env.start_pattern(
        "MapReduce",
        MapReduceResult,
        "count",
        model=model,
        items=[{"n": n} for n in range(7)],
        reduce_at_once=3,
        output_schema=number,
    )
    result = await handle.result()
    assert (result.success, result.output) == (True, 7)
    reductions = [step.step_id for step in result.steps if step.step_id.startswith("reduce")]
    assert sorted(reductions) == ["reduce-1-1", "reduce-1-2", "reduce-1-3", "reduce-2-1"]
    asked = [request.conversation.messages[0].text for request in env.scripted(model).requests]
    assert any("<context title='item 7'>\n{\"n\":6}" in text for text in asked)
    assert sum(text.count("'result of item") for text in asked) == 7


async def test_no_more_run_at_once_than_allowed(env: Environment) -> None:
    """Of six items two are open at a time: the third begins when one of them has ended."""
    model = env.model({"*Make one result*": ["all"], "*": ["one"]})
    handle = await env.start_pattern(
        "MapReduce", MapReduceResult, "go", model=model, items=list(range(6)), max_concurrent=2
    )
    assert (await handle.result()).success
    open_, most = 0, 0
    for event in (await handle.fetch_history()).events:
        open_ += event.HasField("start_child_workflow_execution_initiated_event_attributes")
        open_ -= event.HasField("child_workflow_execution_completed_event_attributes")
        most = max(most, open_)
    assert (open_, most) == (0, 2)


async def test_one_failed_group_fails_the_reduction(env: Environment) -> None:
    """Otherwise its items would be left out silently; the results of items stay."""
    model = env.model({"*result of item 1*": ["some"], "*result of item*": [], "*": ["one"]})
    handle = await env.start_pattern(
        "MapReduce", MapReduceResult, "go", model=model, items=[1, 2, 3, 4], reduce_at_once=2
    )
    result = await handle.result()
    assert (result.success, result.outputs) == (False, {1: "one", 2: "one", 3: "one", 4: "one"})
    assert result.error is not None
    assert (result.error.code, "reduce-1-2 failed" in result.error.message) == ("REDUCE_FAILED", True)


async def test_stopped_while_it_reduces_it_keeps_the_results(env: Environment) -> None:
    """They are what was reached."""
    model = env.model({"*Make one result*": [call("ask_human", question="?"), "never"], "*": ["one"]})
    handle = await env.start_pattern("MapReduce", MapReduceResult, "go", model=model, items=["a", "b"])
    await env.pending()
    await update(handle, "stop", {"by": "ada"})
    result = await handle.result()
    assert (result.stop_reason, result.output, result.outputs) == ("stopped", ["one", "one"], {1: "one", 2: "one"})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "say either `items` or `text`"),
        ({"items": [1], "text": "a"}, "say either `items` or `text`"),
        ({"text": "a"}, "split: `text` needs it"),
        ({"items": [1], "split": {"by": "lines", "size": 1}}, "it needs `text`"),
        ({"items": []}, "items: these are 0 items"),
        ({"text": " \n ", "split": {"by": "lines", "size": 1}}, "text: these are 0 items"),
        ({"items": list(range(1_001))}, "these are 1001 items, and there must be 1 to 1000"),
        ({"text": "ab", "split": {"by": "characters", "size": 0}}, "greater than or equal to 1"),
        ({"items": [1, 2], "min_successes": 3}, "there are only 2 items"),
    ],
)
def test_wrong_input_is_refused_in_words(fields: dict[str, Any], words: str) -> None:
    """Before anything runs."""
    with pytest.raises(ValidationError, match=words):
        MapReduceInput.model_validate({"goal": "go", **fields})
