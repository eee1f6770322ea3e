"""Runs whose tools give far more than a history can hold."""

from collections.abc import AsyncGenerator

import pytest
from temporalio.client import Client

from perdure.domain.messages import ToolResultMessage
from perdure.testing import Environment, agents, call
from tests.samples import registry_of


async def give(size: int) -> str:
    """Give a text."""
    return "x" * size


@pytest.fixture
async def large(client: Client) -> AsyncGenerator[Environment]:
    """A worker with a tool that gives as much as it is asked for."""
    async with agents(registry_of(("pure", give)), client=client) as environment:
        yield environment


def results(env: Environment, model: str) -> list[ToolResultMessage]:
    """The tool results that the model saw last."""
    seen = env.scripted(model).requests[-1].conversation.messages
    return [message for message in seen if message.kind == "tool_result"]


async def test_forty_megabytes_in_one_result(large: Environment) -> None:
    """The model sees beginning, end and handle; the history stays small."""
    model = large.model([call("give", size=40_000_000), "done"])
    assert (await large.run("x", model=model)).success
    (result,) = results(large, model)
    assert (result.size, len(result.text) < 4400) == (40_000_000, True)
    assert f"blob:{result.blob}" in result.text
    assert (await large.history()).bytes < 100_000


async def test_five_hundred_results_of_one_turn(large: Environment) -> None:
    """Together 50 MB: every one is there, and no payload is too large."""
    model = large.model([[call("give", size=100_000 + number) for number in range(500)], "done"])
    outcome = await large.run("x", model=model, limits={"tool_calls": 500})
    assert outcome.success, outcome
    seen = results(large, model)
    assert [result.size for result in seen] == [100_000 + number for number in range(500)]
    assert len({result.blob for result in seen}) == 500
    assert (await large.history()).bytes < 8_000_000
