"""What is large, forged or empty is bounded, refused or named."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError

from perdure.testing import ALLOW_ALL, Environment, agents, call
from tests.samples import Host, registry_of, sample_tools
from tests.waiting import pending, update


async def test_an_agents_own_policy_can_only_make_a_delegated_run_stricter(
    client: Client, host: Host, tmp_path: Path
) -> None:
    """The parent allows everything; the agent it delegates to still denies what it denies."""
    (tmp_path / "agents").mkdir()
    careful = "name: careful\npolicy: {rules: [{tool: pay, level: deny}]}\n"
    (tmp_path / "agents" / "careful.yaml").write_text(careful)
    async with agents(sample_tools(host), client=client, settings={"definitions": tmp_path}) as env:
        child = env.model([[call("pay", n=1), call("put", n=2)], "tried"])
        (tmp_path / "agents" / "careful.yaml").write_text(f"{careful}model: {child}\n")
        model = env.model([call("delegate", agent="careful", goal="pay"), "done"])
        assert (await env.run("go", model=model, policy=ALLOW_ALL)).success
    assert host.log == [("put", 2)]


async def test_saying_no_to_a_review_needs_no_digest(env: Environment, host: Host) -> None:
    """A reject by signal is enough."""
    handle = await env.start(
        "pay", model=env.model([call("pay", n=5), "ok"]), policy={"rules": [{"tool": "pay", "level": "review"}]}
    )
    (request,) = await pending(handle)
    await handle.signal("reject", {"request_id": request["request_id"], "approver": "bob"})
    assert (await handle.result()).success
    assert host.log == []


async def test_a_lineage_cannot_be_forged(env: Environment) -> None:
    """Only the server says which run started another."""
    lineage = {"root": "somebody", "parent": "somebody", "level": 1, "model": "test:x"}
    with pytest.raises(WorkflowFailureError) as failure:
        await env.run("x", model="test:x", lineage=lineage)
    assert "lineage" in str(failure.value.cause)


async def test_many_large_requests_still_fit_into_one_answer(client: Client) -> None:
    """Arguments beyond the answer's size are named; each request can be read whole."""

    async def post(text: str) -> str:
        """Post a text."""
        return text

    async with agents(registry_of(("once", post)), client=client) as env:
        model = env.model([[call("post", text=str(n) * 300_000) for n in range(3)]])
        handle = await env.start("post", model=model)
        requests = await pending(handle, 3)
        assert len(requests[0]["arguments"]["text"]) == 300_000
        assert "elided" in requests[2]["arguments"]
        whole: dict[str, Any] = await handle.query("request", {"request_id": requests[2]["request_id"]})
        assert whole["arguments"] == {"text": "2" * 300_000}
        assert len((await handle.query("status"))["pending"]) == 3
        await update(handle, "stop", {})
        await handle.result()


async def test_a_decision_that_is_too_large_is_refused(env: Environment) -> None:
    """It does not reach history."""
    handle = await env.start("pay", model=env.model([call("pay", n=5)]))
    (request,) = await pending(handle)
    answer = {"request_id": request["request_id"], "verdict": "respond", "approver": "bob", "response": "x" * 300_000}
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await update(handle, "decide", answer)
    assert "at most 262144 fit" in str(refused.value.cause)
    await update(handle, "stop", {})
    await handle.result()


async def test_null_is_an_answer_and_an_empty_one_is_noted(env: Environment) -> None:
    """A structured null stays null; an empty text completes with a warning."""
    assert (await env.run("x", model=env.model(["null"]), output_schema={"type": "null"})).output is None
    empty = await env.run("x", model=env.model([""]))
    assert (empty.success, empty.output) == (True, "")
    assert any("empty" in warning for warning in empty.warnings)


async def test_a_flood_of_calls_is_bounded(env: Environment, host: Host) -> None:
    """Calls beyond the bound of a turn are answered, not run."""
    model = env.model([[call("put", n=n) for n in range(505)], "done"])
    result = await env.run("x", model=model, policy=ALLOW_ALL, limits={"tool_calls": 1_000})
    assert result.success
    assert len(host.log) == 500
    seen = env.scripted(model).requests[-1].conversation.messages
    assert [m.error for m in seen if m.kind == "tool_result"][-5:] == ["TOO_MANY_CALLS"] * 5
