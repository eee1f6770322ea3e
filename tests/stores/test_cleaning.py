"""Clean-up over a real store and a real server: what is old goes, what an open run needs stays."""

import base64
import os
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from perdure.domain.errors import BlobMissing, StoreUnavailable
from perdure.keyring import Keyring
from perdure.runtime import PerdurePlugin
from perdure.storage import Storage
from perdure.stores.blobs import BlobStore
from perdure.stores.cleaning import Cleaned, CleaningRefused, Progress, clean, stock
from perdure.stores.objects import Objects
from perdure.testing import eventually, local_server
from tests.stores.places import bucket_server, in_bucket

MONTH = timedelta(days=30)
QUEUE = "nobody-polls-this"


def key(name: str) -> str:
    """A key of this name."""
    return f"{name}:{base64.b64encode(name.encode() * 16).decode()}"


@pytest.fixture(scope="module")
async def server() -> AsyncGenerator[Client]:
    """A server of its own: clean-up reads every open run of the namespace."""
    async with local_server() as client:
        yield client


@dataclass
class Place:
    """A store in a folder, and clients that use it."""

    folder: Path
    server: Client
    keys: str | None = None
    connected: int = 0
    said: list[str] = field(default_factory=list[str])

    @property
    def store(self) -> BlobStore:
        """The blob store with these keys."""
        return BlobStore(Objects.at(str(self.folder)), self._keyring())

    def client(self) -> Client:
        """A client that stores and encrypts with it."""
        storage = Storage(self.store, self._keyring(), compression=True)
        return Client(self.server.service_client, namespace=self.server.namespace, plugins=[PerdurePlugin(storage)])

    async def start(self, workflow_id: str, text: str) -> None:
        """Start a run that nobody works on."""
        await self.client().start_workflow("Waits", {"goal": text}, id=workflow_id, task_queue=QUEUE)  # pyright: ignore[reportUnknownMemberType] - open generic
        await eventually(lambda: self.running(f' AND WorkflowId = "{workflow_id}"'), bool)

    def age(self, days: float = 40) -> None:
        """Make everything that is stored older."""
        then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        for path in self.folder.rglob("*"):
            os.utime(path, (then, then))

    async def clean(self, *, dry_run: bool = False) -> Cleaned:
        """Remove what is older than a month."""
        objects = Objects.at(str(self.folder))
        before = datetime.now(UTC) - MONTH
        return await clean(objects, self.store, self.connect, before, dry_run=dry_run, say=self.said.append)

    def _keyring(self) -> Keyring | None:
        return Keyring.parse(self.keys) if self.keys else None

    async def connect(self) -> Client:
        """What clean-up calls when it needs Temporal."""
        self.connected += 1
        return self.client()

    async def running(self, query: str = "") -> int:
        """How many open runs the server lists."""
        return (await self.server.count_workflows(f'ExecutionStatus = "Running"{query}')).count


@pytest.fixture(params=["plain", "encrypted"])
async def place(request: pytest.FixtureRequest, tmp_path: Path, server: Client) -> AsyncGenerator[Place]:
    """A new store, with and without keys; the runs of the test are ended."""
    place = Place(tmp_path / "store", server, keys={"plain": None, "encrypted": key("k1")}[request.param])
    yield place
    async for run in server.list_workflows('ExecutionStatus = "Running"'):
        await server.get_workflow_handle(run.id).terminate()
    await eventually(place.running, lambda count: count == 0)


async def test_only_what_is_old_and_unneeded_goes(place: Place) -> None:
    """Named in an input, found through a blob, young, and needed by nobody."""
    inner = await place.store.put(b"inner")
    outer = await place.store.put(f"the rest is blob:{inner}".encode())
    useless = await place.store.put(b"useless")
    await place.start("needs", f"read blob:{outer}")
    place.age()
    young = await place.store.put(b"young")
    done = await place.clean()
    assert (done.removed, done.kept, done.needed, done.runs) == (1, 3, 2, 1)
    assert [await place.store.get(address) for address in (inner, young)] == [b"inner", b"young"]
    with pytest.raises(BlobMissing):
        await place.store.get(useless)


async def test_large_payloads_of_open_runs_stay_with_what_they_name(place: Place) -> None:
    """The history has only a claim; the payload lies in the store and names another blob."""
    named = await place.store.put(b"named")
    await place.start("large", f"blob:{named} " + " ".join(str(number) for number in range(1_000_000)))
    place.age()
    assert (await stock(Objects.at(str(place.folder)))).blobs == 2
    done = await place.clean()
    assert (done.removed, done.needed) == (0, 2)


async def test_ended_runs_need_nothing(place: Place) -> None:
    """Their blobs go by age alone."""
    address = await place.store.put(b"content")
    await place.start("ended", f"blob:{address}")
    await place.server.get_workflow_handle("ended").terminate()
    place.age()

    async def removed() -> int:
        return (await place.clean()).removed

    assert await eventually(removed, bool) == 1


async def test_documents_go_by_age_and_take_along_what_only_they_needed(place: Place) -> None:
    """A younger one keeps what it names."""
    kept, dropped = await place.store.put(b"kept"), await place.store.put(b"dropped")
    await place.store.write_document("old", f'{{"blob": "{dropped}"}}'.encode())
    place.age()
    await place.store.write_document("young", f'{{"blob": "{kept}"}}'.encode())
    done = await place.clean()
    assert (done.removed, done.removed_documents, done.kept) == (1, 1, 2)
    assert await place.store.read_document("old") is None
    assert await place.store.read_document("young") is not None
    assert await place.store.get(kept) == b"kept"


async def test_a_dry_run_says_the_same_and_removes_nothing(place: Place) -> None:
    """What it counts is then removed, with what killed writers left."""
    for number in range(40):
        await place.store.put(str(number).encode())
    (place.folder / "blobs" / "half#0").write_bytes(b"half")
    place.age()
    dry, done, again = await place.clean(dry_run=True), await place.clean(), await place.clean()
    assert (dry.removed, done.removed, again.removed) == (40, 40, 0)
    assert dry.removed_bytes == done.removed_bytes > 0
    assert not [path for path in place.folder.rglob("*") if path.is_file()]


async def test_without_anything_old_nobody_is_asked(place: Place) -> None:
    """Temporal need not be there."""
    await place.store.put(b"young")
    assert (await place.clean()).kept == 1
    assert place.connected == 0


async def test_storing_again_makes_young(place: Place) -> None:
    """A run that begins while clean-up works is safe."""
    address = await place.store.put(b"content")
    place.age()
    assert await place.store.put(b"content") == address
    assert (await place.clean()).removed == 0


async def test_what_is_stored_again_meanwhile_stays(place: Place) -> None:
    """Each blob is looked at once more before it goes."""
    address = await place.store.put(b"content")
    place.age()

    async def connect() -> Client:
        await place.store.put(b"content")
        return place.client()

    objects, before = Objects.at(str(place.folder)), datetime.now(UTC) - MONTH
    done = await clean(objects, place.store, connect, before, dry_run=False, say=place.said.append)
    assert (done.removed, done.kept) == (0, 1)
    assert await place.store.get(address) == b"content"


async def test_runs_that_begin_meanwhile_are_seen(place: Place) -> None:
    """Open runs are listed again until none is new."""
    first, second = await place.store.put(b"first"), await place.store.put(b"second")
    await place.start("first", f"blob:{first}")
    place.age()
    starting = [place.start("second", f"blob:{second}")]

    class Busy(BlobStore):
        async def get(self, address: str) -> bytes:
            for start in starting:
                await start
            starting.clear()
            return await place.store.get(address)

    objects, before = Objects.at(str(place.folder)), datetime.now(UTC) - MONTH
    done = await clean(objects, Busy(objects), place.connect, before, dry_run=False, say=place.said.append)
    assert (done.removed, done.needed, done.runs) == (0, 2, 2)


async def test_a_history_that_cannot_be_read_refuses_all(tmp_path: Path, server: Client, place: Place) -> None:
    """Without the key of an open run nothing is removed, and the run is named."""
    locked = Place(tmp_path / "store", server, keys=key("k9"))
    await locked.start("locked", "goal " * 10)
    await place.store.put(b"useless")
    place.age()
    with pytest.raises(CleaningRefused, match="the open run locked cannot be read") as failure:
        await place.clean()
    assert "Nothing was removed" in failure.value.message
    assert (await stock(Objects.at(str(place.folder)))).blobs == 1


async def test_a_needed_blob_that_is_damaged_refuses_all(place: Place) -> None:
    """Nobody can tell which others it names."""
    address = await place.store.put(b"content")
    await place.start("damaged", f"blob:{address}")
    (path,) = (path for path in place.folder.glob("blobs/*/*") if path.is_file())
    path.write_bytes(b"damaged")
    await place.store.put(b"useless")
    place.age()
    with pytest.raises(CleaningRefused, match="the open run damaged cannot be read"):
        await place.clean()
    assert (await stock(Objects.at(str(place.folder)))).blobs == 2


async def test_a_store_that_does_not_answer_is_not_taken_for_an_empty_one(place: Place) -> None:
    """It says so and removes nothing."""

    class Silent(BlobStore):
        async def get(self, address: str) -> bytes:
            raise StoreUnavailable(f"no answer about {address}")

    objects = Objects.at(str(place.folder))
    address = await place.store.put(b"content")
    await place.start("unread", f"blob:{address}")
    place.age()
    silent, now = Silent(objects), datetime.now(UTC)
    with pytest.raises(StoreUnavailable, match=r"no answer about .* Nothing was removed"):
        await clean(objects, silent, place.connect, now, dry_run=False, say=place.said.append)
    assert await place.store.get(address) == b"content"


async def test_the_stock_is_counted(place: Place) -> None:
    """Numbers, bytes and the oldest."""
    objects = Objects.at(str(place.folder))
    assert (await stock(objects)).oldest is None
    await place.store.put(b"content")
    place.age(days=10)
    await place.store.write_document("name", b"document")
    found = await stock(objects)
    assert (found.blobs, found.documents) == (1, 1)
    assert found.bytes > 0
    assert found.oldest is not None
    assert timedelta(days=9) < datetime.now(UTC) - found.oldest < timedelta(days=11)


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """A place in a bucket."""
    with bucket_server() as address:
        yield in_bucket(monkeypatch, address, tmp_path)


async def test_a_bucket_is_cleaned_in_the_same_way(bucket: str, place: Place) -> None:
    """Looking from tomorrow everything is old; what an open run names stays."""
    objects = Objects.at(bucket)
    store = BlobStore(objects)
    needed = await store.put(b"needed")
    for number in range(20):
        await store.put(str(number).encode())
    await store.write_document("name", b"document")
    await place.start("bucket", f"blob:{needed}")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    done = await clean(objects, store, place.connect, tomorrow, dry_run=False, say=place.said.append)
    assert (done.removed, done.removed_documents, done.needed, done.kept) == (20, 1, 1, 1)
    assert [item.key async for item in objects.list("")] == [f"blobs/{needed[:2]}/{needed}"]


def test_progress_is_said_but_not_all_the_time() -> None:
    """At once without patience; with patience what is soon over is not worth a line."""
    said: list[str] = []
    Progress(said.append, patience=0)("shown")
    patient = Progress(said.append)
    patient("too early")
    assert said == ["shown"]
