"""Content on every way through a real server: it arrives, large or small, encrypted or not, and is stored once."""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Replayer, Worker

from perdure.keyring import Keyring
from perdure.runtime import PerdurePlugin
from perdure.storage import Storage
from perdure.stores.blobs import BlobStore
from perdure.testing import eventually
from tests.codec.journey import ACTIVITIES, WORKFLOWS
from tests.codec.samples import Memory, ring

RINGS = pytest.mark.parametrize("keyring", [None, ring("a")], ids=["plain", "sealed"])
LARGE = "private words " + random.Random(2).randbytes(2_500_000).hex()  # noqa: S311 - only hard to compress


@dataclass(frozen=True)
class Place:
    """A worker and a client with one storage."""

    client: Client
    queue: str
    objects: Memory
    blobs: BlobStore

    async def start(self, content: str, rounds: int = 0) -> WorkflowHandle[Any, Any]:
        """Start a journey and wait until its activity and child are done."""
        handle = await self.client.start_workflow(
            "Journey",
            args=[content, rounds],
            id=f"journey-{uuid.uuid4()}",
            task_queue=self.queue,
            result_type=str,
            memo={"title": content[:100]},
            static_summary=content[:20],
        )

        async def length() -> int:
            return await handle.query("progress", result_type=int)

        assert await eventually(length, bool) == len(content)
        return handle


@asynccontextmanager
async def place(plain: Client, keyring: Keyring | None, *, cached: int = 100) -> AsyncGenerator[Place]:
    """Run a worker with a storage in memory on the shared server."""
    objects = Memory()
    storage = Storage(BlobStore(objects, keyring), keyring)
    client = Client(plain.service_client, namespace=plain.namespace, plugins=[PerdurePlugin(storage)])
    queue = f"journey-{uuid.uuid4()}"
    worker = Worker(client, task_queue=queue, workflows=WORKFLOWS, activities=ACTIVITIES, max_cached_workflows=cached)
    async with worker:
        yield Place(client, queue, objects, BlobStore(objects, keyring))


async def written(handle: WorkflowHandle[Any, Any]) -> bytes:
    """All that the server keeps of a run."""
    history = await handle.fetch_history()
    described = await handle.describe()
    return b"".join(event.SerializeToString() for event in history.events) + described.raw_info.SerializeToString()


@RINGS
@pytest.mark.parametrize("content", ["small private words", LARGE], ids=["small", "large"])
async def test_content_arrives_on_every_way(client: Client, keyring: Keyring | None, content: str) -> None:
    """Input, activity, heartbeat, child, signals, update, query, rollover and result, replayed at every step."""
    async with place(client, keyring, cached=0) as here:
        handle = await here.start(content, rounds=1)
        assert await handle.query("show", content, result_type=str) == content
        updated: str = await handle.execute_update(  # pyright: ignore[reportUnknownMemberType] - open overloads
            "exchange", content, result_type=str
        )
        assert updated == content
        first = await written(handle)
        await handle.signal("tell", content)
        [second_run] = [await _next_run(here, handle)]
        assert (await second_run.describe()).status is not None
        await second_run.signal("tell", content)
        assert await handle.result() == content
        described = await handle.describe()
        assert (await described.memo_value("title", type_hint=str)) == content[:100]
        second = await written(second_run)
        child = await written(here.client.get_workflow_handle(f"{handle.id}-child-0"))
    everything = first + second + child
    assert (b"private words" in everything) is (keyring is None)
    # The content alone, the content twice as the child gives it back, and what holds it in other clothes.
    assert here.objects.puts == (0 if len(content) < 1000 else 2)
    assert len(everything) < 60_000


async def _next_run(here: Place, handle: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
    first = handle.first_execution_run_id

    async def run_id() -> str:
        described = await here.client.get_workflow_handle(handle.id).describe()
        return described.run_id

    return here.client.get_workflow_handle(handle.id, run_id=await eventually(run_id, lambda found: found != first))


@RINGS
async def test_a_failure_arrives_in_words(client: Client, keyring: Keyring | None) -> None:
    """Message and details are private, the type is not."""
    async with place(client, keyring) as here:
        handle = await here.start("private words")
        await handle.signal("tell", "fail")
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        everything = await written(handle)
    activity = caught.value.cause
    assert isinstance(activity, ActivityError)
    cause = activity.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.message, cause.details) == (
        "Deliberate",
        "failed on private words",
        ({"content": "private words"},),
    )
    assert b"Deliberate" in everything
    assert (b"private words" in everything) is (keyring is None)
    assert (b"failed on" in everything) is (keyring is None)


@RINGS
async def test_a_query_answers_with_a_page_of_the_blob_store(client: Client, keyring: Keyring | None) -> None:
    """The workflow names it, the worker puts it in; a missing page is answered in words and harms nothing."""
    async with place(client, keyring) as here:
        handle = await here.start("private words")
        blob = await here.blobs.put(b'[{"a":1},{"b":2},{"c":3}]')
        answer = await handle.query("page", blob)
        missing = await handle.query("page", "a" * 40)
        await handle.signal("tell", "private words")
        assert await handle.result() == "private words"
        closed = await handle.query("page", blob)
    assert answer == closed == {"messages": [{"b": 2}, {"c": 3}], "offset": 1, "next_offset": None, "total": 3}
    assert missing["problem"].startswith(f"there is no blob {'a' * 40} in memory")


@RINGS
async def test_a_history_is_replayed_with_its_storage(client: Client, keyring: Keyring | None) -> None:
    """The replay is told the namespace, which is part of where payloads belong, and stores nothing again."""
    async with place(client, keyring) as here:
        handle = await here.start(LARGE)
        await handle.signal("tell", LARGE)
        assert await handle.result() == LARGE
        history = await handle.fetch_history()
    before = here.objects.puts
    plugin = PerdurePlugin(Storage(here.blobs, keyring))
    replayer = Replayer(workflows=WORKFLOWS, plugins=[plugin], namespace=client.namespace)
    assert (await replayer.replay_workflow(history)).replay_failure is None
    assert here.objects.puts == before


async def test_a_worker_without_the_key_keeps_the_run_open(client: Client) -> None:
    """Nothing is lost by a wrong setting: with the key the run goes on."""
    async with place(client, ring("a")) as here:
        handle = await here.start("private words")
    other = Storage(here.blobs, ring("b"))
    stranger = Client(client.service_client, namespace=client.namespace, plugins=[PerdurePlugin(other)])
    async with Worker(stranger, task_queue=here.queue, workflows=WORKFLOWS, activities=ACTIVITIES):
        await handle.signal("tell", "private words")

        async def attempts() -> int:
            return (await handle.describe()).raw_description.pending_workflow_task.attempt

        assert await eventually(attempts, lambda count: count > 1) > 1
    async with Worker(here.client, task_queue=here.queue, workflows=WORKFLOWS, activities=ACTIVITIES):
        assert await asyncio.wait_for(handle.result(), 30) == "private words"
