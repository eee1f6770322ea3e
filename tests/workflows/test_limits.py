"""Limits end a run as a value, with all that was reached."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client

from perdure.domain.ports import Price
from perdure.domain.run import StopReason
from perdure.testing import ALLOW_ALL, Environment, agents, call
from tests.samples import Host, sample_tools


@pytest.mark.parametrize(
    ("limits", "reason", "turns"),
    [
        ({"turns": 2}, StopReason.TURN_LIMIT, 2),
        ({"tool_calls": 2}, StopReason.TOOL_CALL_LIMIT, 3),
        ({"tokens": 55}, StopReason.TOKEN_LIMIT, 2),
        ({"deadline": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}, StopReason.TIME_LIMIT, 0),
    ],
)
async def test_a_limit_ends_the_run_with_what_was_reached(
    env: Environment, limits: dict[str, Any], reason: StopReason, turns: int
) -> None:
    """The run completes without success, and says which limit it was."""
    model = env.model([["working", call("look", n=n)] for n in range(9)])
    result = await env.run("go", model=model, limits=limits)
    assert (result.success, result.stop_reason) == (False, reason)
    assert result.turns == turns
    assert result.output == ("working" if turns else "")


async def test_no_call_stays_without_an_answer_when_a_limit_ends_the_run(env: Environment) -> None:
    """The transcript could be sent to a provider again."""
    model = env.model([[call("look", n=1), call("look", n=2)]])
    handle = await env.start("go", model=model, limits={"tool_calls": 1})
    assert (await handle.result()).stop_reason is StopReason.TOOL_CALL_LIMIT
    assert [message.get("error") for message in (await env.transcript(handle))[2:]] == ["NOT_RUN", "NOT_RUN"]


async def test_cost_is_counted_and_bounded(client: Client, host: Host) -> None:
    """With a price the cost limit holds and search attributes show the cost."""
    price = Price(input=1000, output=1000)
    async with agents(sample_tools(host), client=client, price=price) as env:
        model = env.model([call("look", n=n) for n in range(9)])
        result = await env.run("go", model=model, limits={"cost_usd": 0.1}, policy=ALLOW_ALL)
    assert result.stop_reason is StopReason.COST_LIMIT
    assert result.usage.cost_usd is not None
    assert 0 < result.usage.cost_usd <= 0.1


async def test_working_time_is_bounded_and_waiting_does_not_count(env: Environment) -> None:
    """A run that waits for a person longer than `seconds` still goes on."""
    model = env.model([call("pay", n=1), "done"])
    handle = await env.start(
        "go", model=model, limits={"seconds": 2}, policy={"rules": [{"level": "confirm", "timeout": 4}]}
    )
    result = await handle.result()
    assert result.success, result
    assert (await handle.query("status"))["left"]["seconds"] > 0
