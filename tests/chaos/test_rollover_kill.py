"""The worker dies around continue-as-new: while the transcript is being stored, and just after the run has moved on."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle

from perdure.testing import ALLOW_ALL, eventually
from perdure.testing.history import chain_of
from tests.chaos.bucket import Bucket, Hold
from tests.chaos.looking import effects_of, pages_of, turns_of_runs
from tests.chaos.workers import KeptWorker, environment_of, kept_worker
from tests.wire import WireServer

TURNS = 12
EVENTS = "40"
"""Events of a history after which a run continues as new: about three turns of this script."""
KILLS = 3
RECOVERY = 10.0
STEPS = [*({"calls": [{"tool": "store", "arguments": {"n": n}}]} for n in range(TURNS)), {"text": "all done"}]


async def start(client: Client, name: str) -> WorkflowHandle[Any, Any]:
    """Start a run of many short turns on a queue of its own name."""
    return await client.start_workflow(
        "Agent", {"goal": "work", "model": "openai-chat:any", "policy": ALLOW_ALL}, id=name, task_queue=name
    )


@pytest.mark.parametrize("hold", ["before it is kept", "after it is kept"])
async def test_a_worker_dies_while_the_transcript_is_stored(client: Client, tmp_path: Path, hold: Hold) -> None:
    """The next worker stores it again, the run continues, and nothing is missing."""
    name = f"archive-{hold.split()[0]}"
    with WireServer(STEPS) as wire, Bucket() as bucket:
        bucket.hold = hold
        own = environment(client, name, tmp_path, wire) | bucket.env()
        async with kept_worker(own, tmp_path / "worker.log") as worker:
            handle = await start(client, name)

            async def held() -> int:
                return len(bucket.held)

            await eventually(held, bool, 30)
            before = (await handle.describe()).run_id
            bucket.hold = None
            assert await worker.kill()
            result = await asyncio.wait_for(handle.result(), 90)
            await check(client, handle, result, tmp_path, wire)
    runs = (await chain_of(client, handle)).runs
    assert runs[0].events[0].workflow_execution_started_event_attributes.original_execution_run_id == before
    check_recovery(worker, wire, 1)


async def test_a_worker_dies_just_after_the_run_has_continued_as_new(client: Client, tmp_path: Path) -> None:
    """Three times in a chain; each next run is taken up by the next worker, which knows nothing of it."""
    name = "moved"
    with WireServer(STEPS) as wire:
        async with kept_worker(environment(client, name, tmp_path, wire), tmp_path / "worker.log") as worker:
            handle = await start(client, name)

            async def run_id() -> str | None:
                return (await handle.describe()).run_id

            seen = await run_id()
            for _ in range(KILLS):
                seen = await eventually(run_id, lambda now, seen=seen: now != seen, 60)
                assert await worker.kill()
            result = await asyncio.wait_for(handle.result(), 90)
            await check(client, handle, result, tmp_path, wire)
    check_recovery(worker, wire, KILLS)


def environment(client: Client, name: str, folder: Path, wire: WireServer) -> dict[str, str]:
    """Environment of a worker whose runs soon continue as new."""
    own = {"CHAOS_LOG": str(folder / "log"), "CHAOS_PLAN": str(folder), "PERDURE_ROLLOVER_EVENTS": EVENTS}
    return wire.env() | environment_of(client, name, folder) | own


async def check(
    client: Client, handle: WorkflowHandle[Any, Any], result: dict[str, Any], folder: Path, wire: WireServer
) -> None:
    """Every call once, under one key, in one transcript; every turn asked once unless a kill cut it short."""
    assert (result["success"], result["output"], result["turns"]) == (True, "all done", TURNS + 1)
    effects = effects_of(folder / "log")
    keys = {line["n"]: {one["key"] for one in effects if one["n"] == line["n"]} for line in effects}
    assert {n: len(found) for n, found in keys.items()} == dict.fromkeys(range(TURNS), 1)
    assert len({key for found in keys.values() for key in found}) == TURNS
    turns = turns_of_runs(await chain_of(client, handle))
    assert sum(turns) == TURNS + 1
    assert len(turns) >= KILLS + 1
    asked = Counter(entry["turn"] for entry in wire.log)
    assert set(asked) == set(range(TURNS + 1))
    ledger = await pages_of(handle, "ledger", "calls")
    assert [(call["number"], call["state"]) for call in ledger] == [(n + 1, "done") for n in range(TURNS)]
    messages = await pages_of(handle, "transcript", "messages")
    texts = [message["text"] for message in messages if message["kind"] == "tool_result"]
    assert texts == [f"store {n}" for n in range(TURNS)]
    assert len(messages) == 2 * TURNS + 2


def check_recovery(worker: KeptWorker, wire: WireServer, kills: int) -> None:
    """The model was asked again soon after each kill, and only what a kill cut short was asked twice."""
    assert len(worker.deaths) == kills
    for death in worker.deaths:
        following = [entry["at"] - death for entry in wire.log if entry["at"] > death]
        assert min(following) < RECOVERY, f"{min(following):.1f} s after the kill"
    assert len(wire.log) - (TURNS + 1) <= kills
