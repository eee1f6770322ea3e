"""Whether a run of 10,000 turns costs the same at its end as at its beginning, in time, history and memory.

    uv run python benchmarks/long_run.py [--turns N] [--compression zstd] [--encrypted]
    uv run python benchmarks/long_run.py --conversation 2MB   300 turns on top of 2 MB, all of it sent each time
    uv run python benchmarks/long_run.py --stored             W(100, 5 KB) with zstd: all that is stored
    uv run python benchmarks/long_run.py --short              300 turns, often continued as new; times are not judged

The embedded server with a database file, a worker process, and a model over HTTP in a third process. Tool results are
1,000 bytes of English and 200 stand beside each call: 1.2 KB of conversation a turn. KB are 1,000 bytes.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, from anywhere

from benchmarks.chain import Run, runs_of
from benchmarks.figures import judge, sizes_hold, times_hold, worker_holds
from benchmarks.local_model import LocalModel, local_model
from benchmarks.place import Place, place
from benchmarks.plan import Plan
from benchmarks.sampling import Sample, sample

DBOS_BYTES = 830_000
"""What W(100, 5 KB) leaves in DBOS with SQLite."""
REPORT = 500


async def watch(handle: WorkflowHandle[Any, Any], model: LocalModel, pid: int) -> tuple[Any, list[Sample]]:
    """Result of the run, and what its worker used on the way; prints how far it is."""
    result, begin, samples = asyncio.create_task(handle.result()), time.monotonic(), [sample(pid, 0)]
    while not result.done():
        await asyncio.wait([result], timeout=0.5)
        samples.append(sample(pid, await asyncio.to_thread(model.served)))
        before, now = samples[-2:]
        if now.calls // REPORT > before.calls // REPORT:
            passed = time.monotonic() - begin
            print(f"  {now.calls} model calls, {passed:.0f} s, {now.rss / 1e6:.0f} MB", file=sys.stderr, flush=True)
    return result.result(), samples


async def work(here: Place, model: LocalModel, plan: Plan) -> bool:
    """Run the plan to its end; says whether times and memory hold."""
    async with here.worker(**plan.environment(), **model.env) as pid:
        handle = await here.client.start_workflow("Agent", plan.given(), id="long", task_queue=here.task_queue)
        result, samples = await watch(handle, model, pid)
        page = await handle.query("transcript", {"offset": 0, "limit": 1})
    assert result["success"], result
    assert (result["turns"], result["tool_calls"]) == (plan.calls + 1, plan.calls), result
    asked = model.asked()
    summaries = sum(call.turn < 0 for call in asked)
    largest = max(call.size for call in asked)
    print(f"{len(asked)} model requests, {summaries} of them for summaries, the largest {largest:,} bytes")
    print(f"transcript: {page['total']} messages; {result['usage']['input_tokens']:,} input tokens")
    return all([times_hold(plan, asked), worker_holds(plan, samples)])


async def main(plan: Plan, *, stored: bool) -> bool:
    """Print the figures; says whether all hold."""
    print(plan)
    async with place(**plan.settings()) as here:
        with local_model(plan.calls, here.folder) as model:
            held = await work(here, model, plan)
        runs = await runs_of(here.client, "long")
        print(f"blobs {here.blob_bytes:,} bytes, database file {here.database_bytes:,} bytes")
        held = sizes_hold(plan, runs) and held
        return (not stored or stored_holds(here, runs)) and held


def stored_holds(here: Place, runs: list[Run]) -> bool:
    """All that W(100, 5 KB) leaves: histories with everything in them, and blobs."""
    return judge("MB stored, W(100, 5 KB)", (sum(run.bytes for run in runs) + here.blob_bytes) / 1e6, DBOS_BYTES / 1e6)


def plan_of(given: argparse.Namespace) -> Plan:
    """What the command line asks for."""
    if given.stored:
        return Plan(turns=given.turns or 100, result=5_000, compression="zstd", short=given.short)
    turns = given.turns or (300 if given.short or given.conversation else 10_000)
    head = given.conversation is not None
    return Plan(turns, compression=given.compression, encrypted=given.encrypted, head=head, short=given.short)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--turns", type=int)
    options.add_argument("--compression", choices=("none", "zstd"), default="none")
    options.add_argument("--encrypted", action="store_true")
    options.add_argument("--conversation", choices=("2MB",))
    options.add_argument("--stored", action="store_true")
    options.add_argument("--short", action="store_true")
    asked_for = options.parse_args()
    good = asyncio.run(main(plan_of(asked_for), stored=asked_for.stored))
    sys.stdout.flush()
    os._exit(0 if good else 1)
