"""The activities of tools with results that are too large for a history, over a real store."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from activities.tools import ToolActivities
from perdure.domain.tools import CallOutcome, ToolCall
from perdure.stores.blobs import BlobStore
from perdure.stores.objects import Objects
from perdure.tools import NotHappened, Registry, ToolHost
from perdure.tools.builtin import configure_blobs, register_builtins
from perdure.tools.declare import declare
from perdure.tools.options import Options
from tests.tools.helpers import request


async def give(size: int, letter: str = "x") -> str:
    """Give a text."""
    return letter * size


async def rows(count: int) -> list[dict[str, int]]:
    """Give rows."""
    return [{"row": number} for number in range(count)]


async def complain(size: int) -> str:
    """Fail at length."""
    raise ValueError("no " * size)


async def found(key: str) -> object:
    """Tell what happened."""
    return "y" * 100_000 if key == "happened" else NotHappened


async def pay() -> str:
    """Pay."""
    return "paid"


class Worker:
    """The activities over a folder, and where they keep results."""

    def __init__(self, host: ToolHost, folder: Path) -> None:
        self.store = BlobStore(Objects.at(str(folder)))
        self.folder = folder
        self.heartbeats = 0
        self.seconds = 60.0
        self.activities = ToolActivities(host, blobs=self.store)
        configure_blobs(self.store)

    async def call(self, call: ToolCall) -> CallOutcome:
        """Run one attempt as an activity with a heartbeat timeout of a fifth of a second."""
        return await self._environment().run(self.activities.call, call)

    async def verify(self, call: ToolCall) -> str:
        """Text of what the read-back hook found."""
        return (await self._environment().run(self.activities.verify, call)).text

    def blobs(self) -> int:
        """How many there are."""
        return sum(path.is_file() for path in self.folder.glob("blobs/*/*"))

    def _environment(self) -> ActivityEnvironment:
        environment = ActivityEnvironment()
        times = {"heartbeat_timeout": timedelta(seconds=0.2), "start_to_close_timeout": timedelta(seconds=self.seconds)}
        environment.info = replace(environment.info, **times)
        environment.on_heartbeat = self._heard
        return environment

    def _heard(self, *_details: object) -> None:
        self.heartbeats += 1


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncGenerator[Worker]:
    """A worker with the tools of this file."""
    registry = Registry()
    register_builtins(registry)
    for function in (give, rows, complain):
        registry.add(declare(function, Options("test", effect="pure")))
    registry.add(declare(pay, Options("test", verify=found)))
    host = ToolHost(registry)
    yield Worker(host, tmp_path / "store")
    await host.close()
    configure_blobs(None)


async def test_forty_megabytes(worker: Worker) -> None:
    """They lie in the store once, the outcome is small, and any part can be read while heartbeats go on."""
    call = request("give", size=40_000_000)
    outcome, again = await worker.call(call), await worker.call(call)
    assert len(outcome.wire_json()) < 4500
    assert outcome.size == 40_000_000
    assert again == outcome
    assert worker.blobs() == 1
    assert len(await worker.store.get(outcome.blob)) == 40_000_000
    part = await worker.call(request("read_blob", handle=f"blob:{outcome.blob}", offset=39_999_990))
    assert part.text == f"characters 39999990-40000000 of 40000000\n{'x' * 10}"


async def test_heartbeats_go_on_while_a_result_is_stored(worker: Worker) -> None:
    """JSON of 40 MB is made, hashed, compressed and written beside the loop."""
    outcome = await worker.call(request("rows", count=3_000_000))
    assert outcome.size > 40_000_000
    assert worker.heartbeats > 3


async def test_five_hundred_at_once(worker: Worker) -> None:
    """Each has a blob of its own and leaves little text."""
    calls = [request("give", size=100_000 + number) for number in range(500)]
    outcomes = await asyncio.gather(*map(worker.call, calls))
    assert worker.blobs() == 500
    assert max(len(outcome.wire_json()) for outcome in outcomes) < 4500
    assert [outcome.size for outcome in outcomes] == [100_000 + number for number in range(500)]


async def test_what_read_blob_gives_is_never_another_handle(worker: Worker) -> None:
    """Also when it is above the threshold."""
    outcome = await worker.call(request("give", size=20_000, letter="\U0001f600"))
    part = await worker.call(request("read_blob", handle=outcome.blob, length=20_000))
    assert len(part.text.encode()) > 80_000
    assert part.blob == ""
    assert worker.blobs() == 1


async def test_words_about_a_failure_are_bounded(worker: Worker) -> None:
    """They are for the model to read, not to store."""
    outcome = await worker.call(request("complain", size=1_000_000))
    assert outcome.error == "EXECUTION_ERROR"
    assert len(outcome.wire_json()) < 4200
    assert worker.blobs() == 0


async def test_a_result_that_is_read_back_is_kept_in_the_same_way(worker: Worker) -> None:
    """What the hook found may be as large as what the call would have given."""
    text = await worker.verify(request("pay", key="happened"))
    assert "left out the characters 2,000 to 98,000 of 100,000" in text
    assert worker.blobs() == 1
    assert await worker.verify(request("pay", key="other")) == ""


async def test_a_full_disk_does_not_make_an_outcome_unknown(worker: Worker) -> None:
    """The call was made: the answer is a success with beginning and end, and says what is missing."""
    (worker.folder / "blobs").write_text("in the way", encoding="utf-8")
    worker.seconds = 2
    outcome = await worker.call(request("give", size=100_000))
    assert (outcome.error, outcome.unknown, outcome.blob) == ("", False, "")
    assert "The call was made, but they are lost" in outcome.text
