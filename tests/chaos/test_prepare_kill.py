"""A worker dies while it prepares a run, before the first model call: the run is not held up for longer than later."""

import asyncio
import json
import os
from pathlib import Path

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client

from perdure.testing import ALLOW_ALL, eventually
from tests.chaos.workers import KeptWorker, environment_of
from tests.wire import WireServer

RECOVERY = 10.0


async def test_a_worker_dies_while_a_run_is_prepared(client: Client, tmp_path: Path) -> None:
    """Preparing hangs on the policy file, a pipe without a writer; for the next worker it is a file."""
    name, policy = "prepare", tmp_path / "policy.yaml"
    os.mkfifo(policy)
    with WireServer([{"text": "done"}]) as wire:
        environment = wire.env() | environment_of(client, name, tmp_path) | {"PERDURE_POLICY": str(policy)}
        worker = KeptWorker(environment, tmp_path / "worker.log")
        keeper = asyncio.create_task(worker.keep())
        try:
            handle = await client.start_workflow(
                "Agent", {"goal": "work", "model": "openai-chat:any"}, id=name, task_queue=name
            )

            async def preparing() -> bool:
                activities = (await handle.describe()).raw_description.pending_activities
                return [each.state for each in activities] == [PendingActivityState.PENDING_ACTIVITY_STATE_STARTED]

            await eventually(preparing, bool, 30)
            policy.unlink()
            policy.write_text(json.dumps(ALLOW_ALL))
            assert await worker.kill()
            result = await asyncio.wait_for(handle.result(), 60)
        finally:
            worker.end()
            await keeper
    assert result["output"] == "done"
    (death,), (call,) = worker.deaths, wire.log
    assert call["at"] - death < RECOVERY
