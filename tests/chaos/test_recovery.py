"""A worker dies in the middle of a model call on top of a conversation of 1 MB: the call is made again in time."""

import asyncio
from pathlib import Path

from temporalio.client import Client

from perdure.testing import ALLOW_ALL, eventually
from tests.chaos.workers import KeptWorker, environment_of
from tests.wire import WireServer

DOCUMENTS = 40
AGENT = {"name": "reader", "settings": {"context": {"window": 2_000_000}}}
LIMITS = {"tokens": 10_000_000}
RECOVERY = 10.0
STEPS = [
    {"calls": [{"tool": "document", "arguments": {"n": n}} for n in range(DOCUMENTS)]},
    {"text": "read", "delay": 1.0},
]


async def test_a_model_call_over_one_megabyte_is_made_again_within_ten_seconds(client: Client, tmp_path: Path) -> None:
    """The new worker reads the conversation from the run; the provider sees the same messages again."""
    with WireServer(STEPS) as wire:
        worker = KeptWorker(wire.env() | environment_of(client, "recovery", tmp_path), tmp_path / "worker.log")
        keeper = asyncio.create_task(worker.keep())

        async def calls() -> int:
            return len(wire.log)

        try:
            handle = await client.start_workflow(
                "Agent",
                {"goal": "read", "agent": AGENT, "model": "openai-chat:any", "policy": ALLOW_ALL, "limits": LIMITS},
                id="recovery",
                task_queue="recovery",
            )
            await eventually(calls, lambda count: count == 2)
            assert await worker.kill()
            await eventually(calls, lambda count: count == 3)
            result = await asyncio.wait_for(handle.result(), 30)
        finally:
            worker.end()
            await keeper
    assert result["success"], result
    (death,) = worker.deaths
    assert wire.log[2]["at"] - death < RECOVERY
    before, after = (entry["body"]["messages"] for entry in wire.log[1:3])
    assert before == after
    assert sum(len(str(message)) for message in after) > 1_000_000
