"""Approvals: who is asked, what counts as a decision, and what a decision does."""

from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.samples import Host
from tests.waiting import eventually, pending, update

REVIEW = {"rules": [{"tool": "pay", "level": "review"}]}


async def test_an_effect_without_a_rule_waits_for_one_decision(env: Environment, host: Host) -> None:
    """Pure tools run, everything else is asked; nothing happens before the answer."""
    handle = await env.start("pay", model=env.model([[call("look", n=1), call("pay", n=5)], "done"]), requester="ada")
    (request,) = await pending(handle)
    assert request["title"] == "Pay 5 to the bank"
    assert request["request_id"] == f"req-2-{request['digest'][:8]}"
    assert (request["kind"], request["level"], request["requester"]) == ("tool_call", "confirm", "ada")
    assert request["answer_schema"]["required"] == ["n"]
    assert ("pay", 5) not in host.log
    await handle.signal("approve", {"request_id": request["request_id"], "approver": "bob"})
    assert (await handle.result()).success
    assert [tool for tool, _ in host.log] == ["look", "pay"]


async def test_all_approvals_of_a_turn_are_asked_at_once(env: Environment, host: Host) -> None:
    """The order of the answers does not change the order of the effects."""
    handle = await env.start("pay", model=env.model([[call("pay", n=1), call("pay", n=2)], "done"]))
    first, second = await pending(handle, 2)
    for request in (second, first):
        await handle.signal("approve", {"request_id": request["request_id"], "approver": "bob"})
    await handle.result()
    assert host.log == [("pay", 1), ("pay", 2)]


async def test_a_rejection_is_told_to_the_model_and_the_run_goes_on(env: Environment, host: Host) -> None:
    """The reason is in the result; the tool is not run."""
    model = env.model([call("pay", n=5), "understood"])
    handle = await env.start("pay", model=model)
    (request,) = await pending(handle)
    await handle.signal("reject", {"request_id": request["request_id"], "approver": "bob", "reason": "too much"})
    result = await handle.result()
    assert (result.success, result.output, result.tool_calls) == (True, "understood", 0)
    told = env.scripted(model).requests[-1].conversation.messages[-1]
    assert told.kind == "tool_result"
    assert told.error == "REJECTED"
    assert "too much" in told.text
    assert host.log == []


async def decide(handle: Any, **payload: Any) -> dict[str, Any]:
    """Send a decision by update."""
    return await update(handle, "decide", {"approver": "bob", **payload})


async def test_an_edit_changes_the_call_and_the_model_is_told(env: Environment, host: Host) -> None:
    """The edited arguments run, checked against the schema first."""
    model = env.model([call("pay", n=500), "ok"])
    handle = await env.start("pay", model=model)
    (request,) = await pending(handle)
    bad = await decide(handle, request_id=request["request_id"], verdict="edit", arguments={"n": "five"})
    assert (bad["accepted"], bad["code"]) == (False, "invalid_arguments")
    good = await decide(handle, request_id=request["request_id"], verdict="edit", arguments={"n": 5})
    assert good["accepted"]
    await handle.result()
    assert host.log == [("pay", 5)]
    assert "bob changed the arguments" in env.scripted(model).requests[-1].conversation.messages[-1].text  # type: ignore[union-attr]


async def test_a_person_may_answer_instead_of_the_tool(env: Environment, host: Host) -> None:
    """The response is the result of the call."""
    model = env.model([call("pay", n=5), "ok"])
    handle = await env.start("pay", model=model)
    (request,) = await pending(handle)
    await decide(handle, request_id=request["request_id"], verdict="respond", response="paid by hand")
    await handle.result()
    assert "paid by hand" in env.scripted(model).requests[-1].conversation.messages[-1].text  # type: ignore[union-attr]
    assert host.log == []


async def test_stop_ends_the_run_at_a_request(env: Environment, host: Host) -> None:
    """The run completes as stopped and nothing was run."""
    handle = await env.start("pay", model=env.model([call("pay", n=5)]))
    (request,) = await pending(handle)
    await decide(handle, request_id=request["request_id"], verdict="stop")
    assert (await handle.result()).stop_reason is StopReason.STOPPED
    assert host.log == []


async def test_wrong_decisions_change_nothing_and_say_why(env: Environment, host: Host) -> None:
    """Wrong digest, wrong verdict, wrong approver, a used request and an unknown one."""
    rule = {"tool": "pay", "level": "confirm", "approvers": ["b*"]}
    handle = await env.start(
        "pay", model=env.model([call("pay", n=5), call("pay", n=6), "ok"]), policy={"rules": [rule]}
    )
    (request,) = await pending(handle)
    name = request["request_id"]
    refused = [
        (await decide(handle, request_id=name, verdict="approve", digest="0" * 64), "digest_mismatch"),
        (await decide(handle, request_id=name, verdict="escalate"), "verdict_not_allowed"),
        (await decide(handle, request_id=name, verdict="approve", approver="mallory"), "approver_not_allowed"),
        (await decide(handle, request_id=name, verdict="approve", token="x"), "token_unsupported"),  # noqa: S106 - made up
        (await decide(handle, request_id=name, verdict="approve", response="x"), "response_unexpected"),
    ]
    assert [(answer["accepted"], answer["code"]) for answer, _ in refused] == [(False, code) for _, code in refused]
    assert host.log == []
    with pytest.raises(WorkflowUpdateFailedError) as unknown:
        await decide(handle, request_id="req-9-00000000", verdict="approve")
    assert name in str(unknown.value.cause)
    await handle.signal("approve", {"request_id": "req-9-00000000", "approver": "bob"})
    assert (await decide(handle, request_id=name, verdict="approve", digest=request["digest"]))["accepted"]

    async def look() -> list[dict[str, Any]]:
        return (await handle.query("pending_approvals"))["requests"]

    await eventually(look, lambda requests: bool(requests) and requests[0]["arguments"] == {"n": 6})
    again = await decide(handle, request_id=name, verdict="approve")
    assert (again["accepted"], again["code"]) == (False, "already_decided")
    codes = [notice["code"] for notice in (await handle.query("status"))["notices"]]
    assert codes.count("decision.refused") == 6
    assert codes.count("signal.ignored") == 1
    await update(handle, "stop", {})
    await handle.result()
    assert host.log == [("pay", 5)]


async def test_a_review_needs_the_digest_and_an_update(env: Environment, host: Host) -> None:
    """A signal without a digest is not enough."""
    handle = await env.start("pay", model=env.model([call("pay", n=5), "ok"]), policy=REVIEW)
    (request,) = await pending(handle)
    await handle.signal("approve", {"request_id": request["request_id"], "approver": "bob"})
    missing = await decide(handle, request_id=request["request_id"], verdict="approve")
    assert missing["code"] == "digest_required"
    assert host.log == []
    assert (await decide(handle, request_id=request["request_id"], verdict="approve", digest=request["digest"]))[
        "accepted"
    ]
    assert (await handle.result()).success


@pytest.mark.parametrize(("on_timeout", "reason"), [("reject", StopReason.COMPLETED), ("stop", StopReason.STOPPED)])
async def test_silence_is_a_decision_when_a_rule_says_so(
    env: Environment, host: Host, on_timeout: str, reason: StopReason
) -> None:
    """The timer decides by the rule; the call is not run."""
    rule = {"tool": "pay", "level": "confirm", "timeout": 0.2, "on_timeout": on_timeout}
    handle = await env.start("pay", model=env.model([call("pay", n=5), "ok"]), policy={"rules": [rule]})
    assert (await handle.result()).stop_reason is reason
    assert host.log == []


async def test_deny_answers_the_model_or_ends_the_run(env: Environment, host: Host) -> None:
    """Nobody is asked."""
    rule = {"tool": "pay", "arguments": {"n": "5"}, "level": "deny"}
    result = await env.run("pay", model=env.model([call("pay", n=5), "ok"]), policy={"rules": [rule]})
    assert result.success
    rule["on_deny"] = "stop"
    result = await env.run("pay", model=env.model([call("pay", n=5), "ok"]), policy={"rules": [rule]})
    assert result.stop_reason is StopReason.REJECTED
    assert host.log == []


async def test_notify_runs_and_leaves_a_notice(env: Environment, host: Host) -> None:
    """The first rule that matches counts."""
    rules = [{"effect": ["once"], "level": "notify"}, {"tool": "pay", "level": "deny"}]
    handle = await env.start("pay", model=env.model([call("pay", n=5), "ok"]), policy={"rules": rules})
    await handle.result()
    assert host.log == [("pay", 5)]
    assert [notice["code"] for notice in (await handle.query("status"))["notices"]] == ["call.notified"]


async def test_ask_human_waits_for_an_answer_that_fits(env: Environment) -> None:
    """A question is answered with respond; its options are the schema of the answer."""
    model = env.model([call("ask_human", question="Which one?", options=["red", "blue"]), "ok"])
    handle = await env.start("choose", model=model)
    (request,) = await pending(handle)
    assert (request["kind"], request["title"]) == ("question", "Which one?")
    wrong = await decide(handle, request_id=request["request_id"], verdict="respond", response="green")
    assert wrong["code"] == "invalid_response"
    assert (await decide(handle, request_id=request["request_id"], verdict="approve"))["code"] == "verdict_not_allowed"
    await decide(handle, request_id=request["request_id"], verdict="respond", response="blue")
    result = await handle.result()
    assert (result.success, result.tool_calls) == (True, 1)
    assert env.scripted(model).requests[-1].conversation.messages[-1].text == "blue"  # type: ignore[union-attr]
