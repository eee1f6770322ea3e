"""Continuing as new: the whole suite with a rollover at every step, and what must outlive one."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError

from perdure.domain.errors import ContextOverflow
from perdure.testing import ALLOW_ALL, Environment, agents, call, eventually
from tests.samples import Host, registry_of, sample_tools
from tests.waiting import update

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
EVERY_STEP = {"rollover_events": 1}
NOT_AGAIN = ("test_rollover.py", "test_size.py", "test_state_size.py")
"""This file itself, and those that measure the bytes of a single history or state."""
NOT_OVER_RUNS = "test_after_a_reset_another_call_of_the_same_number_has_another_key"
"""Resets to an event of the one history that it expects."""
FEW = ("test_loop.py", "test_approvals.py", "test_effects.py")
"""What CI repeats; `ROLLOVER_ALL=1 scripts/test tests/workflows/test_rollover.py` repeats every file of this folder."""


def test_every_scenario_comes_to_the_same_with_a_rollover_at_every_step() -> None:
    """The same tests hold, effects and approvals included, when no run lives longer than one step."""
    every = sorted(path for path in HERE.glob("test_*.py") if path.name not in NOT_AGAIN)
    files = every if os.environ.get("ROLLOVER_ALL") else [HERE / name for name in FEW]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, files), "-k", f"not {NOT_OVER_RUNS}", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**os.environ, "PERDURE_ROLLOVER_EVENTS": "1"},
        capture_output=True,
        text=True,
        timeout=1_200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5_000:]
    assert " passed" in done.stdout


async def test_the_runs_of_a_chain_are_short_and_the_transcript_is_whole(client: Client, host: Host) -> None:
    """Every step is a run of its own; messages, ledger and steps are read back over all of them, while and after."""
    async with agents(sample_tools(host), client=client, settings=EVERY_STEP) as env:
        model = env.model([*(call("look", n=n) for n in range(6)), "done"])
        result = await env.run("count", model=model)
        assert (result.output, result.turns, result.tool_calls) == ("done", 7, 6)
        history = await env.history()
        assert len(history.runs) >= 7
        assert history.count("llm.reply") == 7
        messages = await env.transcript()
        assert [message["kind"] for message in messages] == ["user", *["assistant", "tool_result"] * 6, "assistant"]
        assert env.handle is not None
        ledger = [await env.handle.query("ledger", {"offset": n, "limit": 1}) for n in range(6)]
        assert [page["calls"][0]["number"] for page in ledger] == [1, 2, 3, 4, 5, 6]
        assert {page["calls"][0]["state"] for page in ledger} == {"done"}
        steps = [await env.handle.query("steps", {"offset": n, "limit": 1}) for n in range(7)]
        assert [page["step_results"][0]["iteration"] for page in steps] == [1, 2, 3, 4, 5, 6, 7]
        assert {page["total"] for page in steps} == {7}


async def test_an_approval_that_waits_over_rollovers_keeps_its_id(client: Client, host: Host) -> None:
    """Signals make the waiting run continue as new again and again; the request is answered as it was asked."""
    async with agents(sample_tools(host), client=client, settings=EVERY_STEP) as env:
        handle = await env.start("pay", model=env.model([call("pay", n=7), "paid"]))
        (request,) = await env.pending()
        hints = count()

        async def nudged() -> int:
            await handle.signal("steer", {"text": f"hint {next(hints)}"})
            return len((await env.history()).runs)

        await eventually(nudged, lambda runs: runs >= 5)
        assert await env.pending() == [request]
        payload = {"request_id": request.request_id, "verdict": "approve", "digest": request.digest, "approver": "ann"}
        assert (await update(handle, "decide", payload))["accepted"]
        assert (await handle.result()).output == "paid"
        assert [tool for tool, _ in host.log] == ["pay"]
        again = await handle.query("ledger", {"offset": 0, "limit": 1})
        assert again["calls"][0]["state"] == "done"
        texts = [message["text"] for message in await env.transcript() if message["kind"] == "user"]
        assert texts == ["pay", *(f"hint {n}" for n in range(next(hints)))]


async def test_an_expiry_is_counted_from_the_question_not_from_the_rollover(client: Client, host: Host) -> None:
    """The timeout of a rule goes on over a rollover."""
    async with agents(sample_tools(host), client=client, settings=EVERY_STEP) as env:
        policy = {"rules": [{"tool": "pay", "level": "confirm", "timeout": 2}]}
        began = datetime.now(UTC)
        handle = await env.start("pay", model=env.model([call("pay", n=7), "not paid"]), policy=policy)
        (request,) = await env.pending()
        await handle.signal("steer", {"text": "hint"})
        assert (await handle.result()).output == "not paid"
        assert request.expires_at is not None
        assert timedelta(seconds=1) < request.expires_at - began < timedelta(seconds=10)
        assert host.log == []


async def test_the_state_is_versioned_and_cannot_be_forged(client: Client, host: Host) -> None:
    """A state that comes from outside is refused as an input, whatever it says."""
    async with agents(sample_tools(host), client=client, settings=EVERY_STEP) as env:
        result = await env.run("count", model=env.model([call("look", n=1), "done"]))
        assert result.success
        last = (await env.history()).runs[-1].events[0].workflow_execution_started_event_attributes
        (state,) = await env.client.data_converter.decode(last.input.payloads)
        assert state["version"] == 1
        handle = await env.client.start_workflow(
            "Agent", state, id=f"{env.task_queue}-forged", task_queue=env.task_queue
        )
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
        assert "version" in str(failure.value.__cause__)


async def test_a_long_conversation_is_made_smaller_and_stays_readable(client: Client) -> None:
    """The model sees the goal, a receipt and the newest turns; everything is in the transcript, over rollovers too."""

    async def read(n: int) -> str:
        """Read document n."""
        return f"document {n} " + "word " * 500

    settings: dict[str, Any] = {"rollover_events": 60}
    async with agents(registry_of(("pure", read)), client=client, settings=settings, max_cached_workflows=0) as env:
        model = env.model([*(call("read", n=n) for n in range(30)), "done"])
        agent = {
            "name": "reader",
            "model": model,
            "settings": {"context": {"window": 8_000, "strategy": "oldest_first"}},
        }
        result = await env.run("read all", agent=agent, policy=ALLOW_ALL, limits={"turns": 50})
        assert (result.output, result.turns) == ("done", 31)
        history = await env.history()
        assert history.count("context.compact") >= 2
        assert len(history.runs) >= 3
        last = env.scripted(model).requests[-1].conversation.messages
        assert last[0].text == "read all"
        assert len(last) < 40
        assert "blob:" in next(message.text for message in last if message.kind == "system")
        texts = [message["text"] for message in await env.transcript() if message["kind"] == "tool_result"]
        assert [str(text).split(" word")[0] for text in texts] == [f"document {n}" for n in range(30)]


async def test_an_overflow_of_the_provider_leads_to_a_smaller_conversation(env: Environment) -> None:
    """The refused conversation is made smaller and sent again; the run goes on."""
    model = env.model([*(call("look", n=n) for n in range(8)), ContextOverflow("too long"), "done"])
    result = await env.run("count", model=model)
    assert (result.output, result.turns) == ("done", 9)
    history = await env.history()
    assert (history.count("context.compact"), history.count("llm.reply")) == (1, 10)
