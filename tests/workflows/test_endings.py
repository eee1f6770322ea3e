"""Stop, cancel and deadlines in the middle of things: nothing starts afterwards, and nothing is left open."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import CancelledError

from perdure.domain.run import StopReason
from perdure.testing import ALLOW_ALL, Environment, agents, call
from tests.samples import Host, registry_of
from tests.waiting import eventually, pending, state_is, update


@pytest.mark.parametrize("effect", ["once", "pure"])
async def test_cancel_during_a_tool_call_ends_the_run(client: Client, host: Host, effect: str) -> None:
    """A cancelled effect is not an unknown outcome that somebody is asked about."""

    async def slow(n: int) -> str:
        """Take long."""
        host.note("slow", n)
        await eventually(_never, bool, seconds=30)
        return "late"

    async with agents(registry_of((effect, slow)), client=client) as env:
        handle = await env.start("go", model=env.model([call("slow", n=1), "never"]), policy=ALLOW_ALL)
        await eventually(lambda: _length(host), bool)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
    assert isinstance(failure.value.cause, CancelledError)
    assert host.log == [("slow", 1)]


async def _never() -> bool:
    return False


async def _length(host: Host) -> int:
    return len(host.log)


async def test_stop_before_a_second_attempt_keeps_it_from_starting(env: Environment, host: Host) -> None:
    """The person said "run it again", then the run was stopped: the effect does not happen a second time."""
    host.lose = 1
    handle = await env.start("pay", model=env.model([call("pay", n=5)]), policy=ALLOW_ALL)
    (request,) = await pending(handle)
    await handle.signal("approve", {"request_id": request["request_id"], "approver": "bob"})
    await pending(handle, 0)
    await update(handle, "stop", {})
    assert (await handle.result()).stop_reason is StopReason.STOPPED
    assert host.log == [("pay", 5)]
    assert (await handle.query("ledger"))["calls"][0]["state"] == "unknown"


async def test_a_deadline_ends_waiting_for_a_person_and_a_pause(env: Environment, host: Host) -> None:
    """The wall clock always runs."""

    def soon() -> dict[str, str]:
        return {"deadline": (datetime.now(UTC) + timedelta(seconds=1)).isoformat()}

    handle = await env.start("pay", model=env.model([call("pay", n=1)]), limits=soon())
    assert (await handle.result()).stop_reason is StopReason.TIME_LIMIT
    handle = await env.start("pay", model=env.model([call("pay", n=1)]), limits=soon(), policy=ALLOW_ALL)
    await handle.signal("pause", {})
    assert (await handle.result()).stop_reason is StopReason.TIME_LIMIT
    assert host.log in ([], [("pay", 1)])
    assert (await handle.query("status"))["pending"] == []


async def test_a_run_stopped_before_its_worker_came_does_nothing(client: Client) -> None:
    """Signals in the same workflow task as the start are taken before the first step."""
    async with agents(registry_of(), client=client) as env:
        queue = env.task_queue
    handle = await client.start_workflow("Agent", {"goal": "go", "model": "test:model-1"}, id=queue, task_queue=queue)
    for name, payload in (
        ("steer", {"text": "hello"}),
        ("approve", {"request_id": "r", "approver": "b"}),
        ("stop", {}),
    ):
        await handle.signal(name, payload)
    async with agents(registry_of(), client=client, settings={"task_queue": queue}) as env:
        model = env.model(["never"])
        result = await handle.result()
        assert result["stop_reason"] == "stopped"
        assert env.scripted(model).requests == []
        assert (await state_is(handle, "failed"))["queued"] == ["hello"]
