"""What every place for objects does: one contract over a folder and an S3 server."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from perdure.domain.errors import BlobMissing, ConfigurationError, StoreUnavailable
from perdure.stores.objects import ObjectInfo, Objects
from tests.stores.places import bucket_server, in_bucket
from tests.waiting import eventually

WRITER = """
import asyncio, sys
from perdure.stores.objects import Objects
async def main():
    objects, number = Objects.at(sys.argv[1]), 0
    while True:
        number += 1
        await objects.put(f"blobs/{number % 3}", bytes([number % 256]) * 8_000_000)
        print(number, flush=True)
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def server() -> Generator[str]:
    """One S3 server for this file."""
    with bucket_server() as address:
        yield address


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new place of each kind."""
    bucket = in_bucket(monkeypatch, server, tmp_path)
    return {"folder": str(tmp_path / "new" / "blobs"), "bucket": bucket}[request.param]


async def listed(objects: Objects, prefix: str = "") -> list[ObjectInfo]:
    """All objects below a prefix, by key."""
    return sorted([info async for info in objects.list(prefix)])


async def test_what_is_put_can_be_read_and_replaced(place: str) -> None:
    """Empty, small and large, under keys with several parts."""
    objects = Objects.at(place)
    for data in (b"", b"\0\xff", b"x" * 9_000_000, b"small again"):
        await objects.put("blobs/ab/cd", data)
        assert await objects.get("blobs/ab/cd") == data


async def test_what_is_not_there(place: str) -> None:
    """Reading names key and place, touching says so, removing is no error."""
    objects = Objects.at(place)
    with pytest.raises(BlobMissing, match=r"does not have it \(reading blobs/none\)") as failure:
        await objects.get("blobs/none")
    assert objects.where in failure.value.message
    assert await objects.touch("blobs/none") is False
    assert await objects.modified("blobs/none") is None
    await objects.delete("blobs/none")
    assert await listed(objects) == []


async def test_a_listing_has_whole_parts_sizes_and_times(place: str) -> None:
    """`blobs` does not list `blobs2`; removed objects are gone; times are aware."""
    objects = Objects.at(place)
    for key in ("blobs/a/1", "blobs/b/2", "blobs2/3", "blobs/gone"):
        await objects.put(key, key.encode())
    await objects.delete("blobs/gone")
    found = await listed(objects, "blobs")
    assert [(info.key, info.size) for info in found] == [("blobs/a/1", 9), ("blobs/b/2", 9)]
    assert [info.key for info in await listed(objects)] == ["blobs/a/1", "blobs/b/2", "blobs2/3"]
    now = datetime.now(UTC)
    assert all(now - timedelta(minutes=1) < info.modified < now + timedelta(minutes=1) for info in found)


async def test_long_listings_are_whole(place: str) -> None:
    """More than one page of the library."""
    objects = Objects.at(place)
    for number in range(120):
        await objects.put(f"many/{number:03}", b"x")
    assert [info.key for info in await listed(objects, "many")] == [f"many/{number:03}" for number in range(120)]


async def test_touch_makes_young_and_changes_nothing(place: str) -> None:
    """The time moves on; the bytes stay."""
    objects = Objects.at(place)
    await objects.put("a", b"content")
    before = await objects.modified("a")
    assert before is not None

    async def touched() -> datetime | None:
        assert await objects.touch("a") is True
        return await objects.modified("a")

    # Times of S3 are whole seconds, so one touch may not be seen.
    await eventually(touched, lambda after: after is not None and after > before)
    assert await objects.get("a") == b"content"


@pytest.mark.parametrize("key", ["", "/a", "a/", "../a", "a/../b", "a//b", "./a", "a/.", "a b", "ü", "a#1", "a\0"])
async def test_a_key_cannot_leave_the_place(place: str, key: str) -> None:
    """Keys are ours, so a wrong one is a mistake in the program."""
    objects = Objects.at(place)
    with pytest.raises(ValueError, match="is not a key"):
        await objects.touch(key)
    with pytest.raises(ValueError, match="is not a key"):
        await objects.put(key, b"")


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    """Only its owner may look; it is made with what is above it."""
    objects = Objects.at(str(tmp_path / "a" / "blobs"))
    assert (tmp_path / "a" / "blobs").stat().st_mode & 0o777 == 0o700
    assert objects.where == str(tmp_path / "a" / "blobs")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("", "is not a place"),
        ("gs://bucket/x", "valid is a folder, or s3://BUCKET/PREFIX"),
        ("s3://", "has to be s3://BUCKET/PREFIX"),
        ("s3://Bucket_1", "has to be s3://BUCKET/PREFIX"),
        ("s3://id:topsecret@bucket/x", "has to be s3://BUCKET/PREFIX"),
        ("s3://bucket/x?secret=topsecret", "has to be s3://BUCKET/PREFIX"),
        ("s3://bucket/../x", "the prefix may have"),
    ],
)
def test_a_wrong_place_is_refused_in_words(place: str, words: str) -> None:
    """Before anything is asked, and without repeating secrets."""
    with pytest.raises(ConfigurationError, match=words) as failure:
        Objects.at(place)
    assert "topsecret" not in failure.value.message


@pytest.mark.parametrize(
    "endpoint", ["nonsense", "ftp://host", "http://", "http://id:topsecret@host", "host:9000", "http://h:x"]
)
def test_a_wrong_endpoint_is_refused_in_words(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named, what is in it is not repeated."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL_S3 has to be http://HOST:PORT") as failure:
        Objects.at("s3://bucket/x")
    assert "topsecret" not in failure.value.message


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    """A file is not a folder."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="cannot hold blobs: Not a directory"):
        Objects.at(str(tmp_path / "file" / "blobs"))


async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """What the system says, and where."""
    objects = Objects.at(str(tmp_path))
    (tmp_path / "blobs").write_text("in the way", encoding="utf-8")
    with pytest.raises(StoreUnavailable, match=r"failed \(writing blobs/a\)") as failure:
        await objects.put("blobs/a", b"x")
    assert str(tmp_path) in failure.value.message
    assert "Debug source" not in failure.value.message


async def test_a_bucket_that_does_not_exist(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the store that is missing, not the blob."""
    in_bucket(monkeypatch, server, tmp_path)
    objects = Objects.at("s3://nobody-made-this/x")
    with pytest.raises(StoreUnavailable, match="there is no such bucket"):
        await objects.get("a")
    with pytest.raises(StoreUnavailable, match="there is no such bucket"):
        await objects.put("a", b"")


async def test_a_server_that_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found within the bound, in words without keys."""
    place = in_bucket(monkeypatch, "http://127.0.0.1:9", tmp_path)
    objects = Objects.at(place)
    for work in (objects.put("a", b"x"), objects.get("a"), objects.touch("a"), objects.delete("a"), listed(objects)):
        with pytest.raises(StoreUnavailable, match="s3://perdure-test") as failure:
            await work
        assert "test-secret" not in failure.value.message


def test_a_killed_writer_leaves_no_half_object(tmp_path: Path) -> None:
    """SIGKILL at any moment: every object is whole, and the file that was being written is not one."""
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(4):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        whole = [path for path in (tmp_path / "blobs").iterdir() if "#" not in path.name]
        assert len(whole) == 3
        for path in whole:
            data = path.read_bytes()
            assert data == data[:1] * 8_000_000


async def test_files_of_killed_writers_are_removed_when_old(tmp_path: Path) -> None:
    """They are never listed; younger ones may still be written to."""
    objects = Objects.at(str(tmp_path))
    await objects.put("blobs/a", b"x")
    old, young = tmp_path / "blobs" / "b#0", tmp_path / "blobs" / "c#1"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    assert [info.key for info in await listed(objects)] == ["blobs/a"]
    assert await objects.remove_abandoned(datetime.now(UTC) - timedelta(hours=1)) == 1
    assert (old.exists(), young.exists()) == (False, True)
