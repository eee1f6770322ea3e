"""`blobs clean` and `blobs stat` from outside: what an open run needs stays readable, what nobody needs goes."""

import asyncio
import os
import time
from hashlib import sha256
from pathlib import Path

import pytest

from perdure.stores.blobs import BlobStore
from perdure.stores.objects import Objects
from tests.cli.shell import Shell, until

MONTH = ("blobs", "clean", "--older-than", "30d")
NO_SERVER = {"TEMPORAL_ADDRESS": "127.0.0.1:9"}


def put(folder: Path, content: str) -> Path:
    """Store a blob; gives its file."""
    address = asyncio.run(BlobStore(Objects.at(str(folder))).put(content.encode()))
    return file_of(folder, address)


def file_of(folder: Path, address: str) -> Path:
    """Where a blob lies."""
    return folder / "blobs" / address[:2] / address


def age(folder: Path) -> None:
    """Make everything in a store forty days old."""
    then = time.time() - 40 * 86_400
    for path in folder.rglob("*"):
        os.utime(path, (then, then))


@pytest.fixture
def alone(shell: Shell, tmp_path: Path) -> Shell:
    """A folder with a store of its own and no Temporal server within reach."""
    return Shell(
        tmp_path, {**shell.env, **NO_SERVER, "PERDURE_HOME": str(tmp_path / "home"), "PERDURE_TOOL_MODULES": ""}
    )


def test_an_open_run_still_reads_its_large_result_after_the_clean_up(shell: Shell) -> None:
    """The run waits, its blob is old, and yet only what nobody needs is removed; then it goes on and reads it."""
    text = "".join(f"row {number}\n" for number in range(6000))
    shell.file("workspace/rows.txt", text)
    handle = sha256(text.encode()).hexdigest()[:40]
    model = shell.script(
        "large",
        {"calls": [{"tool": "file_read", "arguments": {"path": "rows.txt"}}]},
        {"calls": [{"tool": "linger", "arguments": {"flag": "large-flag"}}]},
        {"calls": [{"tool": "read_blob", "arguments": {"handle": f"blob:{handle}", "find": "row 4321"}}]},
        {"text": "read it"},
    )
    assert shell("run", "read", "--model", model, "--detach", "--id", "large", "--json").code == 0
    until((shell.folder / "large-flag.started").exists)
    store = shell.folder / "home" / "blobs"
    useless, needed = put(store, "nobody needs this"), file_of(store, handle)
    age(store)

    dry = shell.quick(*MONTH, "--dry-run", "--json").json
    assert dry["dry_run"] is True
    assert useless.exists()
    done = shell(*MONTH, "--json")
    assert done.code == 0, done.err
    assert (done.json["removed"], done.json["dry_run"]) == (dry["removed"], False)
    assert done.json["needed"] >= 1
    assert done.json["runs"] >= 1
    assert (useless.exists(), needed.exists()) == (False, True)

    (shell.folder / "large-flag").touch()
    assert shell.quick("watch", "large", "--json").json["result"]["output"] == "read it"
    messages = shell.quick("transcript", "large", "--json").json["messages"]
    large, _, found = [item for item in messages if item["kind"] == "tool_result"]
    assert (large["blob"], large["size"]) == (handle, len(text))
    assert len(large["text"]) < 4400
    assert found["text"].startswith(f"1 of 1 matches from 0 on, of {len(text)} characters\nat ")


def test_without_temporal_nothing_is_removed(alone: Shell) -> None:
    """Nobody can say what open runs need: exit code 3."""
    blob = put(alone.folder / "home" / "blobs", "old")
    age(alone.folder / "home" / "blobs")
    answer = alone.quick(*MONTH, "--json")
    assert (answer.code, answer.json["error"]["type"]) == (3, "Unreachable")
    assert blob.exists()


def test_with_nothing_old_temporal_is_not_needed(alone: Shell) -> None:
    """Nor are numbers."""
    put(alone.folder / "home" / "blobs", "young")
    answer = alone.quick(*MONTH)
    assert answer.code == 0
    assert answer.out.startswith("removed 0 blobs and 0 documents (0 bytes); 1 kept (")
    stat = alone.quick("blobs", "stat", "--json").json
    assert (stat["blobs"], stat["documents"], stat["where"]) == (1, 0, str(alone.folder / "home" / "blobs"))
    assert alone.quick("blobs", "stat").out.startswith(f"{alone.folder}/home/blobs: 1 blob and 0 documents, ")


@pytest.mark.parametrize("wrong", ["30", "d", "-3d", "1.5h", "30 d", "59m", "0d", "999999d", "²d"])
def test_an_age_that_is_none_or_too_short_is_refused(alone: Shell, wrong: str) -> None:
    """What open runs have just stored must not be touched."""
    answer = alone.quick("blobs", "clean", f"--older-than={wrong}", "--json")
    assert answer.code == 2
    assert "--older-than" in answer.json["error"]["message"]
    assert answer.json["error"]["hint"]


def test_the_age_has_to_be_said(alone: Shell) -> None:
    """There is no default for something that removes."""
    answer = alone.quick("blobs", "clean", "--json")
    assert (answer.code, "older-than" in answer.json["error"]["message"]) == (2, True)


def test_a_store_out_of_reach(alone: Shell) -> None:
    """A wrong place is a usage error, one that does not answer is not."""
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "topsecret", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    down = Shell(alone.folder, {**alone.env, **keys, "PERDURE_BLOBS": "s3://bucket/x"}).quick("blobs", "stat", "--json")
    wrong = Shell(alone.folder, {**alone.env, "PERDURE_BLOBS": "ftp://x"}).quick("blobs", "stat", "--json")
    assert (down.code, down.json["error"]["type"]) == (3, "StoreUnavailable")
    assert "topsecret" not in down.out + down.err
    assert wrong.code == 2
    assert "s3://bucket/prefix" in wrong.json["error"]["message"]
