"""Records one history per scenario: `uv run python -m tests.replay.record` (only when a new scenario is added).

Histories of earlier releases stay as they are: a change of workflow code must replay them, not rewrite them.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from perdure.domain.errors import Overloaded
from perdure.testing import ALLOW_ALL, Environment, agents, call, local_server
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


SCENARIOS: tuple[Callable[[Environment, Host], Awaitable[Handle]], ...] = (
    tools,
    approvals,
    unknown_outcome,
    outage,
    delegation,
    question,
)


async def main() -> None:
    """Record every scenario that has no history yet."""
    HISTORIES.mkdir(exist_ok=True)
    async with local_server() as client:
        for scenario in SCENARIOS:
            path = HISTORIES / f"agent-{scenario.__name__}.json"
            if path.exists():
                continue
            host = Host()
            async with agents(sample_tools(host), client=client) as env:
                handle = await scenario(env, host)
                path.write_text((await handle.fetch_history()).to_json() + "\n", encoding="utf-8")
            sys.stdout.write(f"{path.name}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)  # the SDK's threads may abort a normal interpreter exit
