"""Thirty tool calls under five SIGKILLs of the worker: nothing is lost, nothing that must not repeat is repeated.

Everything holds for one run, and for a chain of runs that continues as new about every five turns.
"""

import asyncio
import os
import random
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import TemporalError

from perdure.testing import ALLOW_ALL, History, eventually
from perdure.testing.history import chain_of
from tests.chaos.looking import lines_of, pages_of, turns_of_runs
from tests.chaos.workers import KeptWorker, environment_of
from tests.waiting import update
from tests.wire import WireServer

TOOLS = ("peek", "store", "charge")
ROUNDS = 10
SEEDS = range(int(os.environ.get("CHAOS_SEEDS", "1")))
KILLS = 5
RECOVERY = 10.0
"""Seconds from a kill to the next model call, tool call or question."""
PATIENCE = 15.0
"""Seconds that a person waits for an answer before asking again."""
ONE_RUN = "4000"
FIVE_TURNS = "70"
"""Events of a history after which a run continues as new: a turn of this script has about 14."""


def script() -> list[dict[str, Any]]:
    """Rounds of three calls: alternately one turn for all three, and a turn for each."""
    steps: list[dict[str, Any]] = []
    for n in range(ROUNDS):
        calls = [{"tool": tool, "arguments": {"n": n}} for tool in TOOLS]
        steps += [{"calls": calls}] if n % 2 else [{"calls": [one], "delay": 0.2} for one in calls]
    return [*steps, {"text": "all done"}]


async def answer_unknowns(handle: WorkflowHandle[Any, Any], log: Path, asked: list[dict[str, Any]]) -> None:
    """Play the human for as long as the run lasts."""
    while True:
        await asyncio.sleep(0.1)
        try:
            async with asyncio.timeout(PATIENCE):
                await answer_pending(handle, log, asked)
        except (TemporalError, TimeoutError):  # no worker is there to answer just now
            continue


async def answer_pending(handle: WorkflowHandle[Any, Any], log: Path, asked: list[dict[str, Any]]) -> None:
    """Look into the log whether what is asked about happened, and say so."""
    requests = (await handle.query("pending_approvals"))["requests"]
    known = {request["request_id"] for request in asked}
    for request in (request for request in requests if request["request_id"] not in known):
        assert request["kind"] == "unknown_outcome", request
        done = [line for line in lines_of(log) if line["kind"] == "effect" and line["tool"] == request["tool"]]
        happened = any(line["n"] == request["arguments"]["n"] for line in done)
        payload = {"request_id": request["request_id"], "approver": "human"}
        verdict = {"verdict": "respond", "response": "charged"} if happened else {"verdict": "approve"}
        answer = await update(handle, "decide", {**payload, **verdict})
        # Decided already: by the same answer, whose acknowledgement died with a worker.
        if answer["accepted"] or answer["code"] == "already_decided":
            asked.append({**request, "happened": happened})


async def effects_in(log: Path) -> int:
    """How many effects the tool host has seen."""
    return sum(line["kind"] == "effect" for line in lines_of(log))


async def kill_at_random(worker: KeptWorker, rng: random.Random, log: Path, plan: Path) -> None:
    """Kill the worker at random moments, each some effects after the last one, up to KILLS with those of the plan.

    Two kills may strike the same process at the same moment: they count as one.
    """
    seen = 0
    while len(worker.deaths) + len(list(plan.iterdir())) < KILLS:
        seen += rng.randint(3, 8)
        await eventually(lambda: effects_in(log), lambda count, seen=seen: count >= seen, 60)
        await asyncio.sleep(rng.uniform(0, 0.4))
        before = len(worker.deaths)
        await eventually(worker.kill, bool, 30)  # it may be dead by the plan just now
        await eventually(worker.count_deaths, lambda count, before=before: count > before, 30)


@pytest.mark.parametrize("events", [ONE_RUN, FIVE_TURNS])
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_run_survives_five_kills_without_repeating_effects(
    client: Client, tmp_path: Path, seed: int, events: str
) -> None:
    """Three kills from inside the tools, at exact points, and two at random moments."""
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    log, plan = tmp_path / "log", tmp_path / "plan"
    plan.mkdir()
    numbers = rng.sample(range(ROUNDS), 3)
    for n, point in zip(numbers, ("before", "after", "answered"), strict=True):
        (plan / f"{rng.choice(TOOLS) if point == 'answered' else 'charge'}-{n}-{point}").touch()
    queue, asked = f"chaos-{seed}-{events}", list[dict[str, Any]]()
    with WireServer(script()) as wire:
        environment = wire.env() | environment_of(client, queue, tmp_path)
        environment |= {"CHAOS_LOG": str(log), "CHAOS_PLAN": str(plan), "PERDURE_ROLLOVER_EVENTS": events}
        worker = KeptWorker(environment, tmp_path / "worker.log")
        keeper = asyncio.create_task(worker.keep())
        handle = await client.start_workflow(
            "Agent",
            {"goal": "work", "model": "openai-chat:any", "policy": ALLOW_ALL, "limits": {"turns": 60}},
            id=queue,
            task_queue=queue,
        )
        helpers = [
            asyncio.create_task(answer_unknowns(handle, log, asked)),
            asyncio.create_task(kill_at_random(worker, rng, log, plan)),
        ]
        try:
            result = await asyncio.wait_for(handle.result(), 150)
            ledger = await pages_of(handle, "ledger", "calls")
        finally:
            for task in helpers:
                task.cancel()
            worker.end()
            await keeper
    lines = lines_of(log)
    assert result["success"], result
    assert result["tool_calls"] == 3 * ROUNDS
    assert len(worker.deaths) == KILLS, worker.deaths
    check_effects(lines)
    check_unknowns(numbers[:2], asked)
    history = await chain_of(client, handle)
    check_runs(turns_of_runs(history), events)
    check_model_calls(history, [entry["turn"] for entry in wire.log], len(worker.deaths))
    check_recovery(worker.deaths, [entry["at"] for entry in (*lines, *wire.log)], asked)
    assert [entry["state"] for entry in ledger] == ["done"] * 3 * ROUNDS


def check_runs(turns: list[int], events: str) -> None:
    """One run, or a chain of them with about five turns each; the last one may have fewer."""
    if events == ONE_RUN:
        assert turns == [len(script())]
        return
    assert 4 <= len(turns) <= 6, turns
    # A turn with a lost call costs more events: a person is asked, and what they say is recorded.
    assert all(2 <= count <= 6 for count in turns[:-1]), turns


def check_effects(lines: list[dict[str, Any]]) -> None:
    """Every effect took place; `once` effects once; repeated attempts kept their key."""
    effects = [line for line in lines if line["kind"] == "effect"]
    for tool in TOOLS:
        assert {line["n"] for line in effects if line["tool"] == tool} == set(range(ROUNDS))
    assert Counter(line["n"] for line in effects if line["tool"] == "charge") == dict.fromkeys(range(ROUNDS), 1)
    keys = {
        (line["tool"], line["n"]): {one["key"] for one in lines if (one["tool"], one["n"]) == (line["tool"], line["n"])}
        for line in lines
    }
    assert all(len(found) == 1 for found in keys.values())
    assert len({key for found in keys.values() for key in found}) == 3 * ROUNDS


def check_unknowns(killed: list[int], asked: list[dict[str, Any]]) -> None:
    """The two charges that were killed around their effect were asked about, truthfully."""
    found = {request["arguments"]["n"]: request["happened"] for request in asked}
    assert found[killed[0]] is False
    assert found[killed[1]] is True


def check_model_calls(history: History, turns: list[int], kills: int) -> None:
    """No completed model call was made again: only calls in flight at a kill were."""
    wanted = len(script())
    assert history.count("llm.reply") == wanted
    assert set(turns) == set(range(wanted))
    assert len(turns) - wanted <= kills
    assert turns == sorted(turns), "a turn was asked again after a later one"


def check_recovery(deaths: list[float], events: list[float], asked: list[dict[str, Any]]) -> None:
    """After each kill something new began, or a person was asked, in time."""
    for death in deaths:
        following = [
            at - death
            for at in [*events, *(datetime.fromisoformat(request["asked_at"]).timestamp() for request in asked)]
            if at > death
        ]
        assert following, "nothing began after a kill"
        assert min(following) < RECOVERY, f"{min(following):.1f} s after the kill"
