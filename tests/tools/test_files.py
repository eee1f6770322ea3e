"""The file tools in a workspace: what they read, write and list."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.tools import CallInfo, Registry, ToolHost
from perdure.tools.builtin import configure, register_builtins
from perdure.tools.builtin.files import MAX_READ, MAX_WRITE, file_list, file_read, file_write
from perdure.tools.builtin.replacing import TEMPORARY
from perdure.tools.builtin.workspace import WorkspaceError
from tests.tools.helpers import request


@pytest.fixture
def workspace(tmp_path: Path) -> Generator[Path]:
    """A configured empty workspace."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    configure(workspace=folder)
    yield folder
    configure(workspace=None)


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("content", ["", "plain\n", "üñí 😀\r\n", "\ufeffmark", "a" * 65536])
@pytest.mark.usefixtures("workspace")
def test_what_is_written_is_read(content: str) -> None:
    """Exactly; writing it again changes and says the same."""
    first = file_write("notes/deep/a.txt", content)
    assert file_write("notes/deep/a.txt", content) == first
    assert file_read("notes/deep/a.txt") == content


def test_a_write_replaces_and_keeps_permissions(workspace: Path) -> None:
    """The new file has the old one's mode, and nothing else is left in the folder."""
    script = workspace / "run.sh"
    script.write_text("old")
    script.chmod(0o750)
    file_write("./run.sh", "new")
    assert (script.read_text(), script.stat().st_mode & 0o777) == ("new", 0o750)
    assert _names(workspace) == ["run.sh"]


def test_a_long_file_is_read_in_parts(workspace: Path) -> None:
    """Each part says where it is and how to go on."""
    (workspace / "long.txt").write_text("0123456789" * 10)
    assert file_read("long.txt", 0, 15) == "012345678901234\n[bytes 0 to 15 of 100; go on with offset=15]"
    assert file_read("long.txt", 95, 15) == "56789\n[bytes 95 to 100 of 100]"
    with pytest.raises(WorkspaceError, match=r"offset 100 is at or after the end of 'long\.txt', which has 100 bytes"):
        file_read("long.txt", 100)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.text(alphabet="aü€😀", min_size=1, max_size=60), st.integers(1, 9))
def test_parts_make_the_whole(workspace: Path, text: str, limit: int) -> None:
    """Parts end at whole characters and none is lost, whatever the limit."""
    (workspace / "t.txt").write_text(text, encoding="utf-8")
    size = len(text.encode())
    parts: list[str] = []
    offset = 0
    while offset < size:
        part = file_read("t.txt", offset, limit)
        body, _, note = part.partition("\n[bytes ")
        parts.append(body)
        offset = int(note.split(" ")[2]) if note else size
    assert "".join(parts) == text


def test_a_part_that_begins_inside_a_character(workspace: Path) -> None:
    """The character belongs to the part before."""
    (workspace / "t.txt").write_text("€uro", encoding="utf-8")
    assert file_read("t.txt", 1) == "uro\n[bytes 3 to 6 of 6]"


@pytest.mark.parametrize("data", [b"\x89PNG\r\n", b"text\xff", b"nul\0inside", b"cut \xe2\x82"])
def test_binary_files_are_refused(workspace: Path, data: bytes) -> None:
    """With the place of the first byte that is not text."""
    (workspace / "b.bin").write_bytes(data)
    with pytest.raises(WorkspaceError, match=r"'b\.bin' is not UTF-8 text \(byte \d\)"):
        file_read("b.bin")


def test_a_huge_file_is_never_read_whole(workspace: Path) -> None:
    """A sparse file of a terabyte costs one part."""
    with (workspace / "huge.txt").open("wb") as file:
        file.write(b"begin" * 20_000)
        file.truncate(2**40)
    assert file_read("huge.txt", 0, 5) == f"begin\n[bytes 0 to 5 of {2**40}; go on with offset=5]"


@pytest.mark.usefixtures("workspace")
def test_a_huge_content_is_refused() -> None:
    """Counted in bytes, not characters."""
    with pytest.raises(WorkspaceError, match=f"at most {MAX_WRITE}"):
        file_write("a.txt", "ü" * (MAX_WRITE // 2 + 1))


@pytest.mark.usefixtures("workspace")
def test_content_that_is_not_unicode_is_refused() -> None:
    """A lone surrogate has no bytes."""
    with pytest.raises(WorkspaceError, match="not valid Unicode at character 1"):
        file_write("a.txt", "a\ud800")


def test_listing(workspace: Path) -> None:
    """Sorted by name, with kind and size; hidden temporary files are not shown."""
    (workspace / "b.csv").write_text("1,2")
    (workspace / "a").mkdir()
    (workspace / "c").symlink_to("/etc")
    os.mkfifo(workspace / "d")
    (workspace / f"{TEMPORARY}1").write_text("")
    assert file_list() == {
        "path": ".",
        "entries": [
            {"name": "a", "kind": "folder"},
            {"name": "b.csv", "kind": "file", "size": 3},
            {"name": "c", "kind": "link"},
            {"name": "d", "kind": "other"},
        ],
    }
    assert file_list(pattern="*.csv")["entries"] == [{"name": "b.csv", "kind": "file", "size": 3}]
    assert file_list("a") == {"path": "a", "entries": []}


def test_a_long_listing_says_what_is_left_out(workspace: Path) -> None:
    """Bounded, and counted."""
    for number in range(510):
        (workspace / f"{number:03}").touch()
    listing = file_list()
    assert (len(listing["entries"]), listing["left_out"]) == (500, 10)


def test_the_workspace_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At call time; without it, it is the folder `workspace` here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERDURE_WORKSPACE", "other")
    (tmp_path / "other").mkdir()
    file_write("a.txt", "1")
    monkeypatch.delenv("PERDURE_WORKSPACE")
    with pytest.raises(WorkspaceError, match=r"'workspace' cannot be opened .*create it, or set PERDURE_WORKSPACE"):
        file_read("a.txt")
    assert (tmp_path / "other" / "a.txt").read_text() == "1"


async def test_through_the_host(workspace: Path) -> None:
    """Schema, errors and results as a model meets them."""
    registry = Registry()
    register_builtins(registry)
    host = ToolHost(registry)
    info = CallInfo("w")
    written = await host.run(request("file_write", path="r/x.md", content="# x"), info)
    missing = await host.run(request("file_read", path="r/y.md"), info)
    wrong = await host.run(request("file_read", path="r/x.md", limit=MAX_READ + 1), info)
    listed = await host.run(request("file_list", path="r"), info)
    await host.close()
    assert written.text == "wrote 3 bytes to r/x.md"
    assert (missing.error, missing.text) == ("EXECUTION_ERROR", "WorkspaceError: 'r/y.md' does not exist")
    assert (wrong.error, wrong.text) == (
        "INVALID_ARGUMENTS",
        f"Invalid arguments for file_read: limit: must be at most {MAX_READ}",
    )
    assert listed.text == '{"path":"r","entries":[{"name":"x.md","kind":"file","size":3}]}'
    assert (workspace / "r" / "x.md").read_text() == "# x"


KILLED = """
import os, signal, sys
from pathlib import Path
from perdure.tools.builtin import configure, replacing
from perdure.tools.builtin.files import file_write
configure(workspace=Path(sys.argv[1]))
def killed(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
replacing.os.rename = killed
file_write("a.txt", "new")
"""


def test_a_kill_leaves_the_old_file_and_the_next_write_cleans_up(workspace: Path) -> None:
    """Never a part of the new content; what the killed writer left behind goes with the next write."""
    (workspace / "a.txt").write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(workspace)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert (workspace / "a.txt").read_text() == "old"
    assert len(_names(workspace)) == 2
    assert [entry["name"] for entry in file_list()["entries"]] == ["a.txt"]
    file_write("a.txt", "new")
    assert _names(workspace) == ["a.txt"]
    assert (workspace / "a.txt").read_text() == "new"
