"""Pause, resume, steer, stop and cancel; and payloads of every wrong kind."""

from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, CancelledError

from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.samples import Host
from tests.waiting import eventually, pending, state_is, update


async def test_a_paused_run_holds_before_its_next_step(env: Environment, host: Host) -> None:
    """An approval that arrives meanwhile is kept; the effect happens after resume."""
    handle = await env.start("pay", model=env.model([call("pay", n=1), "ok"]))
    (request,) = await pending(handle)
    assert await update(handle, "pause", {"by": "ada"}) == "paused"
    await handle.signal("approve", {"request_id": request["request_id"], "approver": "bob"})
    status = await state_is(handle, "paused")
    assert status["state"] == "paused"
    assert await pending(handle, 0) == []
    assert host.log == []
    assert await update(handle, "resume", {}) == "executing"
    assert (await handle.result()).success
    assert host.log == [("pay", 1)]


async def test_steering_reaches_the_model_before_its_next_turn(env: Environment) -> None:
    """Positions are told, repeated ids dropped, messages for an idle agent wait until it has finished."""
    model = env.model([call("pay", n=1), "first answer", "second answer"])
    handle = await env.start("pay", model=model)
    (request,) = await pending(handle)
    assert await update(handle, "steer", {"text": "be brief", "id": "a"}) == {"position": 1}
    assert await update(handle, "steer", {"text": "be brief", "id": "a"}) == {"position": 1}
    await handle.signal("steer", {"text": "and now sum up", "mode": "when_idle"})
    assert (await handle.query("status"))["queued"] == ["be brief", "and now sum up"]
    await handle.signal("reject", {"request_id": request["request_id"], "approver": "bob"})
    result = await handle.result()
    assert result.output == "second answer"
    requests = env.scripted(model).requests
    said = [[m.text for m in request.conversation.messages if m.kind == "user"] for request in requests]
    assert said[-1] == ["pay", "be brief", "and now sum up"]
    assert requests[1].conversation.messages[:4][-1].kind == "user"


async def test_stop_completes_the_run_with_what_it_has_reached(env: Environment, host: Host) -> None:
    """Pending requests are withdrawn, no call stays unanswered."""
    handle = await env.start("pay", model=env.model([["thinking", call("pay", n=1)]]))
    await pending(handle)
    assert await update(handle, "stop", {"by": "ada", "reason": "enough"}) == "stopping"
    result = await handle.result()
    assert (result.success, result.stop_reason, result.output) == (False, StopReason.STOPPED, "thinking")
    assert host.log == []
    assert (await env.transcript(handle))[-1]["error"] == "NOT_RUN"


async def test_cancel_ends_the_run_as_cancelled(env: Environment) -> None:
    """Temporal's own cancellation is honoured while waiting for a person."""
    handle = await env.start("pay", model=env.model([call("pay", n=1)]))
    await pending(handle)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert isinstance(failure.value.cause, CancelledError)
    assert (await handle.query("status"))["state"] == "cancelled"


WRONG: list[list[Any]] = [
    [],
    [None],
    ["text"],
    [7],
    [["a"]],
    [{}],
    [{"request_id": 7}],
    [{"text": ""}],
    [{"x": 1}],
    [{}, {}],
]


@pytest.mark.parametrize("signal", ["approve", "reject", "steer", "pause", "nonsense"])
async def test_wrong_signals_are_noted_and_change_nothing(env: Environment, signal: str) -> None:
    """No payload makes a workflow task fail; each wrong one leaves a notice."""
    handle = await env.start("pay", model=env.model([call("pay", n=1)]))
    await pending(handle)
    wrong = [args for args in WRONG if not (signal == "pause" and args in ([], [{}]))]
    for args in wrong:
        await handle.signal(signal, args=args)

    async def notices() -> list[dict[str, Any]]:
        return (await handle.query("status"))["notices"]

    seen = await eventually(notices, lambda found: len(found) >= len(wrong))
    assert {notice["code"] for notice in seen} == {"signal.ignored"}
    assert (await handle.query("status"))["state"] == "waiting"
    await handle.terminate()


@pytest.mark.parametrize("name", ["decide", "steer", "pause", "nonsense"])
@pytest.mark.parametrize("args", [["text"], [[1]], [{"x": 1}], [{}, {}]])
async def test_wrong_updates_are_refused_with_a_reason(env: Environment, name: str, args: list[Any]) -> None:
    """They do not reach history."""
    handle = await env.start("pay", model=env.model([call("pay", n=1)]))
    await pending(handle)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await update(handle, name, *args)
    assert str(refused.value.cause)
    kinds = {EventType.Name(event.event_type) for event in (await handle.fetch_history()).events}
    assert not any("UPDATE" in kind for kind in kinds)
    await handle.terminate()


BAD_INPUTS: list[tuple[list[Any], str]] = [
    ([], "goal: required"),
    ([None], "JSON object"),
    (["text"], "JSON object"),
    ([{"goal": " "}], "goal"),
    ([{"goal": 7}], "goal"),
    ([{"goal": "x", "surprise": 1}], "surprise: unknown field"),
    ([{"goal": "x", "limits": {"turns": 0}}], "limits.turns"),
    ([{"goal": "x", "limits": {"turns": "9"}}], "limits.turns"),
    ([{"goal": "x", "limits": {"turns": None}}], "limits.turns"),
    ([{"goal": "x", "limits": {"cost_usd": -1}}], "limits.cost_usd"),
    ([{"goal": "x", "limits": {"deadline": "tomorrow"}}], "limits.deadline"),
    ([{"goal": "x", "plan": "auto"}], "plan"),
    ([{"goal": "x", "on_limit": "perhaps"}], "on_limit"),
    ([{"goal": "x", "agent": {"name": "a", "reasoning": "dream"}}], "reasoning"),
    ([{"goal": "x", "agent": {"name": "a", "fallbacks": ["b"]}}], "fallbacks"),
    ([{"goal": "x", "policy": {"rules": [{"level": "maybe"}]}}], "policy.rules.0.level"),
    ([{"goal": "x", "policy": {"rules": [{"level": "confirm", "quorum": 0}]}}], "quorum"),
    ([{"goal": "x" * 600_000}], "bytes"),
    ([{"goal": "x"}, {"goal": "y"}], "one JSON object"),
]


@pytest.mark.parametrize(("args", "words"), BAD_INPUTS)
async def test_wrong_input_fails_the_run_with_words(env: Environment, args: list[Any], words: str) -> None:
    """A typed failure that names the field, never a workflow task that fails for ever."""
    handle = await env.client.start_workflow(
        "Agent", args=args, id=f"bad-{hash(repr(args))}", task_queue=env.task_queue
    )
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "InvalidInput"
    assert words in cause.message


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"agent": "nobody"}, "UnknownAgent", "default"),
        ({"model": "nonsense"}, "UnknownModel", "anthropic"),
        ({"model": "nonsense:x"}, "UnknownModel", "anthropic"),
        ({"model": None}, "ConfigurationError", "PERDURE_MODEL"),
        ({"tools": ["nope*"]}, "UnknownTool", "look"),
    ],
)
async def test_what_cannot_be_resolved_fails_the_run_typed(
    env: Environment, fields: dict[str, Any], code: str, words: str
) -> None:
    """The words say what would be valid."""
    handle = await env.start("x", **{"model": "test:any", **fields})
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, words in cause.message) == (code, True), cause.message
    assert (await handle.query("status"))["state"] == "failed"
