"""Records one history per scenario: `uv run python -m tests.replay.record` (only when a new scenario is added).

Histories of earlier releases stay as they are: a change of workflow code must replay them, not rewrite them.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from perdure.domain.errors import ContextOverflow, Overloaded
from perdure.testing import ALLOW_ALL, Environment, History, agents, call, eventually, local_server
from tests.patterns.cases import CASES, Case
from tests.replay.modes import text_form, thoughts
from tests.replay.people import PAIR, below, broken_off, votes
from tests.samples import Host, sample_tools
from tests.waiting import pending, update

__all__ = ["HISTORIES", "SCENARIOS"]

HISTORIES = Path(__file__).parent / "histories"
Handle = WorkflowHandle[Any, Any]


async def tools(env: Environment, _host: Host) -> Handle:
    """Parallel pure calls, a bad call, effects in order, a structured answer after a repair."""
    model = env.model(
        [
            [call("look", n=1), call("look", n=2), call("lok", n=3)],
            [call("pay", n=4), call("put", n=5)],
            "not json",
            '{"n": 5}',
        ]
    )
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    handle = await env.start("go", model=model, policy=ALLOW_ALL, output_schema=schema)
    await handle.result()
    return handle


async def approvals(env: Environment, _host: Host) -> Handle:
    """Approve by signal, edit by update, reject, a timeout, pause and resume, steering, ignored signals."""
    rules = [{"tool": "book", "level": "confirm", "timeout": 0.2}]
    turns = [[call("pay", n=1), call("pay", n=2)], call("pay", n=3), call("book", n=4), "done", "after steering"]
    handle = await env.start("go", model=env.model(turns), policy={"rules": rules})
    first, second = await pending(handle, 2)
    await handle.signal("approve", {"nonsense": True})
    await update(handle, "pause", {"by": "ada"})
    await handle.signal("approve", {"request_id": first["request_id"], "approver": "bob"})
    edit = {"request_id": second["request_id"], "verdict": "edit", "arguments": {"n": 9}, "approver": "bob"}
    await update(handle, "decide", edit)
    await update(handle, "steer", {"text": "sum up", "mode": "when_idle"})
    await update(handle, "resume", {})
    (third,) = await pending(handle)
    await handle.signal("reject", {"request_id": third["request_id"], "approver": "bob", "reason": "no"})
    await handle.result()
    return handle


async def unknown_outcome(env: Environment, host: Host) -> Handle:
    """A lost answer that a person resolves."""
    host.lose = 1
    handle = await env.start("go", model=env.model([call("pay", n=1), "done"]), policy=ALLOW_ALL)
    (request,) = await pending(handle)
    await handle.signal("reject", {"request_id": request["request_id"], "approver": "bob"})
    await handle.result()
    return handle


async def outage(env: Environment, _host: Host) -> Handle:
    """A provider that is overloaded for longer than the quick tries."""
    errors = [Overloaded("busy", retry_after=0.05) for _ in range(7)]
    handle = await env.start("go", model=env.model([*errors, "done"]))
    await handle.result()
    return handle


async def delegation(env: Environment, _host: Host) -> Handle:
    """A child run on the parent's model, and a stop by limit."""
    model = env.model([call("delegate", agent="default", goal="look"), "never"])
    handle = await env.start("go", model=model, limits={"turns": 1})
    await handle.result()
    return handle


async def question(env: Environment, _host: Host) -> Handle:
    """A question that is answered, then a stop."""
    turns = [call("ask_human", question="Which?"), call("pay", n=1)]
    handle = await env.start("go", model=env.model(turns))
    (request,) = await pending(handle)
    answer = {"request_id": request["request_id"], "verdict": "respond", "response": "red", "approver": "bob"}
    await update(handle, "decide", answer)
    await pending(handle)
    await update(handle, "stop", {})
    await handle.result()
    return handle


async def rollover(env: Environment, host: Host) -> Handle:
    """Continued as new at every step: an approval, a lost effect, a pause, a message and a limit wait meanwhile."""
    host.lose = 1
    turns = [[call("pay", n=1), call("look", n=2)], "steered", "done"]
    rules = [{"tool": "pay", "level": "confirm"}]
    handle = await env.start("go", model=env.model(turns), policy={"rules": rules}, limits={"turns": 1}, on_limit="ask")
    (request,) = await pending(handle)
    await handle.signal("steer", {"text": "one more thing"})
    await update(handle, "pause", {"by": "ada"})
    await handle.signal("approve", {"request_id": request["request_id"], "approver": "bob"})
    await update(handle, "resume", {})
    (unknown,) = await kind_is(handle, "unknown_outcome")
    decision = {"request_id": unknown["request_id"], "verdict": "respond", "response": "paid", "approver": "bob"}
    await update(handle, "decide", decision)
    (limit,) = await kind_is(handle, "limit")
    await update(handle, "configure", {"limits": {"turns": 9}, "by": "ada"})
    assert limit["request_id"] == "req-limit-1-turns"
    await handle.result()
    return handle


async def compaction(env: Environment, _host: Host) -> Handle:
    """A conversation that outgrows its window, an overflow, and a last word at a limit."""
    turns = [*(call("look", n=n) for n in range(20)), ContextOverflow("too long"), call("look", n=21), "the last word"]
    context = {"window": 1_000, "strategy": "oldest_first"}
    agent = {"name": "small", "model": env.model(turns), "settings": {"context": context}}
    handle = await env.start("go " * 100, agent=agent, limits={"turns": 21}, on_limit="summarise")
    await handle.result()
    return handle


async def session(env: Environment, _host: Host) -> Handle:
    """Questions in turn, a repeated one, one that fails, and an idle end."""
    model = env.model(["one", call("look", n=1), "three", "never"])
    handle = env.client.get_workflow_handle(f"{env.task_queue}-session")
    first = env.ask(handle.id, "first", "m1", model=model, limits={"turns": 1}, idle_seconds=0.5)
    await asyncio.gather(first, env.ask(handle.id, "first", "m1"))
    with suppress(WorkflowUpdateFailedError):
        await env.ask(handle.id, "second", "m2")
    await env.ask(handle.id, "third", "m3")
    await env.ask(handle.id, "first", "m1")
    await handle.result()
    return handle


async def kind_is(handle: Handle, kind: str) -> list[dict[str, Any]]:
    """The one request that waits, once it is of this kind."""

    async def look() -> list[dict[str, Any]]:
        answer: dict[str, Any] = await handle.query("pending_approvals")
        return answer["requests"]

    return await eventually(look, lambda requests: [each["kind"] for each in requests] == [kind])


SCENARIOS: tuple[Callable[[Environment, Host], Awaitable[Handle]], ...] = (
    tools,
    approvals,
    unknown_outcome,
    outage,
    delegation,
    question,
    rollover,
    compaction,
    session,
    votes,
    broken_off,
    below,
    text_form,
    thoughts,
)
SETTINGS: dict[str, dict[str, Any]] = {
    "rollover": {"rollover_events": 1},
    "session": {"rollover_events": 30},
    "thoughts": {"rollover_events": 1},
    "votes": {"public_keys": PAIR.public},
}
"""What a scenario needs of its worker."""


BELOW = {"Mesh": "peer"}
"""Patterns whose children are of a type that only they start: the first one is recorded too."""


async def pattern(env: Environment, case: Case) -> Handle:
    """The case of a pattern, to its end."""
    with tempfile.TemporaryDirectory() as folder:
        given = {**case.input, "model": f"scripted:{case.script_file(Path(folder))}"}
        handle = await env.client.start_workflow(case.workflow, given, id=env.task_queue, task_queue=env.task_queue)
        await handle.result()
    return handle


def write(name: str, history: History) -> None:
    """Keep the history of each run of a chain."""
    for number, run in enumerate(history.runs):
        path = HISTORIES / (f"{name}-{number}.json" if len(history.runs) > 1 else f"{name}.json")
        path.write_text(run.to_json() + "\n", encoding="utf-8")
    sys.stdout.write(f"{name}\n")


async def main() -> None:
    """Record every scenario that has no history yet."""
    HISTORIES.mkdir(exist_ok=True)
    async with local_server() as client:
        for scenario in SCENARIOS:
            name = scenario.__name__
            if any(HISTORIES.glob(f"agent-{name}*.json")):
                continue
            host = Host()
            async with agents(sample_tools(host), client=client, settings=SETTINGS.get(name)) as env:
                write(f"agent-{name}", await env.history(await scenario(env, host)))
        for case in CASES:
            if any(HISTORIES.glob(f"pattern-{case.name}*.json")):
                continue
            async with agents(sample_tools(Host()), client=client) as env:
                handle = await pattern(env, case)
                write(f"pattern-{case.name}", await env.history(handle))
                if case.workflow in BELOW:
                    child = env.client.get_workflow_handle(f"{handle.id}.1")
                    write(f"pattern-{case.name}-{BELOW[case.workflow]}", await env.history(child))
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)  # the SDK's threads may abort a normal interpreter exit
