"""What once went wrong where a run continues as new, closes or is configured: each case with its right end."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from perdure.domain.run import StopReason
from perdure.testing import ALLOW_ALL, Environment, agents, call, eventually
from tests.samples import Host, registry_of, sample_tools
from tests.waiting import pending, state_is, update


@pytest.fixture
async def rolling(client: Client, host: Host) -> AsyncGenerator[Environment]:
    """A worker whose runs continue as new at every step."""
    async with agents(sample_tools(host), client=client, settings={"rollover_events": 1}) as env:
        yield env


@pytest.mark.parametrize("which", [0, 1, 2])
async def test_a_rejection_that_ends_the_run_is_not_lost_at_a_rollover(
    rolling: Environment, host: Host, which: int
) -> None:
    """Whichever of three calls is rejected: nothing runs."""
    rule = {"tool": "pay", "level": "confirm", "on_deny": "stop"}
    model = rolling.model([[call("pay", n=n) for n in range(3)], "never"])
    handle = await rolling.start("go", model=model, policy={"rules": [rule]})
    requests = await pending(handle, 3)
    await handle.signal("reject", {"request_id": requests[which]["request_id"], "approver": "ann"})
    assert (await handle.result()).stop_reason is StopReason.REJECTED
    assert host.log == []


async def test_a_limit_is_widened_while_the_run_is_paused(rolling: Environment) -> None:
    """The decision is taken at once, and the run goes on when it is resumed."""
    model = rolling.model([call("look", n=1), "done"])
    handle = await rolling.start("go", model=model, limits={"turns": 1}, on_limit="ask")
    (request,) = await pending(handle)
    await update(handle, "pause", {})
    await handle.signal("steer", {"text": "a hint"})
    decide = {"request_id": request["request_id"], "verdict": "edit", "arguments": {"turns": 5}, "approver": "ann"}
    assert (await asyncio.wait_for(update(handle, "decide", decide), 15))["accepted"]
    await update(handle, "resume", {})
    assert (await handle.result()).output == "done"


@pytest.mark.parametrize("seconds", [1e9, 1e12, 1e15, 1e300])
async def test_times_that_no_clock_can_hold_are_refused(env: Environment, seconds: float) -> None:
    """As a limit, as a timeout of a rule, and by `configure`."""
    model = env.model([call("pay", n=1), "done"])
    bad: list[dict[str, Any]] = [
        {"limits": {"seconds": seconds}},
        {"policy": {"rules": [{"level": "confirm", "timeout": seconds}]}},
    ]
    for given in bad:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run("go", model=model, **given)
        assert isinstance(failure.value.cause, ApplicationError)
        assert failure.value.cause.type == "InvalidInput"
    handle = await env.start("go", model=model)
    await pending(handle)
    with pytest.raises(WorkflowUpdateFailedError):
        await update(handle, "configure", {"limits": {"seconds": seconds}, "by": "ann"})
    await update(handle, "stop", {})


@pytest.mark.parametrize("settings", [{}, {"rollover_events": 1}])
async def test_the_budget_counts_what_the_model_was_not_sent_yet(client: Client, settings: dict[str, Any]) -> None:
    """A result that does not fit into the rest of the tokens ends the run, rolled over or not."""

    async def read() -> str:
        """Read a document."""
        return "word " * 6_000

    async with agents(registry_of(("pure", read)), client=client, settings=settings) as env:
        model = env.model([call("read"), "never"])
        result = await env.run("go", model=model, policy=ALLOW_ALL, limits={"tokens": 3_000})
        assert (result.stop_reason, result.turns) == (StopReason.TOKEN_LIMIT, 1)


async def test_what_is_configured_in_a_turn_that_ends_short_holds_for_the_next_question(env: Environment) -> None:
    """The answer of `configure` is kept, however the turn ends."""
    model, other = env.model(["hello", call("pay", n=1), "never"]), env.model(["", "", "by the other model"])
    session, rule = f"{env.task_queue}-configured", {"level": "confirm", "on_deny": "stop"}
    assert await env.ask(session, "hello", "m0", model=model, policy={"rules": [rule]}) == "hello"
    asked = asyncio.create_task(env.ask(session, "pay", "m1"))
    handle = env.client.get_workflow_handle(session)
    (request,) = await pending(handle)
    changed = (await update(handle, "configure", {"model": other, "by": "ann"}))["changed"]
    assert changed == {"model": {"from": model, "to": other}}
    await handle.signal("reject", {"request_id": request["request_id"], "approver": "ann"})
    with pytest.raises(WorkflowUpdateFailedError):
        await asked
    assert await env.ask(session, "go on", "m2") == "by the other model"


async def test_a_decision_that_no_state_could_hold_is_refused(rolling: Environment) -> None:
    """JSON of 195 levels is read at the door, but not inside a state: the update says so, the run goes on."""
    handle = await rolling.start("go", model=rolling.model([call("ask_human", question="Which?"), "done"]))
    (request,) = await pending(handle)
    deep: Any = "core"
    for _ in range(195):
        deep = [deep]
    decide = {"request_id": request["request_id"], "verdict": "respond", "response": deep, "approver": "ann"}
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await update(handle, "decide", decide)
    assert isinstance(refused.value.cause, ApplicationError)
    assert "nested too deeply" in refused.value.cause.message
    assert (await update(handle, "decide", {**decide, "response": "red"}))["accepted"]
    assert (await handle.result()).output == "done"


async def test_a_session_that_was_opened_again_does_not_forget_what_it_answered_since(env: Environment) -> None:
    """A cancelled session is over; what it had kept at an earlier close is not taken up a second time."""
    model = env.model(["one", "two", "never"])
    session = f"{env.task_queue}-stale"
    handle = env.client.get_workflow_handle(session)
    assert await env.ask(session, "first", "m1", model=model, idle_seconds=0.2) == "one"
    await handle.result()
    assert await env.ask(session, "second", "m2", idle_seconds=60) == "two"
    await handle.cancel()
    await eventually(handle.describe, lambda described: described.close_time is not None)
    assert await env.ask(session, "first", "m1", model=env.model(["another", "never"])) == "another"


async def test_a_message_to_a_session_outlives_its_close(env: Environment) -> None:
    """What was queued for the next question is still there when the session opens again."""
    model = env.model(["one", "two", "never"])
    session = f"{env.task_queue}-steered"
    handle = env.client.get_workflow_handle(session)
    assert await env.ask(session, "first", "m1", model=model, idle_seconds=1) == "one"
    assert (await update(handle, "steer", {"text": "be brief"}))["position"] == 1
    await handle.result()
    assert await env.ask(session, "second", "m2", idle_seconds=60) == "two"
    texts = [message["text"] for message in await env.transcript(handle) if message["kind"] == "user"]
    assert texts == ["first", "second", "be brief"]


async def test_a_state_cannot_be_forged_with_a_cron_schedule(rolling: Environment) -> None:
    """Runs of a schedule continue each other too; none of them takes a state that was its input."""
    assert (await rolling.run("count", model=rolling.model([call("look", n=1), "done"]))).success
    last = (await rolling.history()).runs[-1].events[0].workflow_execution_started_event_attributes
    (state,) = await rolling.client.data_converter.decode(last.input.payloads)
    handle = await rolling.client.start_workflow(
        "Agent", state, id=f"{rolling.task_queue}-cron", task_queue=rolling.task_queue, cron_schedule="@every 1s"
    )

    async def failures() -> list[str]:
        """Types of the failures of the runs of this schedule."""
        found: list[str] = []
        async for run in rolling.client.list_workflows(f"WorkflowId = '{handle.id}' AND CloseTime IS NOT NULL"):
            history = await rolling.client.get_workflow_handle(handle.id, run_id=run.run_id).fetch_history()
            failed = history.events[-1].workflow_execution_failed_event_attributes.failure
            found.append(failed.application_failure_info.type)
        return found

    types = await eventually(failures, lambda seen: len(seen) >= 2)
    assert set(types) == {"InvalidInput"}
    await handle.terminate()


async def test_a_pause_shows_while_a_session_is_idle(env: Environment) -> None:
    """A paused session says so, and answers once it is resumed."""
    model = env.model(["one", "two", "never"])
    session = f"{env.task_queue}-paused"
    handle = env.client.get_workflow_handle(session)
    assert await env.ask(session, "first", "m1", model=model) == "one"
    assert await update(handle, "pause", {}) == "paused"
    asked = asyncio.create_task(env.ask(session, "second", "m2"))
    await state_is(handle, "paused")
    await update(handle, "resume", {})
    assert await asked == "two"
