"""Messages and states larger than a payload: carried, or refused with words; no workflow task fails for ever."""

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from perdure.testing import Environment, agents, call, eventually
from tests.samples import Host, sample_tools
from tests.waiting import pending, state_is, update

FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
HUGE = "x" * 5_000_000
NUMBERS = [f"{n:03d}" for n in range(15)]


async def test_a_message_of_5_mb_is_refused_with_words(env: Environment) -> None:
    """By update as an error, by signal as a notice; the run goes on either way."""
    handle = await env.start("pay", model=env.model([call("pay", n=1), "done"]))
    (request,) = await pending(handle)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await update(handle, "steer", {"text": HUGE})
    assert isinstance(refused.value.cause, ApplicationError)
    assert "5000000 bytes, at most 262144 fit" in refused.value.cause.message
    await handle.signal("steer", {"text": HUGE})
    status = await eventually(lambda: handle.query("status"), lambda seen: bool(seen["notices"]))
    assert "5000000 bytes, at most 262144 fit" in status["notices"][-1]["text"]
    assert len(status["notices"][-1]["text"]) < 1_000
    await handle.signal("approve", {"request_id": request["request_id"], "approver": "ann"})
    assert (await handle.result()).output == "done"
    assert FAILED not in {event.event_type for event in (await env.history()).events}


async def test_a_state_of_4_mb_is_carried_over(client: Client, host: Host) -> None:
    """Fifteen queued messages are more than any payload may have: they outlive the rollover and reach the model."""
    async with agents(sample_tools(host), client=client, settings={"rollover_events": 1}) as env:
        model = env.model([call("look", n=1), "done"])
        handle = await env.start("go", model=model, limits={"tokens": 100_000_000})
        await update(handle, "pause", {})
        await state_is(handle, "paused")
        for n in range(15):
            await handle.signal("steer", {"text": f"{n:03d}" + "y" * 250_000})

        async def queued() -> list[str]:
            try:
                return (await handle.query("status"))["queued"]
            except RPCError:  # the server has given up a workflow task because more than it buffers came meanwhile
                return []

        assert [text[:3] for text in await eventually(queued, lambda seen: len(seen) == 15)] == NUMBERS
        await update(handle, "resume", {})
        assert (await handle.result()).success
        assert len((await env.history()).runs) >= 2
        texts = [str(message["text"])[:3] for message in await env.transcript() if message["kind"] == "user"]
        assert texts[-15:] == NUMBERS
