"""What a verb or a message does to a run that is at work: what is broken off, what is finished, what is kept."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from perdure.domain.run import RunResult, StopReason
from perdure.testing import ALLOW_ALL, Call, Environment, agents
from tests.waiting import eventually, state_is, update
from tests.workflows.gated import Gate, GatedModel, gated_tools

TEAM = {"payer": "test:model-1", "lead": "test:model-2"}


@pytest.fixture
def tools() -> Gate:
    """The gate of the tools."""
    return Gate()


@pytest.fixture
async def held(client: Client, tools: Gate, tmp_path: Path) -> AsyncGenerator[Environment]:
    """A worker whose tools stand still; the first model is the payer's, the second the lead's."""
    (tmp_path / "agents").mkdir()
    for name, model in TEAM.items():
        spec = f"name: {name}\nmodel: {model}\ntools: [delegate, look, pay]\n"
        (tmp_path / "agents" / f"{name}.yaml").write_text(spec, encoding="utf-8")
    async with agents(gated_tools({1: tools}), client=client, settings={"definitions": tmp_path}) as environment:
        yield environment


async def came(gate: Gate, count: int) -> None:
    """Return when so many stand at the gate or have passed it."""

    async def look() -> int:
        return len(gate.entered)

    await eventually(look, lambda entered: entered == count)


async def told(env: Environment, handle: WorkflowHandle[object, RunResult], count: int) -> list[str]:
    """Texts of the transcript, once there are `count`."""

    async def look() -> list[str]:
        messages: list[dict[str, Any]] = [*await env.transcript(handle)]
        parts = [message.get("content", [message]) for message in messages]
        return ["".join(part.get("text", "") for part in content) for content in parts]

    return await eventually(look, lambda texts: len(texts) == count)


async def test_a_message_breaks_the_model_off_and_the_run_goes_on(held: Environment) -> None:
    """The call in flight is cancelled, what it had said is kept and marked, and the next call reads the message."""
    model = GatedModel()
    handle = await held.start("go", model=held.model(model))
    await came(model.gate, 1)
    await update(handle, "steer", {"text": "other way", "mode": "interrupt"})
    await came(model.gate, 2)
    mark = "[Your answer was interrupted by a new message. What you had written until then stands above.]"
    read = [message.text for message in model.requests[1].conversation.messages]
    assert read == ["go", "part 1", mark, "other way"]
    kinds = [event.event_type for event in (await held.history(handle)).events]
    assert kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED) == 1
    model.gate.steps.append("done")
    assert (await handle.result()).output == "done"


async def test_an_interrupted_run_is_paused_and_says_who_broke_it_off(held: Environment) -> None:
    """Nothing is asked of the model until it is resumed."""
    model = GatedModel()
    handle = await held.start("go", model=held.model(model))
    await came(model.gate, 1)
    assert await update(handle, "interrupt", {"by": "ada", "reason": "wait"}) == "paused"
    texts = await told(held, handle, 3)
    mark = "[Your answer was interrupted by ada: wait. What you had written until then stands above.]"
    assert texts == ["go", "part 1", mark]
    assert len(model.requests) == 1
    await update(handle, "resume", {})
    await came(model.gate, 2)
    model.gate.steps.append("done")
    result = await handle.result()
    assert (result.output, result.turns) == ("done", 2)


async def test_a_tool_in_flight_finishes_when_the_run_is_interrupted_or_stopped(held: Environment, tools: Gate) -> None:
    """An effect is awaited and recorded; the next call of the turn is answered as not run."""
    model = GatedModel()
    handle = await held.start("go", model=held.model(model), policy=ALLOW_ALL)
    model.gate.steps.append((Call("pay", {"run": 1, "n": 1}), Call("pay", {"run": 1, "n": 2})))
    await came(tools, 1)
    assert await update(handle, "interrupt", {}) == "paused"
    assert await update(handle, "stop", {}) == "stopping"
    tools.steps.append("paid")
    assert (await handle.result()).stop_reason is StopReason.STOPPED
    answers = [(m["text"], m.get("error", "")) for m in await held.transcript(handle) if m["kind"] == "tool_result"]
    assert (answers[0], answers[1][1]) == (("paid", ""), "NOT_RUN")
    assert tools.entered == ["pay-1"]


async def delegated(env: Environment) -> tuple[GatedModel, GatedModel, WorkflowHandle[object, RunResult]]:
    """A run of the lead whose child, the payer, is being answered by its model."""
    payer, lead = GatedModel(), GatedModel()
    env.model(payer)
    env.model(lead)
    handle = await env.start("go", agent="lead")
    lead.gate.steps.append((Call("delegate", {"agent": "payer", "goal": "pay"}),))
    await came(payer.gate, 1)
    return payer, lead, handle


async def test_pausing_and_interrupting_cover_the_child(held: Environment, tools: Gate) -> None:
    """Its step in flight finishes, its next one does not begin; a message that interrupts lets both go on."""
    payer, lead, handle = await delegated(held)
    child = held.client.get_workflow_handle(f"{handle.id}.1", result_type=RunResult)
    await update(handle, "pause", {"by": "ada"})
    await state_is(child, "paused")
    payer.gate.steps.append((Call("look", {"run": 1, "n": 1}),))
    await told(held, child, 2)
    assert tools.entered == []
    await update(handle, "resume", {})
    tools.steps.append("seen")
    await came(payer.gate, 2)
    await update(handle, "interrupt", {"by": "ada"})
    assert (await told(held, child, 5))[3] == "part 2"
    assert (await state_is(child, "paused"))["state"] == "paused"
    await update(handle, "steer", {"text": "go on", "mode": "interrupt"})
    await came(payer.gate, 3)
    payer.gate.steps.append("child done")
    lead.gate.steps.append("all done")
    assert (await handle.result()).output == "all done"


async def test_stop_ends_the_child_first_and_says_what_was_reached(held: Environment) -> None:
    """The parent's history has the child's end before its own; its transcript has the child's answer."""
    _, _, handle = await delegated(held)
    assert await update(handle, "stop", {}) == "stopping"
    assert (await handle.result()).stop_reason is StopReason.STOPPED
    kinds = [event.event_type for event in (await held.history(handle)).events]
    assert EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED in kinds
    assert kinds[-1] == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED
    last = (await held.transcript(handle))[-1]
    assert (last["error"], "ended with stopped" in str(last["text"])) == ("CHILD_FAILED", True)


async def test_cancel_cleans_up(held: Environment, tools: Gate) -> None:
    """The tool is cancelled, its call is answered, and the audit log has its end before the run is closed."""
    model = GatedModel()
    handle = await held.start("go", model=held.model(model))
    await update(handle, "pause", {"by": "ada"})
    await update(handle, "resume", {"by": "ada"})
    model.gate.steps.append((Call("look", {"run": 1, "n": 1}),))
    await came(tools, 1)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert (await held.transcript(handle))[-1]["error"] == "NOT_RUN"
    audit = await handle.query("audit")
    assert (audit["unwritten"], audit["written"]) == ([], audit["head"])
    assert [event.data["how"] for event in await held.events(handle) if event.kind == "end"] == ["cancelled"]
