"""What a worker answers on its health port while it works, drains, and has lost its server."""

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path

from temporalio.client import Client

from perdure.testing import ALLOW_ALL, eventually, local_server
from tests.telemetry.process import WorkerProcess, environment_of
from tests.wire import WireServer


async def test_a_worker_is_ready_while_it_polls_and_not_while_it_drains(client: Client, tmp_path: Path) -> None:
    """A tool call holds the drain open; the process is alive all the time, and gone when the call has ended."""
    gate = tmp_path / "gate"
    steps = [{"calls": [{"tool": "linger", "arguments": {"path": str(gate)}}]}, {"text": "done"}]

    async def begun() -> bool:
        return gate.with_name("gate.begun").exists()

    with WireServer(steps) as wire:
        worker = WorkerProcess(wire.env() | environment_of(client, "drained", tmp_path), tmp_path / "log")
        with worker.running():
            await worker.until_ready()
            assert await worker.get("/healthz") == (200, "alive\n")
            given = {"goal": "wait", "model": "openai-chat:any", "policy": ALLOW_ALL}
            await client.start_workflow("Agent", given, id="drained", task_queue="drained")
            await eventually(begun, bool, 40)
            worker.terminate()
            await eventually(lambda: worker.get("/readyz"), lambda answer: answer == (503, "draining\n"))
            assert await worker.get("/healthz") == (200, "alive\n")
            assert (await worker.get("/metrics"))[0] == 200
            gate.touch()
            assert await asyncio.to_thread(worker.process.wait, 40) == 0
        assert "worker.ready" in worker.words


async def test_a_worker_without_its_server_is_alive_and_not_ready(tmp_path: Path) -> None:
    """Its metrics are there, but for the length of the task queue, which only the server knows."""
    async with AsyncExitStack() as stack:
        own = await stack.enter_async_context(local_server())
        worker = WorkerProcess(environment_of(own, "orphan", tmp_path), tmp_path / "log")
        with worker.running():
            await worker.until_ready()
            before = await worker.samples()
            await stack.aclose()
            await eventually(lambda: worker.get("/readyz"), lambda answer: "does not answer" in answer[1])
            status, _ = await worker.get("/readyz")
            alive, _ = await worker.get("/healthz")
            after = await worker.samples()
    assert (status, alive) == (503, 200)
    assert {name.partition("{")[0] for name in before} - {name.partition("{")[0] for name in after} == {
        "perdure_task_queue_backlog",
        "perdure_task_queue_backlog_age_seconds",
    }


async def test_a_port_that_is_taken_is_said_at_once(client: Client, tmp_path: Path) -> None:
    """Exit code 2 and words that name the option, no traceback."""
    worker = WorkerProcess(environment_of(client, "taken", tmp_path), tmp_path / "log")
    with socket.create_server(("127.0.0.1", worker.port)), worker.running():
        assert await asyncio.to_thread(worker.process.wait, 40) == 2
    assert f"--health-port: cannot listen on 127.0.0.1:{worker.port}" in worker.words
    assert "Traceback" not in worker.words
