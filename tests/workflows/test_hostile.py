"""Answers, schemas and payloads that must never make a workflow task fail for ever."""

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from perdure.domain.run import StopReason
from perdure.testing import ALLOW_ALL, Environment, call
from tests.samples import Host
from tests.waiting import eventually, pending


def no_task_failed(kinds: list[int]) -> bool:
    """Whether the history holds no failed workflow task."""
    return EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds


@pytest.mark.parametrize(
    "text",
    [
        '{"n": "\\ud800"}',
        "[" * 100_000,
        "[" * 150 + "]" * 150,
        '{"n": NaN}',
        f"[{','.join(['1e15'] * 100_000)}]",
        "9" * 5_000,
    ],
    ids=["half character", "open brackets", "too deep", "not a number", "grows when stored", "huge integer"],
)
async def test_a_structured_answer_that_cannot_be_stored_is_repaired(env: Environment, text: str) -> None:
    """The model is told what is wrong and answers again."""
    any_value: dict[str, object] = {"description": "any"}
    model = env.model([text, '{"n": 1}'])
    result = await env.run("go", model=model, output_schema=any_value, limits={"tokens": 10**8})
    assert (result.success, result.output) == (True, {"n": 1})
    assert no_task_failed([event.event_type for event in (await env.history()).events])


@pytest.mark.parametrize(
    "schema", [{"type": "wat"}, {"pattern": "("}, {"properties": 5}, {"$ref": "http://example.org"}]
)
async def test_an_output_schema_that_is_none_fails_the_run_typed(env: Environment, schema: dict[str, object]) -> None:
    """Before a model is asked."""
    model = env.model(["never"])
    handle = await env.start("go", model=model, output_schema=schema)
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "InvalidInput"
    assert "output_schema" in failure.value.cause.message
    assert env.scripted(model).requests == []


@pytest.mark.parametrize("fields", [{"tenant": "t" * 3_000}, {"tenant": ""}, {"model": f"test:{'m' * 3_000}"}])
async def test_values_that_no_search_attribute_holds_are_refused(env: Environment, fields: dict[str, str]) -> None:
    """The server would terminate the run instead."""
    handle = await env.start("go", **{"model": env.model(["ok"]), **fields})
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "InvalidInput"


async def test_three_hundred_calls_in_one_turn(env: Environment, host: Host) -> None:
    """They run in groups that no limit of the server forbids; each is answered."""
    model = env.model([[call("put", n=n) for n in range(300)], "done"])
    result = await env.run("go", model=model, policy=ALLOW_ALL, limits={"tool_calls": 300})
    assert (result.stop_reason, result.tool_calls) == (StopReason.COMPLETED, 300)
    assert sorted(value for _, value in host.log) == list(range(300))


async def test_the_queue_of_steering_messages_is_bounded_and_shown(env: Environment) -> None:
    """Also without ids, and with messages that would not fit into one answer together."""
    handle = await env.start("pay", model=env.model([call("pay", n=1)]))
    await pending(handle)
    for number in range(110):
        await handle.signal("steer", {"text": "x" * (250_000 if number < 10 else 1)})

    async def refused() -> int:
        status = await handle.query("status")
        assert len(status["queued"]) <= 100
        return len(status["notices"])

    assert await eventually(refused, lambda count: count == 10) == 10
    await handle.terminate()
