"""Queries that meet runs whose worker was killed do not carry them beyond their last workflow task."""

import asyncio
import json
import subprocess
import sys
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from perdure.testing import eventually
from tests.chaos.workers import ROOT
from tests.workflows.run_ahead_worker import KILLED, QUEUE, Times

RUNS = 30


def start_worker(client: Client) -> subprocess.Popen[bytes]:
    """A process that can be killed."""
    address = client.service_client.config.target_host
    program = f"import asyncio; from tests.workflows.run_ahead_worker import main; asyncio.run(main({address!r}))"
    return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)


async def times(run: WorkflowHandle[Any, Any]) -> list[str]:
    """What the run answers; nothing when no worker is there."""
    try:
        return await run.query(Times.times)
    except RPCError:
        return []


async def asked_on_and_on(runs: list[WorkflowHandle[Any, Any]]) -> None:
    """Ask all runs, as people do who watch them."""
    while True:
        await asyncio.gather(*(times(run) for run in runs))
        await asyncio.sleep(0.02)


async def scheduled(run: WorkflowHandle[Any, Any]) -> list[str]:
    """The times that the history holds."""
    events = (await run.fetch_history()).events
    begun = (event.activity_task_scheduled_event_attributes for event in events)
    return [json.loads(each.input.payloads[1].data) for each in begun if each.activity_id]


async def test_runs_loaded_by_a_query_replay_to_the_same_times(client: Client) -> None:
    """What a run knew when it went on after a kill is what it knows at every later replay."""
    worker = start_worker(client)
    runs = [await client.start_workflow(Times.run, id=f"{QUEUE}-{n}", task_queue=QUEUE) for n in range(RUNS)]
    watching = asyncio.create_task(asked_on_and_on(runs))
    try:
        for run in runs:
            await eventually(lambda run=run: times(run), lambda found: len(found) == KILLED + 1, 60)
        worker.kill()
        worker.wait()
        worker = start_worker(client)
        results = await asyncio.wait_for(asyncio.gather(*(run.result() for run in runs)), 90)
        watching.cancel()
        assert [await scheduled(run) for run in runs] == results
        assert [await times(run) for run in runs] == results
    finally:
        watching.cancel()
        worker.kill()
        worker.wait()
