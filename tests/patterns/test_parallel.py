"""The pattern `Parallel`, and what all patterns share: leases, control, steps, failures as data."""

import json
from typing import Any

from perdure.domain.patterns.parallel import ParallelResult
from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.waiting import eventually, update


def branches(*goals: str) -> list[dict[str, Any]]:
    """Branches with these goals, whose ids are their last words."""
    return [{"id": goal.split()[-1], "goal": goal} for goal in goals]


async def test_branches_run_apart_and_failures_are_data(env: Environment) -> None:
    """Each has its own conversation; one that fails is named beside those that succeed."""
    model = env.model({"*say a": ["A"], "*say b": [], "*say c": ["C"]})
    handle = await env.start_pattern(
        "Parallel", ParallelResult, "go", model=model, branches=branches("say a", "say b", "say c"), min_successes=2
    )
    result = await handle.result()
    assert (result.success, result.output, result.outputs) == (True, {"a": "A", "c": "C"}, {"a": "A", "c": "C"})
    assert (list(result.failures), result.failures["b"].code) == (["b"], "UnexpectedStep")
    assert [
        (step.step_id, step.success, step.tokens_used) for step in sorted(result.steps, key=lambda s: s.step_id)
    ] == [
        ("a", True, 15),
        ("b", False, 0),
        ("c", True, 15),
    ]
    assert (result.turns, result.usage.input_tokens) == (2, 20)
    progress = (await handle.query("status"))["progress"]
    assert (progress["stage"], progress["done"], progress["total"]) == ("branches", 3, 3)
    assert (await env.history(handle)).count("llm.reply") == 0


async def test_too_many_failures_are_no_success(env: Environment) -> None:
    """By default every branch must succeed; what was reached is there."""
    model = env.model({"*say a": ["A"], "*say b": []})
    handle = await env.start_pattern("Parallel", ParallelResult, "go", model=model, branches=branches("say a", "say b"))
    result = await handle.result()
    assert (result.success, result.stop_reason, result.outputs) == (False, StopReason.ERROR, {"a": "A"})
    assert result.error is not None
    assert (result.error.code, "failed: b" in result.error.message) == ("BRANCHES_FAILED", True)


async def test_a_branch_is_tried_again(env: Environment) -> None:
    """Retries are runs of their own; the step counts once."""
    given = {"id": "x", "goal": "say x", "retries": 2}
    handle = await env.start_pattern("Parallel", ParallelResult, "go", model=env.model([]), branches=[given])
    result = await handle.result()
    assert (result.success, len(result.steps)) == (False, 1)
    assert len((await handle.query("status"))["children"]) == 3


async def test_leases_never_exceed_the_limits(env: Environment) -> None:
    """Four at a time share what is free; a branch for which nothing is left fails without a model call."""
    handle = await env.start_pattern(
        "Parallel",
        ParallelResult,
        "go",
        model=env.model(["done"]),
        branches=[{"goal": "say it"} for _ in range(12)],
        max_concurrent=4,
        limits={"tokens": 1_500},
        tools=[],
    )
    result = await handle.result()
    spent = result.usage.input_tokens + result.usage.output_tokens
    assert 0 < spent <= 1_500
    assert {error.code for error in result.failures.values()} <= {"TOKEN_LIMIT"}
    assert len(result.outputs) + len(result.failures) == 12
    starts = [
        json.loads(event.start_child_workflow_execution_initiated_event_attributes.input.payloads[0].data)
        for event in (await handle.fetch_history()).events
        if event.HasField("start_child_workflow_execution_initiated_event_attributes")
    ]
    assert sum(each["limits"]["tokens"] for each in starts[:4]) <= 1_500


async def test_stop_reaches_the_branches(env: Environment) -> None:
    """They end with what they have; the result says so and keeps what had ended."""
    model = env.model({"*say a": ["A"], "*wait": [call("ask_human", question="When?"), "never"]})
    handle = await env.start_pattern(
        "Parallel", ParallelResult, "go", model=model, branches=branches("say a", "now wait")
    )
    (request,) = await env.pending()
    assert request.workflow_id.startswith(f"{handle.id}.")
    await eventually(lambda: handle.query("status"), lambda status: status["progress"]["done"] == 1)
    await update(handle, "stop", {"by": "ada"})
    result = await handle.result()
    assert (result.success, result.stop_reason, result.output) == (False, StopReason.STOPPED, "A")


async def test_what_people_say_reaches_running_and_later_branches(env: Environment) -> None:
    """A message to the pattern is a message to those at work, and context of those to come."""
    model = env.model({"*first": [call("ask_human", question="When?"), "one"], "*second": ["two"]})
    handle = await env.start_pattern(
        "Parallel", ParallelResult, "go", model=model, branches=branches("do first", "do second"), max_concurrent=1
    )
    (request,) = await env.pending()
    await update(handle, "steer", {"text": "be brief"})
    answer = {"request_id": request.request_id, "verdict": "respond", "response": "now", "approver": "ada"}
    assert (await update(handle, "decide", answer))["accepted"]
    assert (await handle.result()).outputs == {"first": "one", "second": "two"}
    seen = [item.conversation.messages for item in env.scripted(model).requests]
    assert any(message.text == "be brief" for message in seen[1])
    assert "be brief" in seen[2][0].text
