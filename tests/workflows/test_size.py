"""How many bytes a run leaves in history, how often messages lie there, and runs whose worker remembers nothing."""

import json

import pytest
from temporalio.client import Client

from perdure.testing import ALLOW_ALL, agents, call
from tests.samples import registry_of

PROSE = (
    "The committee met on Tuesday and agreed that the report should name every figure with its source.\n"
    "def total(rows):\n    return sum(row['amount'] for row in rows if row['paid'])\n"
    "Nobody objected; the minutes were approved, and the next meeting was set for the first week of May.\n"
)
RESULT = (PROSE * 30)[:5_000]
SAID = "I look at the next document, note what it says about the amounts, and compare it with the one before. " * 2
MOST = 2.6


@pytest.mark.parametrize("turns", [50, 100, 200])
async def test_history_is_linear_and_within_2_6_times_the_conversation(client: Client, turns: int) -> None:
    """Tool results of 5,000 bytes with 200 bytes of text beside each call, as the server counts history."""

    async def read(n: int) -> str:
        """Read document n."""
        return f"{n:05d}{RESULT}"[:5_000]

    async with agents(registry_of(("pure", read)), client=client) as env:
        model = env.model([*([SAID[:200], call("read", n=n)] for n in range(turns)), "done"])
        limits = {"turns": turns + 1, "tool_calls": turns, "tokens": 100_000_000}
        handle = await env.start("read all", model=model, policy=ALLOW_ALL, limits=limits)
        assert (await handle.result()).success
        description = await handle.describe()
        page = await handle.query("transcript", {"offset": 2, "limit": 1})
    size = description.raw_description.workflow_execution_info.history_size_bytes
    escaped = sum(len(json.dumps(c)) > 3 for c in RESULT) / len(RESULT)
    assert escaped <= 0.03, "the text must be ordinary"
    assert len(page["messages"][0]["text"]) == 5_000
    assert size <= MOST * turns * 5_200, f"{size / (turns * 5_200):.3f} times the conversation"


async def test_a_worker_that_remembers_nothing_reads_the_conversation_from_the_run(client: Client) -> None:
    """With no workflow cached every call replays; the model still gets every message once, in order."""

    async def read(n: int) -> str:
        """Read document n."""
        return f"document {n}"

    async with agents(registry_of(("pure", read)), client=client, max_cached_workflows=0, max_characters=0) as env:
        model = env.model([*(call("read", n=n) for n in range(5)), "done"])
        other = env.model([*(call("read", n=n) for n in range(5)), "done"])
        first = await env.start("one", model=model, policy=ALLOW_ALL)
        second = await env.start("two", model=other, policy=ALLOW_ALL)
        assert (await first.result()).success
        assert (await second.result()).success
        seen = [m.text for m in env.scripted(other).requests[-1].conversation.messages if m.kind == "tool_result"]
        assert seen == [f"document {n}" for n in range(5)]
        assert (await env.history(second)).count("llm.reply") == 6


async def test_documents_larger_than_a_payload_reach_the_model(client: Client) -> None:
    """Ten parallel results of 300 KB do not fit into one request: the model reads beginnings and ends, by handle."""

    async def read(n: int) -> str:
        """Read document n."""
        return str(n) * 300_000

    async with agents(registry_of(("pure", read)), client=client) as env:
        model = env.model([[call("read", n=n) for n in range(10)], "done"])
        result = await env.run("read", model=model, limits={"tokens": 10_000_000})
        assert result.success, result
        seen = [m.text for m in env.scripted(model).requests[-1].conversation.messages if m.kind == "tool_result"]
        assert [len(text) < 5_000 and "blob:" in text for text in seen] == [True] * 10
