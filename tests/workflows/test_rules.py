"""Rules that nothing gets around: the operator's deny list, edits, approvers of questions and of unknown outcomes."""

from typing import Any

from temporalio.client import Client

from perdure.testing import ALLOW_ALL, Environment, agents, call
from tests.samples import Host, sample_tools
from tests.waiting import eventually, pending


async def test_the_operators_deny_list_overrides_every_policy(client: Client, host: Host) -> None:
    """Neither a policy that allows all nor a name written differently gets a call through."""
    async with agents(sample_tools(host), client=client, settings={"deny_tools": ("pa*",)}) as env:
        model = env.model([[call("pay", n=1), call("Pay", n=1), call("p\u0430y", n=1), call("put", n=2)], "done"])
        assert (await env.run("go", model=model, policy=ALLOW_ALL)).success
        seen = env.scripted(model).requests[-1].conversation.messages[-4:]
        errors = [message.error for message in seen]  # type: ignore[union-attr]
        assert errors == ["DENIED", "UNKNOWN_TOOL", "UNKNOWN_TOOL", ""]
        assert (await env.history()).count("tools.call") == 1
    assert host.log == [("put", 2)]


async def decide(handle: Any, request: dict[str, Any], **payload: Any) -> tuple[bool, str]:
    """Send a decision by update; whether it counted, and the code when not."""
    answer = await handle.execute_update("decide", {"request_id": request["request_id"], **payload})
    return answer["accepted"], answer["code"]


async def test_an_edit_is_held_to_the_rule_of_the_edited_call(env: Environment, host: Host) -> None:
    """A denied call, one for other approvers, and one that needs a review cannot be reached by editing."""
    rules = [
        {"tool": "pay", "arguments": {"n": "666"}, "level": "deny"},
        {"tool": "pay", "arguments": {"n": "1000"}, "level": "confirm", "approvers": ["boss"]},
        {"tool": "pay", "arguments": {"n": "500"}, "level": "review"},
    ]
    handle = await env.start("pay", model=env.model([call("pay", n=1), "ok"]), policy={"rules": rules})
    (request,) = await pending(handle)
    edit = {"verdict": "edit", "approver": "bob"}
    assert await decide(handle, request, **edit, arguments={"n": 666}) == (False, "denied_by_policy")
    assert await decide(handle, request, **edit, arguments={"n": 1000}) == (False, "approver_not_allowed")
    assert await decide(handle, request, **edit, arguments={"n": 500}) == (False, "digest_required")
    assert host.log == []
    assert await decide(handle, request, **edit, arguments={"n": 2}) == (True, "")
    assert (await handle.result()).success
    assert host.log == [("pay", 2)]


async def test_a_rule_says_who_answers_a_question(env: Environment) -> None:
    """Approvers and timeout of a rule hold for `ask_human` too."""
    rule = {"tool": "ask_human", "level": "confirm", "approvers": ["boss"], "timeout": 60}
    handle = await env.start(
        "ask", model=env.model([call("ask_human", question="Which?"), "ok"]), policy={"rules": [rule]}
    )
    (request,) = await pending(handle)
    assert request["expires_at"] is not None
    answer = {"verdict": "respond", "response": "red"}
    assert await decide(handle, request, **answer, approver="bob") == (False, "approver_not_allowed")
    assert await decide(handle, request, **answer, approver="boss") == (True, "")
    assert (await handle.result()).success


async def test_who_decides_a_call_also_decides_its_unknown_outcome(env: Environment, host: Host) -> None:
    """And silence never settles what happened to a payment."""
    host.lose = 1
    rule = {"tool": "pay", "level": "confirm", "approvers": ["boss"], "timeout": 60}
    handle = await env.start("pay", model=env.model([call("pay", n=1), "ok"]), policy={"rules": [rule]})
    (request,) = await pending(handle)
    assert await decide(handle, request, verdict="approve", approver="boss") == (True, "")

    async def unknown() -> list[dict[str, Any]]:
        return [r for r in (await handle.query("pending_approvals"))["requests"] if r["kind"] == "unknown_outcome"]

    (request,) = await eventually(unknown, lambda requests: len(requests) == 1)
    assert request["expires_at"] is None
    assert await decide(handle, request, verdict="approve", approver="bob") == (False, "approver_not_allowed")
    assert await decide(handle, request, verdict="respond", response="paid", approver="boss") == (True, "")
    assert (await handle.result()).success
    assert host.log == [("pay", 1)]
