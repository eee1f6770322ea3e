"""Ways out of the workspace, all closed: each attack would read, change or list something outside."""

import ctypes
import os
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.tools.builtin import configure
from perdure.tools.builtin.files import file_list, file_read, file_write
from perdure.tools.builtin.workspace import WorkspaceError

wild_paths = st.text(alphabet="./\\~ab\0\n\ud800😀", max_size=30) | st.lists(
    st.sampled_from(["..", ".", "", "a", "door", "secret.txt"])
).map("/".join)
AT_FDCWD = -100
RENAME_EXCHANGE = 2
TREASURE = "what the house hides"


@pytest.fixture
def workspace(tmp_path: Path) -> Generator[Path]:
    """A workspace beside a folder with a secret, which is untouched at the end."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text(TREASURE)
    folder = tmp_path / "workspace"
    folder.mkdir()
    configure(workspace=folder)
    yield folder
    configure(workspace=None)
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]
    assert (outside / "secret.txt").read_text() == TREASURE


def _refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(WorkspaceError) as caught:
        call()
    assert words in str(caught.value)
    assert TREASURE not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../outside/secret.txt", "'..'"),
        ("a/../../outside/secret.txt", "'..'"),
        ("./../outside/secret.txt", "'..'"),
        ("..", "'..'"),
        ("{outside}/secret.txt", "is absolute"),
        ("//{outside}/secret.txt", "is absolute"),
        ("/etc/passwd", "is absolute"),
        ("secret.txt\0.md", "control character"),
        ("a\nb", "control character"),
        ("\ud800", "not valid Unicode"),
        ("\udc2e\udc2e/outside/secret.txt", "not valid Unicode"),
        ("~/secret.txt", "does not exist"),
        ("%2e%2e/outside/secret.txt", "does not exist"),
        ("\uff0e\uff0e/outside/secret.txt", "does not exist"),
        ("..\\outside\\secret.txt", "does not exist"),
        ("x" * 300, "too long"),
        ("/".join(["a"] * 40), "more than 32 parts"),
        ("", "names a folder"),
        (".", "names a folder"),
        ("a/", "names a folder"),
    ],
)
def test_paths_that_lead_out(workspace: Path, path: str, words: str) -> None:
    """Refused for reading, and for writing where they do not simply name a new file inside."""
    path = path.format(outside=workspace.parent / "outside") if "{" in path else path
    _refused(lambda: file_read(path), words)
    if words != "does not exist":
        _refused(lambda: file_write(path, "owned"), words)


@pytest.mark.parametrize("target", ["secret.txt", "../outside/secret.txt"])
def test_a_link_to_a_file(workspace: Path, target: str) -> None:
    """Not followed, absolute or relative, and not replaced."""
    (workspace / "link").symlink_to(workspace.parent / "outside" / target if "/" not in target else Path(target))
    _refused(lambda: file_read("link"), "symbolic link")
    _refused(lambda: file_write("link", "owned"), "symbolic link")
    assert (workspace / "link").is_symlink()


def test_a_link_to_a_folder(workspace: Path) -> None:
    """Neither as the folder itself nor on the way."""
    (workspace / "door").symlink_to(workspace.parent / "outside")
    _refused(lambda: file_list("door"), "symbolic link")
    _refused(lambda: file_read("door/secret.txt"), "symbolic link")
    _refused(lambda: file_write("door/new.txt", "owned"), "symbolic link")
    _refused(lambda: file_write("door/deep/new.txt", "owned"), "symbolic link")


def test_a_dangling_link(workspace: Path) -> None:
    """Writing through it would create a file outside."""
    (workspace / "link").symlink_to(workspace.parent / "outside" / "new.txt")
    _refused(lambda: file_write("link", "owned"), "symbolic link")


def test_a_link_that_goes_round(workspace: Path) -> None:
    """No endless walk."""
    (workspace / "loop").symlink_to("loop")
    _refused(lambda: file_read("loop"), "symbolic link")
    _refused(lambda: file_list("loop"), "symbolic link")


def test_a_hard_link(workspace: Path) -> None:
    """A second name of a file outside is no way to read or change it."""
    os.link(workspace.parent / "outside" / "secret.txt", workspace / "mine.txt")
    _refused(lambda: file_read("mine.txt"), "hard link")
    _refused(lambda: file_write("mine.txt", "owned"), "hard link")


def test_things_that_are_not_files(workspace: Path) -> None:
    """A FIFO would hang, a socket or folder is no text."""
    os.mkfifo(workspace / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(workspace, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{folder}/sock")
        os.close(folder)
    (workspace / "folder").mkdir()
    for name, words in (("fifo", "not a regular file"), ("sock", "not a regular file"), ("folder", "is a folder")):
        _refused(lambda name=name: file_read(name), words)
        _refused(lambda name=name: file_write(name, "owned"), words)
    _refused(lambda: file_list("fifo"), "not a folder")
    _refused(lambda: file_write("fifo/x", "owned"), "not a folder")


@contextmanager
def _swapping(one: Path, other: Path) -> Generator[None]:
    """Exchanges two names again and again, each time in one step, while the block runs."""
    libc = ctypes.CDLL(None, use_errno=True)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            assert libc.renameat2(AT_FDCWD, bytes(one), AT_FDCWD, bytes(other), RENAME_EXCHANGE) == 0

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _attempt(call: Callable[[], str]) -> str:
    try:
        return call()
    except WorkspaceError as error:
        return str(error)


def _names(path: str) -> str:
    return ",".join(entry["name"] for entry in file_list(path)["entries"])


def test_a_folder_swapped_for_a_link_again_and_again(workspace: Path) -> None:
    """The race between a check and an open cannot be won: nothing outside is read, written or listed."""
    door, trap = workspace / "door", workspace / "trap"
    door.mkdir()
    (door / "secret.txt").write_text("inside")
    trap.symlink_to(workspace.parent / "outside")
    with _swapping(door, trap):
        read = {_attempt(lambda: file_read("door/secret.txt")) for _ in range(500)}
        wrote = {_attempt(lambda: file_write("door/new.txt", "mine")) for _ in range(200)}
        listed = {_attempt(lambda: _names("door")) for _ in range(200)}
    link, no_folder = "is a symbolic link; links are not followed", "is not a folder"
    assert read <= {"inside", f"'door/secret.txt' {link}", f"'door/secret.txt' {no_folder}"}
    assert wrote <= {"wrote 4 bytes to door/new.txt", f"'door/new.txt' {link}", f"'door/new.txt' {no_folder}"}
    assert listed <= {"secret.txt", "new.txt,secret.txt", f"'door' {link}", f"'door' {no_folder}"}


def test_a_file_swapped_for_a_link_again_and_again(workspace: Path) -> None:
    """The same race on the file itself."""
    name, trap = workspace / "name", workspace / "trap"
    name.write_text("inside")
    trap.symlink_to(workspace.parent / "outside" / "secret.txt")
    with _swapping(name, trap):
        read = {_attempt(lambda: file_read("name")) for _ in range(1000)}
    assert read <= {"inside", "'name' is a symbolic link; links are not followed"}


def test_no_descriptor_is_left_open(workspace: Path) -> None:
    """Refusals included: a worker lives long."""
    (workspace / "door").symlink_to("/etc")
    (workspace / "a").mkdir()
    calls: list[Callable[[], object]] = [
        lambda: file_read("door/passwd"),
        lambda: file_read("a/none"),
        lambda: file_read("a"),
        lambda: file_write("a/b/c.txt", "x"),
        lambda: file_write("a", "x"),
        lambda: file_list("a/b"),
        lambda: file_list("none"),
    ]
    before = len(list(Path("/proc/self/fd").iterdir()))
    for call in calls * 20:
        _attempt(partial(_text, call))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def _text(call: Callable[[], object]) -> str:
    return str(call())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(wild_paths)
def test_any_path_stays_inside_or_is_refused(workspace: Path, path: str) -> None:
    """No other exception, and nothing beside the workspace: the fixture looks at the outside, this at the rest."""
    door = workspace / "door"
    with suppress(FileExistsError):
        door.symlink_to(workspace.parent / "outside")
    _attempt(lambda: file_write(path, "owned"))
    assert TREASURE not in _attempt(lambda: file_read(path))
    assert sorted(found.name for found in workspace.parent.iterdir()) == ["outside", "workspace"]
