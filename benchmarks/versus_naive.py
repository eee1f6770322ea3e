"""The usual design, whole transcript into each model call, beside ours: both curves to where the usual one dies.

    uv run python benchmarks/versus_naive.py [--json] [--short]

Tool results of 2,000 bytes with 200 of text beside each call, 300 calls, the same local model over HTTP, the same
embedded server, a worker each. The usual design is `benchmarks/usual.py`. `--json` prints only one JSON document.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, from anywhere

from openai import AsyncOpenAI
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.worker import Worker

from benchmarks.chain import runs_of
from benchmarks.curve import Point, course, events_of
from benchmarks.local_model import MODEL, LocalModel, local_model
from benchmarks.place import Place, place
from benchmarks.usual import Usual, UsualActivities
from perdure.testing import ALLOW_ALL

CALLS, RESULT = 300, 2_000
STEP = 25
STUCK_SECONDS = 60
"""Without a new model call for so long a run counts as dead: a payload that is too large is retried for ever."""
WINDOW = 1_000_000
QUEUE = "usual"


async def end_of(handle: WorkflowHandle[Any, Any], model: LocalModel) -> str:
    """Wait for the end of a run; why it died, or nothing."""
    result, seen = asyncio.create_task(handle.result()), -1
    while not result.done():
        await asyncio.wait([result], timeout=STUCK_SECONDS)
        before, seen = seen, await asyncio.to_thread(model.served)
        if seen == before and not result.done():
            result.cancel()
            return f"no model call for {STUCK_SECONDS} s: {await _why(handle)}"
    try:
        await result
    except WorkflowFailureError as failure:
        return str(failure.cause)
    return ""


async def _why(handle: WorkflowHandle[Any, Any]) -> str:
    failed = [
        event.workflow_task_failed_event_attributes.failure.message
        async for event in handle.fetch_history_events()
        if event.HasField("workflow_task_failed_event_attributes")
    ]
    return failed[-1] if failed else "no workflow task has failed"


async def usual(here: Place, model: LocalModel) -> tuple[list[Point], str]:
    """Course and cause of death of the usual design; its client has none of our converters."""
    client = await Client.connect(here.client.service_client.config.target_host)
    sdk = AsyncOpenAI(base_url=model.url, api_key="local-model-key", max_retries=0)
    activities = UsualActivities(sdk, RESULT)
    async with sdk, Worker(client, task_queue=QUEUE, workflows=[Usual], activities=[activities.model, activities.tool]):
        handle = await client.start_workflow("Usual", "Read every page.", id="usual", task_queue=QUEUE)
        why = await end_of(handle, model)
        run = handle.first_execution_run_id or ""
        return course(await events_of(client, "usual", [run]), "usual.model"), why


async def ours(here: Place, model: LocalModel, calls: int) -> tuple[list[Point], str]:
    """Course of our agent, over all runs of its chain, and why it died if it did."""
    limits = {"turns": calls + 1, "tool_calls": calls, "tokens": 10**12}
    agent = {"name": "reader", "tools": ["read_page"], "settings": {"context": {"window": WINDOW}}}
    given = {"agent": agent, "model": f"openai-chat:{MODEL}", "limits": limits, "policy": ALLOW_ALL}
    async with here.worker(BENCH_BYTES=str(RESULT), **model.env):
        start = {"goal": "Read every page.", **given}
        handle = await here.client.start_workflow("Agent", start, id="ours", task_queue=here.task_queue)
        why = await end_of(handle, model)
        runs = [run.run_id for run in await runs_of(here.client, "ours")]
        return course(await events_of(here.client, "ours", runs), "llm.reply"), why


def row(points: list[Point], turn: int) -> dict[str, float] | None:
    """Figures at a turn: ms per turn since the step before it, bytes of history before it; None when never reached."""
    if turn > len(points):
        return None
    here, before = points[turn - 1], points[max(turn - 1 - STEP, 0)]
    return {"ms": (here.at - before.at) * 1000 / max(here.turn - before.turn, 1), "bytes": here.bytes}


def table(rows: list[dict[str, Any]]) -> None:
    """Print both curves."""
    print(f"{'turn':>5} {'usual: ms a turn':>17} {'MB of history':>14} {'ours: ms a turn':>16} {'MB of history':>14}")
    for line in rows:
        cells = [
            f"{each['ms']:{wide}.1f} {each['bytes'] / 1e6:14.2f}" if each else f"{'-':>{wide}} {'-':>14}"
            for each, wide in ((line["usual"], 17), (line["ours"], 16))
        ]
        print(f"{line['turn']:5d} {cells[0]} {cells[1]}")


async def main(calls: int, *, as_json: bool) -> bool:
    """Run both and print their curves; says whether ours reached its end."""
    async with place(tool_modules="benchmarks.reading") as here:
        with local_model(calls, here.folder) as model:
            theirs, death = await usual(here, model)
        with local_model(calls, here.folder) as model:
            mine, failure = await ours(here, model, calls)
    turns = [1, *range(STEP, calls + 1, STEP), *([len(theirs)] if death else [])]
    rows = [{"turn": turn, "usual": row(theirs, turn), "ours": row(mine, turn)} for turn in sorted(set(turns))]
    verdict = f"died at turn {len(theirs)}: {death}" if death else f"reached the end, turn {len(theirs)}"
    if as_json:
        print(
            json.dumps(
                {
                    "calls": calls,
                    "result_bytes": RESULT,
                    "usual": verdict,
                    "ours": failure or "reached the end",
                    "rows": rows,
                }
            )
        )
        return not failure
    table(rows)
    print(f"the usual design {verdict}")
    print(f"ours {f'died: {failure}' if failure else f'reached the end, turn {len(mine)}'}")
    return not failure


if __name__ == "__main__":
    good = asyncio.run(main(50 if "--short" in sys.argv else CALLS, as_json="--json" in sys.argv))
    sys.stdout.flush()
    os._exit(0 if good else 1)
