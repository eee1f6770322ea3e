"""Providers that are down: an hour under a clock that jumps, and errors that waiting does not mend."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from perdure.domain.errors import Overloaded, PerdureError, RateLimited
from perdure.domain.run import StopReason
from perdure.testing import Environment, agents, call, time_skipping_server
from tests.samples import Host, sample_tools


@pytest.fixture(scope="module")
async def skipping() -> AsyncGenerator[Client]:
    """Client of a server whose clock jumps over waits."""
    async with time_skipping_server() as connected:
        yield connected


@pytest.mark.parametrize("errors", [[Overloaded("down")] * 75, [RateLimited("later", retry_after=3_600.0)]])
async def test_an_outage_of_an_hour_delays_the_run_and_does_not_fail_it(
    skipping: Client, host: Host, errors: list[PerdureError]
) -> None:
    """Neither our own backoff nor what the provider asks for counts as working time."""
    async with agents(sample_tools(host), client=skipping, search_attributes=False) as env:
        model = env.model([*errors, "back again"])
        handle = await env.start("go", model=model, limits={"seconds": 600})
        result = await handle.result()
        assert result.output == "back again"
        described = await handle.describe()
        assert described.close_time is not None
        assert described.close_time - described.start_time >= timedelta(hours=1)
        assert len(env.scripted(model).requests) == len(errors) + 1
        assert (await env.history()).count("llm.reply") == 2


async def test_a_deadline_ends_an_outage(env: Environment) -> None:
    """The wall clock is never waited out."""
    model = env.model([RateLimited("later", retry_after=3_600.0), "never"])
    deadline = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    assert (await env.run("go", model=model, limits={"deadline": deadline})).stop_reason is StopReason.TIME_LIMIT


async def test_a_defect_of_a_provider_is_not_paid_for_all_day(env: Environment) -> None:
    """An exception that nobody foresaw ends the run after three attempts."""
    model = env.model(["never"])
    asked: list[int] = []

    async def broken(*_: object) -> None:
        asked.append(1)
        raise LookupError("a defect")

    env.scripted(model).reply = broken  # type: ignore[method-assign, assignment] - a provider with a defect
    handle = await env.start("go", model=model)
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "LookupError"
    assert len(asked) == 3


async def test_an_answer_that_no_payload_can_carry_is_asked_for_once(env: Environment) -> None:
    """3 MB, a half character, deep nesting: the run ends with an error, and the answer is not bought again."""
    deep: list[Any] = []
    for _ in range(190):
        deep = [deep]
    for step in ("a" * 3_000_000, "é" * 700_000, "\ud800", call("look", n=deep)):
        model = env.model([step])
        result = await env.run("go", model=model)
        assert (result.success, result.stop_reason) == (False, StopReason.ERROR)
        assert result.error is not None
        assert result.error.code == "UnusableReply"
        assert len(env.scripted(model).requests) == 1
