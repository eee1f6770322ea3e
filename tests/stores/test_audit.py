"""Audit logs on disk: appended once by number, by many processes, through kills, and never changed."""

import base64
import os
import resource
import signal
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import pytest

from perdure.domain.audit import problems
from perdure.domain.errors import StoreUnavailable
from perdure.keyring import Key, Keyring
from perdure.stores.audit import AuditLog
from tests.audit_logs import entries_of

ROOT = Path(__file__).parents[2]
KEYS = Keyring((Key("a", bytes(32)),))
RINGS = pytest.mark.parametrize("keyring", [None, KEYS], ids=["plain", "sealed"])

WRITER = """
import sys
from pathlib import Path
from perdure.stores.audit import AuditLog
from tests.audit_logs import entries_of
log, entries = AuditLog(Path(sys.argv[1])), entries_of(5000)
print("begun", flush=True)
for n in range(0, 5000, 5):
    log.append("run", entries[n : n + 5])
"""


def append_all(folder: Path) -> list[str]:
    """Append a log of 60 entries, a few at a time."""
    entries = entries_of(60)
    return [words for at in range(0, 60, 3) for words in AuditLog(folder).append("run", entries[at : at + 3])]


def append_within(folder: Path, size: int) -> str:
    """Append where no file may be longer than `size`; returns the error."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        AuditLog(folder).append("run", entries_of(6))
    except StoreUnavailable as error:
        return error.message
    return ""


@RINGS
def test_entries_are_stored_once_and_read_in_order(tmp_path: Path, keyring: Keyring | None) -> None:
    """What comes again is known by number; only the owner may read it."""
    log, entries = AuditLog(tmp_path / "audit", keyring), entries_of(5)
    assert log.append("run", entries[:3]) == []
    size = log.path("run").stat().st_size
    assert (log.append("run", entries[:3]), log.append("run", [])) == ([], [])
    assert log.path("run").stat().st_size == size
    assert log.append("run", entries[1:]) == []
    assert list(log.read("run")) == entries
    assert log.path("run").stat().st_mode & 0o777 == 0o600
    assert log.path("run").read_bytes().count(b"\n") == 5


def test_another_entry_of_a_number_is_told_and_kept_beside_it(tmp_path: Path) -> None:
    """So is one before which others are missing."""
    log, entries, others = AuditLog(tmp_path), entries_of(6), entries_of(6, "others")
    log.append("run", entries[:3])
    [words] = log.append("run", [others[2]])
    assert words.startswith("entry 3 is in the file already, with another content")
    [gap] = log.append("run", [entries[5]])
    assert gap.startswith("entry 6 is written after entry 3")
    assert list(log.read("run")) == [*entries[:3], others[2], entries[5]]
    assert log.append("run", [others[2], entries[5]]) == []


@pytest.mark.parametrize(
    "ids",
    [
        ["a/b", "a_b", "a%2fb", "A/b", "a/B", "../a", "..", "."],
        ["é", "e", "run 1", "run\n1", "x" * 1000, "x" * 999, "x" * 1000 + ".jsonl", "+", "x" * 200, "/" * 300],
    ],
)
def test_every_id_has_a_file_of_its_own_and_is_found_by_it(tmp_path: Path, ids: list[str]) -> None:
    """Inside the folder, whatever the id looks like, also where capitals are not told apart."""
    log = AuditLog(tmp_path / "audit")
    for name in ids:
        assert log.append(name, entries_of(2, name)) == []
    (tmp_path / "audit" / "Stray.jsonl").write_text("no log\n", encoding="utf-8")
    assert log.names() == sorted(ids)
    assert [list(log.read(name)) for name in ids] == [entries_of(2, name) for name in ids]
    assert len({str(log.path(name)).lower() for name in ids}) == len(ids)
    assert [path.name for path in tmp_path.iterdir()] == ["audit"]


@RINGS
def test_every_changed_byte_is_found(tmp_path: Path, keyring: Keyring | None) -> None:
    """Whatever it becomes: a neighbour, the other case, no longer ASCII, the end of a line."""
    log, entries = AuditLog(tmp_path, keyring), entries_of(2, "é")
    log.append("run", entries)
    path = log.path("run")
    content = path.read_bytes()
    for at, byte in enumerate(content):
        for other in {byte ^ 1, (byte ^ 32, byte ^ 128, 10)[at % 3]} - {byte}:
            path.write_bytes(content[:at] + bytes([other]) + content[at + 1 :])
            found = log.load("run")
            assert found.problems or list(problems(found.entries, entries[-1].head)), (at, other)


def test_another_spelling_of_the_same_time_is_a_change(tmp_path: Path) -> None:
    """The entry would have the same hash."""
    log = AuditLog(tmp_path)
    log.append("run", entries_of(1))
    path = log.path("run")
    path.write_bytes(path.read_bytes().replace(b"-02T03", b"-02 03"))
    assert log.load("run").problems == ("line 1 is not an entry as it was written: it was changed",)


def test_a_line_that_a_kill_cut_off_is_told_cut_off_and_written_again(tmp_path: Path) -> None:
    """Wherever it was cut; the lines before stay as they are."""
    log, entries = AuditLog(tmp_path), entries_of(3)
    log.append("run", entries)
    path = log.path("run")
    content = path.read_bytes()
    begin = content.rindex(b"\n", 0, -1) + 1
    for cut in [begin + 1, *range(begin + 2, len(content) - 1, 23), len(content) - 1]:
        path.write_bytes(content[:cut])
        assert "the last one, has no end" in log.load("run").problems[0]
        assert log.append("run", entries[2:]) == []
        assert path.read_bytes() == content


def test_processes_that_write_the_same_at_once_store_it_once(tmp_path: Path) -> None:
    """As two attempts of one activity would."""
    with get_context("spawn").Pool(4) as pool:
        assert pool.map(append_all, [tmp_path] * 4, chunksize=1) == [[]] * 4
    assert list(AuditLog(tmp_path).read("run")) == entries_of(60)


def test_a_writer_that_is_killed_leaves_a_log_that_goes_on(tmp_path: Path) -> None:
    """What it was not told to be stored comes again, and is there once."""
    log, entries = AuditLog(tmp_path), entries_of(5000)
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    while log.load("run").head.count < 10:
        pass
    process.kill()
    process.communicate()
    stored = log.load("run").head.count
    assert stored < 5000
    assert log.append("run", entries[max(0, stored - 7) : stored + 5]) == []
    assert list(log.read("run")) == entries[: stored + 5]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """The error says where; what was stored stays."""
    log = AuditLog(tmp_path)
    log.append("run", entries_of(2))
    content = log.path("run").read_bytes()
    with get_context("spawn").Pool(1) as pool:
        assert "the disk is full" in pool.apply(append_within, (tmp_path, len(content) + 50))
    assert log.path("run").read_bytes() == content
    assert log.append("run", entries_of(6)) == []


def test_a_folder_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    """By writing, reading and listing; a missing one is empty."""
    (tmp_path / "file").touch()
    log = AuditLog(tmp_path / "file")
    with pytest.raises(StoreUnavailable, match="PERDURE_AUDIT"):
        log.append("run", entries_of(1))
    with pytest.raises(StoreUnavailable):
        log.load("run")
    with pytest.raises(StoreUnavailable):
        log.names()
    missing = AuditLog(tmp_path / "missing")
    assert (missing.names(), missing.load("run").exists) == ([], False)


def test_sealed_lines_can_be_read_with_their_key_only_and_for_their_run_only(tmp_path: Path) -> None:
    """Nothing of them is to be seen; lines from before there were keys stay readable."""
    entries = entries_of(4)
    AuditLog(tmp_path).append("run", entries[:1])
    log = AuditLog(tmp_path, KEYS)
    assert log.append("run", entries[1:]) == []
    assert list(log.read("run")) == entries
    content = log.path("run").read_bytes()
    assert b"number 1" not in content
    assert b"number 1" not in base64.b64decode(content.splitlines()[1])
    assert len(AuditLog(tmp_path).load("run").problems) == 3
    log.path("other").write_bytes(content)
    assert "moved here" in log.load("other").problems[0]


def test_an_entry_longer_than_what_is_read_at_once_is_followed_by_the_next(tmp_path: Path) -> None:
    """The last line is then found in the whole file."""
    log, entries = AuditLog(tmp_path), entries_of(3, "x" * 100_000)
    for entry in [*entries, entries[1]]:
        assert log.append("run", [entry]) == []
    assert list(log.read("run")) == entries
