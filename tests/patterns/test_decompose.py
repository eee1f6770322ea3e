"""The pattern `Decompose`: its bounds, and what becomes of parts that fail."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from perdure.domain.arguments import check_value
from perdure.domain.patterns.decompose import DecomposeInput, DecomposeResult, plan_schema, subtasks_of
from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.waiting import update

ROLES: dict[str, Any] = {
    role: {"agent": {"name": role, "instructions": f"You are {role}.", "tools": []}}
    for role in ("planner", "solver", "synthesis")
}


def divide(*subtasks: str) -> str:
    """A plan that divides."""
    return json.dumps({"direct": False, "subtasks": list(subtasks)})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_depth": 3}, "limits.depth: 3 is too small for max_depth 3: it must be at least 4"),
        ({"max_depth": 5, "limits": {"depth": 5}}, "at least 6"),
        (
            {"max_depth": 1, "lineage": {"root": "r", "parent": "p", "level": 2, "model": "m"}},
            "at least 4.*below the 2 levels above",
        ),
        ({"max_depth": -1}, "max_depth"),
    ],
)
def test_too_small_a_depth_is_told_before_anything_runs(fields: dict[str, Any], words: str) -> None:
    """Each level of tasks needs one, and their agents one more."""
    with pytest.raises(ValidationError, match=words):
        DecomposeInput.model_validate({"goal": "go", **fields})


def test_plans_are_bounded_and_read_as_data() -> None:
    """Too many subtasks do not fit the schema; the same one twice is one; direct means none."""
    assert check_value(plan_schema(1), {"direct": False, "subtasks": ["a", "b"]})
    assert check_value(plan_schema(2), {"direct": False, "subtasks": ["a", "b"]}) == ""
    assert subtasks_of({"direct": False, "subtasks": ["a", " a ", "b", " "]}) == ["a", "b"]
    assert subtasks_of({"direct": True, "subtasks": ["a"]}) == []


async def test_a_direct_task_is_solved_and_depth_ends_dividing(env: Environment) -> None:
    """At depth 0 nobody plans; a planner that always divides is stopped by the bound."""
    model = env.model({"You are planner.*": [divide("x", "y")], "You are solver.*": ["s"], "*": ["whole"]})
    handle = await env.start_pattern("Decompose", DecomposeResult, "go", model=model, max_depth=0, **ROLES)
    result = await handle.result()
    assert (result.output, result.tasks, len(env.scripted(model).requests)) == ("s", 1, 1)
    handle = await env.start_pattern(
        "Decompose", DecomposeResult, "go", model=model, max_depth=1, max_concurrent=1, **ROLES
    )
    result = await handle.result()
    assert result.tree is not None
    assert (result.output, result.tasks, result.failed) == ("whole", 3, 0)
    assert [(node.goal, node.direct, node.output) for node in result.tree.subtasks] == [
        ("x", True, "s"),
        ("y", True, "s"),
    ]
    asked = [item.conversation.messages[0].text for item in env.scripted(model).requests[1:]]
    assert "part of'>\ngo\n" in asked[1]
    assert "<context title='result of: x'>\ns\n" in asked[-1]


async def test_the_synthesis_is_told_of_parts_that_failed(env: Environment) -> None:
    """One of two fails: the answer is made of the other, and the tree says what went wrong."""
    model = env.model(
        {
            "You are planner.*": [divide("good", "bad")],
            "You are solver.*good": ["fine"],
            "You are solver.*": [],
            "You are synthesis.*This part failed (SOLVE_FAILED)*": ["half"],
        }
    )
    handle = await env.start_pattern("Decompose", DecomposeResult, "go", model=model, max_depth=1, **ROLES)
    result = await handle.result()
    assert result.tree is not None
    assert (result.success, result.output, result.tasks, result.failed) == (True, "half", 3, 1)
    assert [node.error and node.error.code for node in result.tree.subtasks] == [None, "SOLVE_FAILED"]


async def test_when_all_parts_fail_nothing_is_made_up(env: Environment) -> None:
    """There is no synthesis of errors."""
    model = env.model({"You are planner.*": [divide("x", "y")], "You are solver.*": [], "*": ["invented"]})
    handle = await env.start_pattern("Decompose", DecomposeResult, "go", model=model, max_depth=1, **ROLES)
    result = await handle.result()
    assert result.error is not None
    assert (result.success, result.error.code, result.output, result.failed) == (False, "SUBTASKS_FAILED", None, 3)
    assert not any(item.instructions.startswith("You are synthesis") for item in env.scripted(model).requests)


async def test_a_plan_that_fails_is_no_plan(env: Environment) -> None:
    """It is not taken for a task that is solved directly."""
    model = env.model({"You are planner.*": [], "*": ["solved"]})
    handle = await env.start_pattern("Decompose", DecomposeResult, "go", model=model, max_depth=1, **ROLES)
    result = await handle.result()
    assert result.error is not None
    assert (result.error.code, result.output) == ("PLAN_FAILED", None)


async def test_stop_reaches_every_level(env: Environment) -> None:
    """An agent two levels below waits for a person, whose request is at the root; stop ends them all."""
    solver = {"agent": {"name": "solver", "instructions": "You are solver."}}
    steps = [call("ask_human", question="Which?"), "never"]
    model = env.model({"You are planner.*": [divide("x")], "You are solver.*": steps})
    handle = await env.start_pattern(
        "Decompose", DecomposeResult, "go", model=model, max_depth=2, **{**ROLES, "solver": solver}
    )
    (request,) = await env.pending()
    assert request.workflow_id.count(".") == handle.id.count(".") + 3
    await update(handle, "stop", {"by": "ada"})
    assert (await handle.result()).stop_reason is StopReason.STOPPED
