"""The pattern `PlanExecute`: plans as data, mistakes that go back, failures that are planned around."""

import json
from typing import Any

import pytest
from pydantic import ValidationError
from temporalio.client import WorkflowHandle

from perdure.domain.approvals import Request
from perdure.domain.patterns.planning import PlanExecuteInput, PlanExecuteResult, PlanItem, plan_mistakes
from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.waiting import eventually, update

PLAN, REST, LAST = "*Make a plan for*", "*has failed in part*", "*Give the final answer*"


def answer(*items: dict[str, Any]) -> str:
    """A planner's answer."""
    return json.dumps({"items": items})


def item(name: str, *needs: str) -> dict[str, Any]:
    """An item whose text is "do" and its id."""
    return {"id": name, "text": f"do {name}", "needs": list(needs)}


def states(result: PlanExecuteResult) -> dict[str, str]:
    """State of each item."""
    return {each.id: each.status for each in result.plan}


def test_a_plan_is_checked_whole() -> None:
    """Nothing in it, a cycle, an unknown need and an id of an item that is done are mistakes; a done need is none."""
    items = [PlanItem(id="a", text="a", needs=("b",)), PlanItem(id="b", text="b", needs=("a", "old", "nwe"))]
    assert plan_mistakes(items, ["old"]) == [
        "task 'b' needs 'nwe', which is no task.",
        "tasks wait for each other: a -> b -> a",
    ]
    assert plan_mistakes([], []) == ["the plan has no items"]
    assert plan_mistakes([], ["old"], first=False) == []
    assert plan_mistakes([PlanItem(id="old", text="x")], ["old"]) == [
        "item 'old' is done: the rest of the plan needs other ids"
    ]


def test_the_input_says_how_it_plans() -> None:
    """`plan: review` is a review; a pattern that plans cannot be told not to."""
    assert PlanExecuteInput.model_validate({"goal": "go", "plan": "review"}).review
    assert not PlanExecuteInput.model_validate({"goal": "go", "plan": "auto"}).review
    with pytest.raises(ValidationError, match="works by a plan"):
        PlanExecuteInput.model_validate({"goal": "go", "plan": "off"})


async def test_items_are_done_with_the_results_they_need(env: Environment) -> None:
    """The plan is in the status with its results; the answer is made of all of them."""
    model = env.model(
        {PLAN: [answer(item("a"), item("b"), item("c", "a", "b"))], "*do a": ["A"], "*do b": ["B"], "*do c": ["C"],
         LAST: ["all"]}
    )  # fmt: skip
    handle = await env.start_pattern("PlanExecute", PlanExecuteResult, "the task", model=model)
    result = await handle.result()
    assert (result.success, result.output, result.plans) == (True, "all", 1)
    assert [(each.id, each.status, each.result) for each in result.plan] == [
        ("a", "done", "A"),
        ("b", "done", "B"),
        ("c", "done", "C"),
    ]
    plan = (await handle.query("status"))["plan"]
    assert plan[2] == {"id": "c", "text": "do c", "needs": ["a", "b"], "status": "done", "result": "C"}
    asked = {text.splitlines()[-1]: text for text in first_messages(env, model)}
    assert "<context title='result of a'>\nA\n" in asked["do c"]
    assert "<context title='result of b'>\nB\n" in asked["do c"]
    assert "result of" not in asked["do a"]
    assert "the task" in asked["do a"]


async def test_mistakes_go_back_to_the_planner(env: Environment) -> None:
    """A cycle is not dropped: the planner is told its path, and gives another plan."""
    model = env.model(
        {"*a -> b -> a*Make a plan for*": [answer(item("a"))], PLAN: [answer(item("a", "b"), item("b", "a"))],
         "*do a": ["A"], LAST: ["all"]}
    )  # fmt: skip
    handle = await env.start_pattern("PlanExecute", PlanExecuteResult, "the task", model=model)
    result = await handle.result()
    assert (result.success, result.output, states(result)) == (True, "all", {"a": "done"})
    assert [step.step_id for step in result.steps] == ["plan-1", "plan-1", "a", "answer"]


async def test_a_planner_that_only_makes_mistakes_ends_it(env: Environment) -> None:
    """After three plans it is PLAN_INVALID with all that is wrong; nothing was carried out."""
    model = env.model({PLAN: [answer(item("a", "a"))]})
    handle = await env.start_pattern("PlanExecute", PlanExecuteResult, "the task", model=model)
    result = await handle.result()
    assert (result.success, result.plan, len(result.steps)) == (False, (), 3)
    assert result.error is not None
    assert (result.error.code, "needs itself" in result.error.message) == ("PLAN_INVALID", True)


async def test_the_rest_is_planned_anew_when_an_item_fails(env: Environment) -> None:
    """The planner is told what is done, what failed and why, and what was not run; the plan keeps all of it."""
    model = env.model(
        {PLAN: [answer(item("a"), item("b"), item("c", "b"))], REST: [answer(item("b2", "a"))],
         "*do a": ["A"], "*do b": [], "*do b2": ["B2"], LAST: ["all"]}
    )  # fmt: skip
    handle = await env.start_pattern("PlanExecute", PlanExecuteResult, "the task", model=model)
    result = await handle.result()
    assert (result.success, result.output, result.plans) == (True, "all", 2)
    assert states(result) == {"a": "done", "b": "failed", "c": "skipped", "b2": "done"}
    (told,) = [text for text in first_messages(env, model) if "failed in part" in text]
    assert "- a (done): do a\n  result: A" in told
    assert "- b (failed): do b\n  why: the script has 0 steps" in told
    assert "- c (skipped): do c\n  why: it needs 'b', which failed" in told
    assert not any(text.endswith("do c") for text in first_messages(env, model))


async def test_replanning_is_bounded(env: Environment) -> None:
    """After the last replan it ends PLAN_FAILED; what is done is the output."""
    model = env.model({PLAN: [answer(item("a"), item("b"))], REST: [answer(item("b"))], "*do a": ["A"], "*do b": []})
    handle = await env.start_pattern("PlanExecute", PlanExecuteResult, "the task", model=model, replans=1)
    result = await handle.result()
    assert (result.success, result.stop_reason, result.output) == (False, StopReason.ERROR, {"a": "A"})
    assert result.error is not None
    assert (result.error.code, result.plans) == ("PLAN_FAILED", 2)
    assert [step.step_id for step in result.steps].count("b") == 2
    assert not any("final answer" in text for text in first_messages(env, model))


async def test_a_rest_without_items_means_that_it_is_enough(env: Environment) -> None:
    """Then the answer is made of what is done."""
    model = env.model(
        {PLAN: [answer(item("a"), item("b"))], REST: [answer()], "*do a": ["A"], "*do b": [], LAST: ["enough"]}
    )
    handle = await env.start_pattern("PlanExecute", PlanExecuteResult, "the task", model=model)
    result = await handle.result()
    assert (result.success, result.output, states(result)) == (True, "enough", {"a": "done", "b": "failed"})


async def test_a_planner_that_fails_says_so(env: Environment) -> None:
    """There is no plan, and the error has its words."""
    handle = await env.start_pattern("PlanExecute", PlanExecuteResult, "the task", model=env.model([]))
    result = await handle.result()
    assert result.error is not None
    assert (result.success, result.error.code) == (False, "PLANNING_FAILED")


async def test_a_stopped_plan_is_kept_as_it_stands(env: Environment) -> None:
    """Done, running and pending items are in the result and were in the current details."""
    model = env.model(
        {PLAN: [answer(item("a"), item("b", "a"), item("c", "b"))], "*do a": ["A"],
         "*do b": [call("ask_human", question="When?"), "never"]}
    )  # fmt: skip
    handle = await env.start_pattern("PlanExecute", PlanExecuteResult, "the task", model=model)
    await env.pending()
    status = await eventually(lambda: handle.query("status"), lambda status: len(status["plan"]) == 3)
    assert [each["status"] for each in status["plan"]] == ["done", "running", "pending"]
    details = await handle.query("__temporal_workflow_metadata")
    assert "- [x] `a` do a\n- [~] `b` do b\n- [ ] `c` do c" in str(details.current_details)
    await update(handle, "stop", {"by": "ada"})
    result = await handle.result()
    assert (result.stop_reason, result.output) == (StopReason.STOPPED, {"a": "A"})
    assert states(result)["a"] == "done"
    assert states(result)["c"] == "pending"


async def test_people_review_and_edit_the_plan(env: Environment) -> None:
    """The first is rejected with notes, the second edited: first into a cycle, which comes back, then well."""
    model = env.model(
        {"*needs more care*Make a plan for*": [answer(item("b"))], PLAN: [answer(item("a"))],
         "*do b": ["B"], "*do c": ["C"], LAST: ["all"]}
    )  # fmt: skip
    handle = await env.start_pattern("PlanExecute", PlanExecuteResult, "the task", model=model, plan="review")
    (first,) = await env.pending()
    assert (first.kind, first.arguments, first.title) == (
        "plan",
        {"items": [{"id": "a", "text": "do a"}]},
        "Plan 1: the task",
    )
    await decide(handle, first, verdict="reject", reason="it needs more care")
    (second,) = await other(env, first)
    assert second.arguments == {"items": [{"id": "b", "text": "do b"}]}
    ring = {"items": [item("b", "c"), item("c", "b")]}
    await decide(handle, second, verdict="edit", arguments=ring)
    (third,) = await other(env, second)
    assert "b -> c -> b" in third.reason
    await decide(handle, third, verdict="edit", arguments={"items": [item("b"), item("c", "b")]})
    result = await handle.result()
    assert (result.success, result.output, states(result)) == (True, "all", {"b": "done", "c": "done"})


async def test_silence_about_a_plan_ends_it(env: Environment) -> None:
    """Nobody said what to change: it is rejected once, and nothing is carried out."""
    model = env.model({PLAN: [answer(item("a"))], "*do a": ["never"]})
    handle = await env.start_pattern(
        "PlanExecute", PlanExecuteResult, "the task", model=model, review=True,
        reviewers={"level": "review", "timeout": 0.2},
    )  # fmt: skip
    result = await handle.result()
    assert (result.success, result.stop_reason, len(result.steps)) == (False, StopReason.REJECTED, 1)
    assert result.error is not None
    assert result.error.code == "PLAN_REJECTED"


async def decide(handle: WorkflowHandle[Any, Any], request: Request, **fields: Any) -> None:
    """Decide a request, which must be accepted."""
    given = {"request_id": request.request_id, "digest": request.digest, "approver": "ada", **fields}
    answered = await update(handle, "decide", given)
    assert answered["accepted"], answered


async def other(env: Environment, before: Request) -> list[Request]:
    """What waits once that request does not any more."""

    def next_one(requests: list[Request]) -> bool:
        return [each.request_id for each in requests] != [before.request_id]

    return await eventually(env.pending, next_one)


def first_messages(env: Environment, model: str) -> list[str]:
    """How each conversation with the model began."""
    return [request.conversation.messages[0].text for request in env.scripted(model).requests]
