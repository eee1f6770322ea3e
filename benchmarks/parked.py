"""Runs parked on approvals in one worker: memory for each of them, and whether every one is answered and none lost.

    uv run python benchmarks/parked.py [--short]

2,000 runs of `Agent` (100 with --short) wait for a person in one worker process whose cache holds all of them: its own
metrics have to say so, else they would not be parked but evicted. Memory is what the process holds with all of them
parked, less what it held after a few had come and gone. Then all are approved by signal; every run must succeed, and
each payment must have happened once.
"""

import asyncio
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any, TypeVar

import httpx2
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributeKey
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, from anywhere

from benchmarks.sampling import sample
from perdure.domain.tools import call_digest
from perdure.runtime import PerdurePlugin
from perdure.testing import agents, call, eventually, local_server
from perdure.tools import current_call
from tests.samples import registry_of

RUNS, SHORT, WARM = 2_000, 100, 20
SPARE = 500
"""Places in the cache beyond the runs."""
AT_ONCE = 20
PATIENCE = 1_800
PAUSE = 0.2
"""Seconds between two looks at how many wait: looking costs the server time."""
QUEUE = "parked"
PENDING = SearchAttributeKey.for_int("PerdurePending")
ASKED = f"req-1-{call_digest('pay', {'cents': 4200})[:8]}"
METRIC = re.compile(r"^temporal_sticky_cache_size\{[^}]*\} (\d+)", re.MULTILINE)

T = TypeVar("T")
Run = WorkflowHandle[Any, Any]


async def serve(address: str, metrics: str, log: Path, runs: int) -> None:
    """Be the worker: one process, the model and the tool answer at once; each payment is a line in the log."""
    telemetry = TelemetryConfig(metrics=PrometheusConfig(bind_address=metrics))
    client = await Client.connect(address, runtime=Runtime(telemetry=telemetry), plugins=[PerdurePlugin()])

    async def pay(cents: int) -> str:
        """Pay an amount."""
        with log.open("a") as file:
            file.write(f"{current_call().key}\n")
        return f"paid {cents}"

    settings = {"task_queue": QUEUE}
    async with agents(
        registry_of(("once", pay)), client=client, settings=settings, max_cached_workflows=runs + SPARE
    ) as env:
        env.model([call("pay", cents=4200), "done"])
        await asyncio.Event().wait()


@contextmanager
def worker(address: str, metrics: str, log: Path, runs: int) -> Generator[int]:
    """Process id of a worker that lives as long as the block. Its output goes nowhere: a full pipe would stop it."""
    command = [sys.executable, __file__, "--serve", address, metrics, str(log), str(runs)]
    with Popen(command, stdout=DEVNULL) as process:
        try:
            yield process.pid
        finally:
            process.kill()


async def each(work: Callable[[T], Awaitable[Any]], items: Sequence[T]) -> list[Any]:
    """Do something with all, some at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(item: T) -> Any:  # noqa: ANN401 - whatever the work returns
        async with room:
            return await work(item)

    return list(await asyncio.gather(*(one(item) for item in items)))


async def park(client: Client, name: str, count: int) -> list[Run]:
    """Start runs, some at a time, and return when each waits for its approval: its search attribute says so."""

    async def start(number: int) -> Run:
        given = {"goal": "Pay 42.", "model": "test:model-1"}
        handle = await client.start_workflow("Agent", given, id=f"{name}-{number}", task_queue=QUEUE)

        async def pending() -> int | None:
            await asyncio.sleep(PAUSE)
            return (await handle.describe()).typed_search_attributes.get(PENDING)

        await eventually(pending, lambda waiting: waiting == 1, seconds=PATIENCE)
        return handle

    return await each(start, range(count))


async def answer(handles: Sequence[Run]) -> int:
    """Approve all by signal; how many succeeded."""

    async def approve(handle: Run) -> bool:
        await handle.signal("approve", {"request_id": ASKED, "approver": "ada"})
        return (await handle.result())["success"]

    return sum(await each(approve, handles))


async def measure(client: Client, pid: int, metrics: str, runs: int) -> bool:
    """Print the figures of memory and answers; says whether none was evicted and every one succeeded."""
    await answer(await park(client, "warm", WARM))
    before, begin = sample(pid, 0).rss, time.perf_counter()
    handles = await park(client, "parked", runs)
    took, held = time.perf_counter() - begin, sample(pid, 0).rss - before
    async with httpx2.AsyncClient() as http:
        cached = sum(int(size) for size in METRIC.findall((await http.get(f"http://{metrics}/metrics")).text))
    print(f"{runs} runs parked after {took:.0f} s, {cached} of them in the worker's cache")
    print(f"memory of the worker: {before / 1e6:.0f} MB before, {held / 1e6:.0f} MB more with all of them parked")
    print(f"memory per parked run: {held / runs / 1e3:.0f} KB")
    begin = time.perf_counter()
    succeeded = await answer(handles)
    print(f"{succeeded} of {runs} answered and ended with success in {time.perf_counter() - begin:.0f} s", flush=True)
    return cached >= runs == succeeded


async def place(runs: int) -> bool:
    """Measure on a server and a worker of its own; says whether none was lost, evicted or paid twice."""
    with tempfile.TemporaryDirectory() as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            metrics = f"127.0.0.1:{free.getsockname()[1]}"
        log = Path(folder) / "paid"
        async with local_server() as client:
            with worker(client.service_client.config.target_host, metrics, log, runs) as pid:
                held = await measure(client, pid, metrics, runs)
        keys = log.read_text().split()
    paid, twice = len(keys) - WARM, len(keys) - len(set(keys))
    print(f"{paid} payments, {twice} of them twice")
    return held and paid == runs and not twice


async def main(arguments: Sequence[str]) -> bool:
    """Measure, or be the worker that is measured."""
    if arguments[:1] == ["--serve"]:
        address, metrics, log, runs = arguments[1:]
        await serve(address, metrics, Path(log), int(runs))
    return await place(SHORT if "--short" in arguments else RUNS)


if __name__ == "__main__":
    good = asyncio.run(main(sys.argv[1:]))
    sys.stdout.flush()
    os._exit(0 if good else 1)
