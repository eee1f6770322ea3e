"""One run over several workers, and a run that is reset: nothing depends on the process that began it."""

import uuid
from pathlib import Path
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle

from perdure.domain.run import RunResult
from perdure.runtime import PerdurePlugin
from perdure.testing import ALLOW_ALL, Environment, agents, call
from tests.samples import Host, sample_tools
from tests.waiting import pending


async def test_another_worker_goes_on_with_the_whole_conversation(client: Client, host: Host, tmp_path: Path) -> None:
    """The second worker has never seen the run; its model gets every message, in order, and no call is repeated."""
    steps = [*(call("look", n=n) for n in range(3)), call("pay", n=9), *(call("look", n=n) for n in (4, 5)), "done"]
    store = {"blobs": str(tmp_path)}  # workers of one queue look at one store
    async with agents(sample_tools(host), client=client, settings=store) as first:
        handle = await first.start("go", model=first.model(steps))
        (request,) = await pending(handle)
        assert len(first.scripted("test:model-1").requests) == 4
    async with agents(sample_tools(host), client=client, settings={**store, "task_queue": first.task_queue}) as second:
        model = second.model(steps)
        await handle.signal("approve", {"request_id": request["request_id"], "approver": "bob"})
        assert (await handle.result()).output == "done"
        seen = second.scripted(model).requests[-1].conversation.messages
        texts = [message.text for message in seen if message.kind == "tool_result"]
    assert texts == ["seen 0", "seen 1", "seen 2", "paid 9", "seen 4", "seen 5"]
    assert sorted(host.log) == sorted([("look", 0), ("look", 1), ("look", 2), ("pay", 9), ("look", 4), ("look", 5)])


async def test_two_workers_share_a_run(client: Client, host: Host, tmp_path: Path) -> None:
    """Every step replays on whichever worker takes it; the digests prove that both read the same conversation."""
    steps = [*([f"step {n}", call("look", n=n)] for n in range(8)), "done"]
    store = {"blobs": str(tmp_path)}
    async with agents(sample_tools(host), client=client, settings=store, max_cached_workflows=0) as one:
        settings = {**store, "task_queue": one.task_queue}
        other = await Client.connect(client.service_client.config.target_host, plugins=[PerdurePlugin()])
        async with agents(sample_tools(host), client=other, settings=settings, max_cached_workflows=0) as two:
            both = [env.scripted(env.model(steps)) for env in (one, two)]
            handle = await one.start("go", model="test:model-1")
            assert (await handle.result()).success
            assert sum(len(model.requests) for model in both) == 9
            last = max((request for model in both for request in model.requests), key=_length)
            seen = [message.text for message in last.conversation.messages if message.kind == "tool_result"]
            assert seen == [f"seen {n}" for n in range(8)]


def _length(request: Any) -> int:
    return len(request.conversation.messages)


async def reset_before_the_model(env: Environment, handle: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, RunResult]:
    """Reset a run to where it first asked its model, as `temporal workflow reset` does."""
    events = (await handle.fetch_history()).events
    finished = [event.event_id for event in events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
    answer = await env.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=env.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
            reason="test",
            workflow_task_finish_event_id=finished[1],
            request_id=str(uuid.uuid4()),
        )
    )
    return env.client.get_workflow_handle(handle.id, run_id=answer.run_id, result_type=RunResult)


async def test_after_a_reset_another_call_of_the_same_number_has_another_key(client: Client, host: Host) -> None:
    """The model says something else the second time: call 1 is another payment and must not meet the old key."""
    async with agents(sample_tools(host), client=client) as before:
        model = before.model([call("pay", n=1), "one"])
        handle = await before.start("go", model=model, policy=ALLOW_ALL)
        assert (await handle.result()).output == "one"
    async with agents(sample_tools(host), client=client, settings={"task_queue": before.task_queue}) as after:
        model = after.model([call("pay", n=2), "two"])
        again = await reset_before_the_model(after, handle)
        assert (await again.result()).output == "two"
        history = await after.history(again)
        asked = after.scripted(model).requests[-1].conversation.messages
        assert [message.text for message in asked if message.kind == "tool_result"] == ["paid 2"]
    assert host.log == [("pay", 1), ("pay", 2)]
    assert len(set(host.keys)) == 2
    assert history.count("run.prepare") == 1
