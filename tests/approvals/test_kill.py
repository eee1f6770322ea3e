"""SIGKILL of the worker between any two steps of an approval: the outcome is the same, and the payment is made once."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from temporalio.client import Client

from perdure.testing import eventually
from perdure.testing.history import chain_of
from tests.approvals.approving import SECONDS, Death, PayModel, Run
from tests.chaos.workers import ROOT, environment_of, kept_worker

Point = Callable[[Run], Awaitable[None]]


async def nowhere(run: Run) -> None:
    """Undisturbed: it has ended before the worker dies."""
    await run.approve("ann")
    await run.handle.result()
    await run.killed()


async def before_the_request(run: Run) -> None:
    """The model has been asked and has not answered."""
    await run.turns(1)
    await run.killed()
    await run.approve("ann")


async def as_the_request_is_recorded(run: Run) -> None:
    """It is open, and no entry of the audit log tells of it."""
    with run.audit_held():
        await run.asked()
        await run.at_work("run.record")
        await run.killed()
    await run.approve("ann")


async def while_it_waits(run: Run) -> None:
    """The decision comes when another worker is there."""
    await run.asked()
    await run.at_work()
    await run.killed()
    await run.approve("ann")


async def between_decision_and_call(run: Run) -> None:
    """The decision is in the history before a worker is there to act on it."""
    name = await run.asked()
    await run.at_work()
    await run.killed()
    await run.approve("ann", name)


async def after_the_call_before_its_record(run: Run) -> None:
    """The payment is made and known to the run; no entry of the audit log tells of it, nor of the decision."""
    name = await run.asked()
    await run.at_work()
    with run.audit_held():
        await run.approve("ann", name)
        await run.turns(2)
        await run.at_work("run.record")
        await run.killed()


async def between_two_votes(run: Run) -> None:
    """One of two approvals is in."""
    await run.approve("ann")
    name = await run.asked(votes=1)
    await run.at_work()
    await run.killed()
    await run.approve("ben", name)


async def before_the_effect(run: Run) -> None:
    """In the tool: the read-back says that nothing happened."""
    await run.others(len(WAITING))
    run.plan("before")
    await run.approve("ann")
    await run.stays("before")
    await run.killed()


async def after_the_effect(run: Run) -> None:
    """In the tool: the read-back says that it happened."""
    await run.others(len(WAITING))
    run.plan("after")
    await run.approve("ann")
    await run.stays("after")
    await run.killed()


async def as_the_tool_answers(run: Run) -> None:
    """The answer is on its way to the server, or just there: this is what kills the worker."""
    await run.others(len(WAITING) + 2)
    run.plan("answered")
    await run.approve("ann")


WAITING: tuple[Point, ...] = (
    nowhere,
    before_the_request,
    as_the_request_is_recorded,
    while_it_waits,
    between_decision_and_call,
    after_the_call_before_its_record,
    between_two_votes,
)
POINTS = (*WAITING, before_the_effect, after_the_effect, as_the_tool_answers)
ONE = [("policy", ""), ("request", "default"), ("decision", "ann"), ("effect", "default"), ("end", "")]
TWO = [*ONE[:3], ("decision", "ben"), ("decision", "ann, ben"), *ONE[3:]]


async def start(client: Client, queue: str, folder: Path, model: PayModel, death: Death) -> list[Run]:
    """A run for each point; its number is what it pays."""
    runs: list[Run] = []
    for n, point in enumerate(POINTS):
        rule = {"tool": "pay", "level": "confirm", "quorum": 2 if point is between_two_votes else 1}
        handle = await client.start_workflow(
            "Agent",
            {"goal": str(n), "model": "openai-chat:any", "policy": {"rules": [rule]}},
            id=f"{queue}-{point.__name__}",
            task_queue=queue,
        )
        runs.append(Run(handle, n, folder, model, death))
    return runs


async def verified(runs: list[Run], environment: dict[str, str]) -> list[dict[str, Any]]:
    """What `audit verify` finds out about the runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("starter.py", "audit", "verify", "-o", "json", *(run.handle.id for run in runs)),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return json.loads(out)["items"]


async def calls_of(client: Client, run: Run) -> list[int]:
    """How often the model was asked, the tool was called, and the effect was made, by history and log."""
    history = await chain_of(client, run.handle)
    return [history.count("llm.reply"), history.count("tools.call"), run.payments]


async def test_a_kill_changes_nothing_in_an_approval(client: Client, tmp_path: Path) -> None:
    """One SIGKILL meets runs at every point; all end as the undisturbed one, with a sound audit log."""
    name, death = "approval-kill", Death()
    (tmp_path / "plan").mkdir()
    with PayModel(silent=POINTS.index(before_the_request)) as model:
        environment = model.env() | environment_of(client, name, tmp_path)
        environment |= {"CHAOS_LOG": str(tmp_path / "log"), "CHAOS_PLAN": str(tmp_path / "plan")}
        environment |= {"PERDURE_TOOL_MODULES": "tests.approvals.paying"}
        async with kept_worker(environment, tmp_path / "worker.log") as worker:
            runs = await start(client, name, tmp_path, model, death)
            acts = asyncio.gather(*(point(run) for point, run in zip(POINTS, runs, strict=True)))
            try:
                await eventually(worker.count_deaths, bool, SECONDS)
                death.come.set()
                await acts
                results = await asyncio.wait_for(asyncio.gather(*(run.handle.result() for run in runs)), SECONDS)
            finally:
                acts.cancel()
            calls = {run.handle.id: await calls_of(client, run) for run in runs}
            found = await verified(runs, environment)
    assert len(worker.deaths) == 1
    assert death.ready == len(POINTS) - 1
    outcomes = [(each["success"], each["output"], each["turns"], each["tool_calls"]) for each in results]
    assert outcomes == [(True, "paid", 2, 1)] * len(POINTS)
    again = {f"{name}-before_the_effect"}
    assert calls == {run.handle.id: [2, 2 if run.handle.id in again else 1, 1] for run in runs}
    logs = {run.n: [(entry.kind, entry.by) for entry in run.audit.read(run.log_name)] for run in runs}
    assert logs == {run.n: TWO if POINTS[run.n] is between_two_votes else ONE for run in runs}
    states = {each["workflow_id"]: (each["problems"], each["compared"], each["complete"]) for each in found}
    assert states == {run.handle.id: ([], True, True) for run in runs}
