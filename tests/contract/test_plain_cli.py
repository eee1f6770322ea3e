"""Runs over all three wire protocols, started and decided with the plain `temporal` CLI."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import StartWorker, Temporal
from tests.waiting import eventually
from tests.wire import WireServer

STEPS = [
    {
        "calls": [
            {"tool": "calculator", "arguments": {"expression": "6 * 7"}},
            {"tool": "file_write", "arguments": {"path": "a.txt", "content": "forty-two"}},
        ]
    },
    {"text": "written"},
]


async def pending(temporal: Temporal, run: str) -> dict[str, Any]:
    """The only request of a run, read with the plain CLI."""

    async def look() -> list[dict[str, Any]]:
        seen = await temporal("workflow", "query", "--workflow-id", run, "--type", "pending_approvals", "-o", "json")
        return (seen.json["queryResult"][0]["requests"] or []) if seen.code == 0 else []

    return (await eventually(look, bool))[0]


async def start(temporal: Temporal, queue: str, run: str, **given: Any) -> None:
    """Start `Agent` with the plain CLI."""
    payload = json.dumps({"goal": "write it", **given})
    started = await temporal(
        "workflow", "start", "--type", "Agent", "--task-queue", queue, "--workflow-id", run, "--input", payload
    )
    assert started.code == 0, started.err


async def result(temporal: Temporal, run: str) -> dict[str, Any]:
    """Result of a run, read with the plain CLI."""
    ended = await temporal("workflow", "result", "--workflow-id", run, "-o", "json")
    return ended.json["result"]


@pytest.mark.parametrize("provider", ["anthropic", "openai", "openai-chat"])
async def test_a_run_over_each_wire_protocol_is_approved_by_signal(
    temporal: Temporal, start_worker: StartWorker, tmp_path: Path, provider: str
) -> None:
    """Parallel calls arrive, the effect waits for `temporal workflow signal`, the result is the contract's."""
    run = f"wire-{provider}"
    with WireServer(STEPS) as wire:
        await start_worker(run, **wire.env())
        await start(temporal, run, run, model=f"{provider}:some-model")
        request = await pending(temporal, run)
        assert request["arguments"] == {"path": "a.txt", "content": "forty-two"}
        assert not (tmp_path / "workspace" / "a.txt").exists()
        payload = json.dumps({"request_id": request["request_id"], "approver": "bob"})
        signal = await temporal("workflow", "signal", "--workflow-id", run, "--name", "approve", "--input", payload)
        assert signal.code == 0, signal.err
        ended = await result(temporal, run)
        tool_results = json.dumps(wire.bodies[-1])
    assert (ended["success"], ended["output"], ended["stop_reason"]) == (True, "written", "completed")
    assert (ended["turns"], ended["tool_calls"], ended["error"]) == (2, 2, None)
    assert ended["usage"]["input_tokens"] > 0
    assert (tmp_path / "workspace" / "a.txt").read_text() == "forty-two"
    assert "42" in tool_results
    assert len(wire.log) == 2


async def test_decisions_by_update_and_those_that_are_refused(
    temporal: Temporal, start_worker: StartWorker, tmp_path: Path
) -> None:
    """A wrong digest, a stranger's id and a used request are refused with a reason; the right one releases the run."""
    run = "wire-decide"
    second = {"calls": [{"tool": "file_write", "arguments": {"path": "b.txt", "content": "b"}}]}
    with WireServer([*STEPS[:1], second, {"text": "done"}]) as wire:
        await start_worker(run, **wire.env())
        await start(temporal, run, run, model="anthropic:any")

        async def decide(**payload: Any) -> dict[str, Any]:
            done = await temporal(
                *("workflow", "update", "execute", "--workflow-id", run, "--name", "decide", "-o", "json"),
                *("--input", json.dumps({"approver": "bob", **payload})),
            )
            return done.json["result"] if done.code == 0 else {"refused": done.err}

        first = await pending(temporal, run)
        wrong = await decide(request_id=first["request_id"], verdict="approve", digest="0" * 64)
        assert (wrong["accepted"], wrong["code"]) == (False, "digest_mismatch")
        stranger = await decide(request_id="req-1-deadbeef", verdict="approve")
        assert "unknown request" in stranger["refused"]
        assert not (tmp_path / "workspace" / "a.txt").exists()
        right = await decide(request_id=first["request_id"], verdict="approve", digest=first["digest"])
        assert right["accepted"]

        async def look() -> str:
            return (await pending(temporal, run))["request_id"]

        await eventually(look, lambda name: name != first["request_id"])
        used = await decide(request_id=first["request_id"], verdict="approve")
        assert (used["accepted"], used["code"]) == (False, "already_decided")
        assert not (tmp_path / "workspace" / "b.txt").exists()
        assert (await decide(request_id=await look(), verdict="deny", reason="no need"))["accepted"]
        assert (await result(temporal, run))["success"]
    assert (tmp_path / "workspace" / "a.txt").read_text() == "forty-two"
    assert not (tmp_path / "workspace" / "b.txt").exists()


async def test_a_key_that_the_provider_refuses_fails_the_run_typed(
    temporal: Temporal, start_worker: StartWorker, tmp_path: Path
) -> None:
    """The failure says what to do and never holds the key; nothing is retried."""
    run = "wire-401"
    with WireServer([{"error": {"status": 401}}]) as wire:
        await start_worker(run, **wire.env())
        await start(temporal, run, run, model="anthropic:any")
        ended = await temporal("workflow", "result", "--workflow-id", run, "-o", "json")
        shown = await temporal("workflow", "show", "--workflow-id", run, "-o", "json")
    assert ended.code != 0
    assert "AuthenticationFailed" in shown.out
    assert "ANTHROPIC_API_KEY" in shown.out
    assert len(wire.log) == 1
    assert wire.env()["ANTHROPIC_API_KEY"] not in shown.out + (tmp_path / "worker.log").read_text()


async def test_a_busy_provider_delays_the_run_and_does_not_fail_it(
    temporal: Temporal, start_worker: StartWorker
) -> None:
    """Rate limits with Retry-After, overload and a server error are waited out."""
    errors = [{"error": {"status": status, "retry_after": 0.1}} for status in (429, 529, 500)]
    run = "wire-busy"
    with WireServer([*errors, {"text": "finally"}]) as wire:
        await start_worker(run, **wire.env())
        await start(temporal, run, run, model="openai:any")
        assert (await result(temporal, run))["output"] == "finally"
    assert len(wire.log) == 4
