"""Sessions: questions answered once and in order, closing when idle, opening again, continuing as new."""

import asyncio
from typing import Any

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from perdure.testing import ALLOW_ALL, Environment, agents, call, eventually
from perdure.testing.history import chain_of
from tests.samples import Host, sample_tools
from tests.waiting import update


async def test_questions_are_answered_in_one_conversation(env: Environment) -> None:
    """The second question sees the first, and a repeated id gets the same reply without a model call."""
    model = env.model(["hello Ann", call("look", n=1), "you are Ann", "never"])
    session = f"{env.task_queue}-talk"
    assert await env.ask(session, "I am Ann", "m1", model=model) == "hello Ann"
    assert await env.ask(session, "who am I?", "m2") == "you are Ann"
    assert await env.ask(session, "who am I?", "m2") == "you are Ann"
    assert await env.ask(session, "I am Ann", "m1") == "hello Ann"
    requests = env.scripted(model).requests
    assert [message.text for message in requests[-1].conversation.messages if message.kind == "user"] == [
        "I am Ann",
        "who am I?",
    ]
    assert len(requests) == 3
    handle = env.client.get_workflow_handle(session)
    status = await handle.query("status")
    assert (status["state"], status["turn"], status["tool_calls"]) == ("idle", 3, 1)


async def test_a_question_without_an_answer_fails_alone(env: Environment) -> None:
    """A limit bounds the question, not the session: the next one is answered."""
    model = env.model([call("look", n=1), call("look", n=2), "second", "never"])
    session = f"{env.task_queue}-limit"
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await env.ask(session, "first", "m1", model=model, limits={"turns": 2})
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.details[0]["turns"]) == ("turn_limit", 2)
    with pytest.raises(WorkflowUpdateFailedError):
        await env.ask(session, "first", "m1")
    assert await env.ask(session, "second", "m2") == "second"


async def test_an_idle_session_closes_and_opens_again_with_all_it_knew(env: Environment) -> None:
    """The conversation, the replies by id and the model outlive the closed workflow."""
    model = env.model(["hello Ann", "you are Ann", "never"])
    session = f"{env.task_queue}-idle"
    assert await env.ask(session, "I am Ann", "m1", model=model, idle_seconds=0.2) == "hello Ann"
    result = await env.client.get_workflow_handle(session).result()
    assert (result["questions"], result["closed"]) == (1, "idle")
    assert await env.ask(session, "I am Ann", "m1") == "hello Ann"
    assert await env.ask(session, "who am I?", "m2", idle_seconds=30) == "you are Ann"
    messages = await env.transcript(env.client.get_workflow_handle(session))
    assert [message.get("text") for message in messages if message["kind"] == "user"] == ["I am Ann", "who am I?"]
    assert len(messages) == 4


async def test_a_stopped_session_ends_for_good(env: Environment) -> None:
    """A later question under its id begins a new conversation."""
    model, other = env.model(["one", "never"]), env.model(["another", "never"])
    session = f"{env.task_queue}-stop"
    assert await env.ask(session, "first", "m1", model=model) == "one"
    handle = env.client.get_workflow_handle(session)
    await update(handle, "stop", {"by": "me"})
    assert (await handle.result())["closed"] == "stopped"
    assert await env.ask(session, "first", "m1", model=other) == "another"


async def test_an_approval_inside_a_question_is_answered_as_in_a_run(env: Environment) -> None:
    """The question waits, the decision releases it."""
    model = env.model([call("pay", n=5), "paid"])
    session = f"{env.task_queue}-pay"
    asked = asyncio.create_task(env.ask(session, "pay 5", "m1", model=model))
    handle = env.client.get_workflow_handle(session)

    async def pending() -> list[Any]:
        try:
            return (await handle.query("pending_approvals"))["requests"]
        except RPCError:  # the session has not started yet
            return []

    requests = await eventually(pending, bool)
    decide = {"request_id": requests[0]["request_id"], "verdict": "approve", "approver": "ann"}
    assert (await update(handle, "decide", decide))["accepted"]
    assert await asked == "paid"


async def test_three_senders_are_answered_once_and_in_order_over_rollovers(client: Client, host: Host) -> None:
    """Sixty questions with repeated ids; each continued run answers what was asked of the one before."""
    async with agents(
        sample_tools(host), client=client, settings={"rollover_events": 40}, max_cached_workflows=0
    ) as env:
        model = env.model([f"reply {n}" for n in range(60)])
        session = f"{env.task_queue}-many"
        replies: dict[str, set[str]] = {}

        async def sender(name: int) -> None:
            for n in range(20):
                key = f"{name}-{n}"
                answers = [env.ask(session, f"question {key}", key, model=model, policy=ALLOW_ALL) for _ in range(2)]
                replies[key] = set(await asyncio.gather(*answers))

        await asyncio.gather(*(sender(name) for name in range(3)))
        assert [len(each) for each in replies.values()] == [1] * 60
        assert {reply for each in replies.values() for reply in each} == {f"reply {n}" for n in range(60)}
        handle = env.client.get_workflow_handle(session)
        history = await chain_of(env.client, handle)
        assert len(history.runs) > 5
        assert history.count("llm.reply") == 60
        for key in ("0-0", "1-10", "2-19"):
            assert {await env.ask(session, "again", key)} == replies[key]
