"""Time and cancellation: tools that are late, that block, that are stopped, and the caller's loop meanwhile."""

import asyncio
import inspect
import threading
import time
from collections.abc import Callable

import pytest

from perdure.tools import CallInfo, Registry, ToolHost, current_call
from perdure.tools.declare import declare
from perdure.tools.options import Options
from tests.tools.helpers import hosting, request


class Probe:
    """What tools of a test did, seen from other threads."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.release = threading.Event()
        self.ended = threading.Event()
        self.cancelled = threading.Event()

    async def wait_for(self, what: threading.Event) -> None:
        """Wait without blocking the caller's loop."""
        assert await asyncio.to_thread(what.wait, 20)

    async def endless(self) -> str:
        """Work without end."""
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            self.ended.set()
        return "never"

    async def blocking(self) -> str:
        """Block the event loop until released."""
        self.started.set()
        self.release.wait(20)
        return "released"

    def blocking_thread(self) -> str:
        """Block a thread until released."""
        self.started.set()
        self.release.wait(20)
        self.ended.set()
        return "released"


@pytest.fixture
def probe() -> Probe:
    """Fresh events."""
    return Probe()


def _tool(registry: Registry, name: str, function: Callable[[], object], **options: object) -> None:
    async def on_loop() -> object:
        """Do it."""
        answer = function()
        return await answer if asyncio.iscoroutine(answer) else answer

    def in_thread() -> object:
        """Do it."""
        return function()

    chosen = on_loop if inspect.iscoroutinefunction(function) else in_thread
    chosen.__name__ = name
    registry.add(declare(chosen, Options(name, **options)))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def _host(probe: Probe, **options: object) -> ToolHost:
    registry = Registry()
    _tool(registry, "endless", probe.endless, **options)
    _tool(registry, "blocking", probe.blocking, **options)
    _tool(registry, "blocking_thread", probe.blocking_thread, **options)

    async def quick() -> str:
        """Answer."""
        return "quick"

    registry.add(declare(quick, Options("quick", timeout=20)))
    return ToolHost(registry)


INFO = CallInfo("w")


@pytest.mark.parametrize(("effect", "unknown"), [("pure", False), ("once", True), ("compensable", True)])
async def test_a_late_tool_is_stopped(probe: Probe, effect: str, unknown: bool) -> None:  # noqa: FBT001 - a parameter
    """The work is cancelled; whether its effect happened is unknown where that matters."""
    host = _host(probe, timeout=0.2, effect=effect)
    outcome = await host.run(request("endless"), INFO)
    await host.close()
    assert (outcome.error, outcome.unknown) == ("TIMEOUT", unknown)
    assert "endless took longer than 0.2 s and was stopped" in outcome.text
    assert ("may or may not have happened" in outcome.text) is unknown
    assert probe.cancelled.is_set()


@pytest.mark.parametrize("tool", ["blocking", "blocking_thread"])
async def test_a_blocking_tool_does_not_block_the_caller(probe: Probe, tool: str) -> None:
    """The caller's loop goes on turning, so that the worker can heartbeat."""
    host = _host(probe, timeout=20)
    call = asyncio.create_task(host.run(request(tool), INFO))
    await probe.wait_for(probe.started)
    longest, last = 0.0, time.monotonic()
    for _ in range(20):
        await asyncio.sleep(0.005)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    assert not call.done()
    probe.release.set()
    outcome = await call
    await host.close()
    assert outcome.text == "released"
    assert longest < 1


async def test_a_tool_that_blocks_for_ever_costs_its_own_call_only(probe: Probe) -> None:
    """It is given up in time; calls queued behind it did not start; the next call has a fresh loop."""
    host = _host(probe, timeout=0.3)
    stuck = asyncio.create_task(host.run(request("blocking"), INFO))
    await probe.wait_for(probe.started)
    queued = asyncio.create_task(host.run(request("endless"), INFO))
    outcomes = await asyncio.gather(stuck, queued)
    after = await host.run(request("quick"), INFO)
    probe.release.set()
    await host.close()
    assert [(one.error, one.unknown) for one in outcomes] == [("TIMEOUT", True), ("TIMEOUT", False)]
    assert "did not start" in outcomes[1].text
    assert after.text == "quick"


@pytest.mark.parametrize("tool", ["endless", "blocking_thread"])
async def test_cancellation_reaches_the_tool_and_waits_for_its_end(probe: Probe, tool: str) -> None:
    """When the caller sees the cancellation, the work has ended."""
    host = _host(probe, timeout=20)
    call = asyncio.create_task(host.run(request(tool), INFO))
    await probe.wait_for(probe.started)
    call.cancel()
    asyncio.get_running_loop().call_later(0.05, probe.release.set)
    with pytest.raises(asyncio.CancelledError):
        await call
    assert probe.ended.is_set()
    await host.close()


async def test_cancellation_before_the_start_keeps_the_tool_from_starting(probe: Probe) -> None:
    """A call that waits behind a blocked loop never runs when it is cancelled."""
    other = Probe()
    registry = Registry()
    _tool(registry, "blocking", probe.blocking, timeout=20)
    _tool(registry, "endless", other.endless, timeout=20)
    host = ToolHost(registry)
    first = asyncio.create_task(host.run(request("blocking"), INFO))
    await probe.wait_for(probe.started)
    second = asyncio.create_task(host.run(request("endless"), INFO))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait({second}, timeout=5)
    probe.release.set()
    await first
    await host.close()
    assert second.cancelled()
    assert not other.started.is_set()


async def test_a_tool_that_finishes_while_it_is_stopped_has_its_result() -> None:
    """What is known is not called unknown."""

    async def stubborn() -> str:
        """Finish whatever comes."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done anyway"
        return "never"

    async with hosting(stubborn, timeout=0.1) as call:
        outcome = await call("stubborn")
    assert (outcome.text, outcome.error) == ("done anyway", "")


async def test_a_tool_without_the_heartbeats_it_promised_is_stopped(probe: Probe) -> None:
    """Long before its timeout; one that keeps them lives."""
    beats = 0

    async def busy() -> str:
        """Beat while working for longer than the heartbeat interval."""
        nonlocal beats
        end = time.monotonic() + 0.8
        while time.monotonic() < end:
            current_call().heartbeat()
            beats += 1
            await asyncio.sleep(0.02)
        return "ok"

    async with hosting(busy, timeout=20, heartbeat=0.5) as call:
        assert (await call("busy")).text == "ok"
    host = _host(probe, timeout=20, heartbeat=0.2, effect="pure")
    begin = time.monotonic()
    outcome = await host.run(request("endless"), INFO)
    await host.close()
    assert outcome.error == "TIMEOUT"
    assert "gave no heartbeat for 0.2 s" in outcome.text
    assert time.monotonic() - begin < 10
    assert beats > 2


async def test_close_stops_what_runs_and_the_host_can_be_used_again(probe: Probe) -> None:
    """A worker that drains does not wait for endless tools."""
    host = _host(probe, timeout=20, effect="pure")
    call = asyncio.create_task(host.run(request("endless"), INFO))
    await probe.wait_for(probe.started)
    await host.close()
    assert probe.cancelled.is_set()
    outcome = await call
    assert outcome.error == "EXECUTION_ERROR"
    assert (await host.run(request("quick"), INFO)).text == "quick"
    await host.close()
    await host.close()


async def test_many_calls_run_together(probe: Probe) -> None:
    """Async tools share the loop, plain ones have a thread each."""
    del probe
    meeting = threading.Barrier(8, timeout=20)

    def meet() -> str:
        """Wait until all are here."""
        meeting.wait()
        return "met"

    async with hosting(meet, timeout=20) as call:
        outcomes = await asyncio.gather(*(call("meet") for _ in range(8)))
    assert {outcome.text for outcome in outcomes} == {"met"}
