"""Delegation: a child run with its own agent, what it inherits, and how it ends with its parent."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError
from temporalio.service import RPCError, RPCStatusCode

from perdure.domain.run import RunResult, StopReason
from perdure.testing import ALLOW_ALL, Environment, agents, call
from tests.samples import Host, sample_tools
from tests.waiting import eventually, pending, update

PAYER = "name: payer\ndescription: Pays.\nmodel: test:model-1\ntools: [pay, look]\nlimits: {turns: 3, tokens: 5000}\n"
LEAD = "name: lead\nmodel: test:model-2\ntools: [delegate, look]\n"


@pytest.fixture
async def team(client: Client, host: Host, tmp_path: Path) -> AsyncGenerator[Environment]:
    """A worker whose definitions hold two agents; the first model is the payer's, the second the lead's."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "payer.yaml").write_text(PAYER, encoding="utf-8")
    (tmp_path / "agents" / "lead.yaml").write_text(LEAD, encoding="utf-8")
    async with agents(sample_tools(host), client=client, settings={"definitions": tmp_path}) as environment:
        yield environment


async def child_of(env: Environment, handle: WorkflowHandle[object, RunResult]) -> WorkflowHandle[object, RunResult]:
    """The first child of a run, once it waits for a person; its parent lists it a moment before it is there."""
    child: WorkflowHandle[object, RunResult] = env.client.get_workflow_handle(f"{handle.id}.1", result_type=RunResult)

    async def started() -> bool:
        try:
            await child.describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True

    await eventually(started, bool)
    await pending(child)
    return child


async def test_a_child_asks_for_itself_and_its_answer_is_the_result(team: Environment, host: Host) -> None:
    """It runs its own agent under the parent's policy; its usage counts for the parent."""
    payer = team.model([call("pay", n=5), "paid"])
    lead = team.model([call("delegate", agent="payer", goal="pay 5"), "all paid"])
    handle = await team.start("pay the bill", agent="lead", requester="ada")
    child = await child_of(team, handle)
    (request,) = await pending(child)
    assert (request["agent"], request["requester"]) == ("payer", "ada")
    await child.signal("approve", {"request_id": request["request_id"], "approver": "bob"})
    result = await handle.result()
    assert (result.output, result.tool_calls, result.usage.input_tokens) == ("all paid", 2, 40)
    assert host.log == [("pay", 5)]
    told = team.scripted(lead).requests[-1].conversation.messages[-1]
    assert (told.kind, told.text) == ("tool_result", "paid")  # type: ignore[union-attr]
    assert len(team.scripted(payer).requests) == 2
    setup = await child.query("setup")
    assert setup["limits"]["tokens"] == 5_000, "what the parent has left must not widen the agent's own limit"
    assert setup["limits"]["turns"] == 3


async def test_stopping_a_run_stops_its_child(team: Environment, host: Host) -> None:
    """Both complete as stopped; nothing was paid."""
    team.model([call("pay", n=5)])
    team.model([call("delegate", agent="payer", goal="pay 5")])
    handle = await team.start("pay the bill", agent="lead")
    child = await child_of(team, handle)
    assert await update(handle, "stop", {}) == "stopping"
    assert (await handle.result()).stop_reason is StopReason.STOPPED
    assert (await child.result()).stop_reason is StopReason.STOPPED
    assert host.log == []


async def test_cancelling_a_run_cancels_its_child(team: Environment) -> None:
    """The parent does not take the child's end for an answer of the tool."""
    team.model([call("pay", n=5)])
    lead = team.model([call("delegate", agent="payer", goal="pay 5"), "never"])
    handle = await team.start("pay the bill", agent="lead")
    child = await child_of(team, handle)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert isinstance(failure.value.cause, CancelledError)
    await eventually(child.describe, lambda described: described.status is WorkflowExecutionStatus.CANCELED)
    assert len(team.scripted(lead).requests) == 1


async def test_a_child_that_is_cancelled_alone_is_a_result(team: Environment) -> None:
    """The parent goes on and tells its model."""
    team.model([call("pay", n=5)])
    lead = team.model([call("delegate", agent="payer", goal="pay 5"), "so be it"])
    handle = await team.start("pay the bill", agent="lead")
    await (await child_of(team, handle)).cancel()
    assert (await handle.result()).output == "so be it"
    assert team.scripted(lead).requests[-1].conversation.messages[-1].error == "CHILD_FAILED"  # type: ignore[union-attr]


async def test_what_a_model_gets_wrong_about_agents_is_a_result(team: Environment) -> None:
    """Impossible names, unknown agents and empty goals never fail the run."""
    team.model([])
    turn = [
        call("delegate", agent="../lead", goal="g"),
        call("delegate", agent="a b", goal="g"),
        call("delegate", agent="payer", goal=" "),
        call("delegate", agent="nobody", goal="g"),
    ]
    lead = team.model([[*turn, call("look", n=1)], "done"])
    handle = await team.start("go", agent="lead")
    assert (await handle.result()).success
    seen = team.scripted(lead).requests[-1].conversation.messages[-5:]
    wrong = "INVALID_ARGUMENTS"
    assert [message.error for message in seen] == [wrong, wrong, wrong, "CHILD_FAILED", ""]  # type: ignore[union-attr]
    assert "payer" in seen[3].text  # type: ignore[union-attr]


async def test_a_run_with_fewer_tools_cannot_get_them_back_by_delegating(team: Environment, host: Host) -> None:
    """The child is narrowed to what the run was given."""
    payer = team.model([call("pay", n=5), "could not"])
    team.model([call("delegate", agent="payer", goal="pay 5"), "done"])
    assert (await team.run("go", agent="lead", tools=["delegate", "look"], policy=ALLOW_ALL)).success
    assert host.log == []
    asked = team.scripted(payer).requests[-1]
    assert [spec.name for spec in asked.tools] == ["look"]
    assert asked.conversation.messages[-1].error == "UNKNOWN_TOOL"  # type: ignore[union-attr]
