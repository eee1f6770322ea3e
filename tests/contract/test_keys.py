"""A worker without a key delays the runs of others, it does not end them."""

import json
from typing import Any

from tests.contract.conftest import StartWorker, Temporal
from tests.contract.test_plain_cli import STEPS, pending, result, start
from tests.waiting import eventually
from tests.wire import WireServer


async def test_a_run_waits_for_a_worker_with_a_key(temporal: Temporal, start_worker: StartWorker) -> None:
    """It began on a worker with a key; the next one has none and says so; the run goes on with a third."""
    run = "keys"
    with WireServer(STEPS) as wire:
        first = await start_worker(run, **wire.env())
        await start(temporal, run, run, model="anthropic:any")
        request = await pending(temporal, run)
        first.terminate()
        await first.wait()
        keyless = await start_worker(run, ANTHROPIC_BASE_URL=wire.url, ANTHROPIC_API_KEY="")
        payload = json.dumps({"request_id": request["request_id"], "approver": "bob"})
        await temporal("workflow", "signal", "--workflow-id", run, "--name", "approve", "--input", payload)

        async def attempts() -> list[dict[str, Any]]:
            seen = await temporal("workflow", "describe", "--workflow-id", run, "-o", "json")
            return [one for one in seen.json.get("pendingActivities", []) if "lastFailure" in one]

        (waiting,) = await eventually(attempts, bool)
        assert "ANTHROPIC_API_KEY" in waiting["lastFailure"]["message"]
        keyless.terminate()
        await keyless.wait()
        await start_worker(run, **wire.env())
        assert (await result(temporal, run))["output"] == "written"
    assert len(wire.log) == 2
