"""What lists of runs show: search attributes and memo, while a run waits and when it has ended."""

from typing import Any

from temporalio.client import Client, WorkflowExecution

from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.waiting import eventually, pending, update


async def found(client: Client, query: str) -> list[WorkflowExecution]:
    """Runs that match a query."""
    return [run async for run in client.list_workflows(query)]


async def test_runs_are_found_by_state_and_by_what_waits(env: Environment) -> None:
    """A waiting run shows how many requests are open, its agent, and the title of the oldest one."""
    model = env.model([[call("pay", n=1), call("pay", n=2)]])
    handle = await env.start("pay", model=model, tenant="acmé")
    await pending(handle, 2)
    here = f"WorkflowId = '{handle.id}' AND PerdureState = "
    query = f"{here}'waiting' AND PerdurePending = 2"
    (run,) = await eventually(lambda: found(env.client, query), lambda runs: len(runs) == 1)
    pairs: list[Any] = list(run.typed_search_attributes)
    shown: dict[str, Any] = {pair.key.name: pair.value for pair in pairs}
    assert (shown["PerdureAgent"], shown["PerdureModel"], shown["PerdureTenant"]) == ("default", model, "acmé")
    assert shown["PerdureRoot"] == handle.id
    assert await run.memo_value("pending") == "Pay 1 to the bank"
    first, _ = await pending(handle, 2)
    decision = {"request_id": first["request_id"], "verdict": "stop", "approver": "bob"}
    assert (await update(handle, "decide", decision))["accepted"]
    assert (await handle.result()).stop_reason is StopReason.STOPPED
    query = f"{here}'failed' AND PerdurePending = 0"
    (run,) = await eventually(lambda: found(env.client, query), lambda runs: len(runs) == 1)
    assert await run.memo_value("pending", None) is None
    assert (await handle.query("pending_approvals"))["requests"] == []
