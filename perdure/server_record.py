"""What is known about the embedded server of a home: its process is the truth, `server.json` the notice for others."""

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from perdure.server_process import LOOPBACK, find_process, ports_of

__all__ = ["ServerInfo", "database_of", "last_ports", "locate", "log_tail", "resolved", "server_at", "write_record"]

TAIL_LINES = 15


@dataclass(frozen=True)
class ServerInfo:
    """A server that runs: `host:port` of its gRPC frontend, URL of its Web UI, process id, SQLite file."""

    address: str
    ui: str
    pid: int
    database: Path


RECORD = TypeAdapter(ServerInfo)


def resolved(home: Path) -> Path:
    """Return the home without links, so that two ways to write it name one server."""
    return home.resolve()


def database_of(home: Path) -> Path:
    """Return the SQLite file of a home."""
    return home / "temporal.db"


def server_at(ports: tuple[int, int], pid: int, database: Path) -> ServerInfo:
    """Return the description of a server on these loopback ports (gRPC, Web UI)."""
    return ServerInfo(f"{LOOPBACK}:{ports[0]}", f"http://{LOOPBACK}:{ports[1]}", pid, database)


def locate(home: Path) -> ServerInfo | None:
    """Return the server process on the database of this home, whether or not it answers.

    `server.json` only says where to look first: it may be missing, stale or damaged, and its pid may have gone
    to another program.
    """
    record = _read_record(home)
    database = database_of(home)
    pid = find_process(database, record.pid if record else None)
    ports = None if pid is None else ports_of(pid)
    return None if pid is None or ports is None else server_at(ports, pid, database)


def last_ports(home: Path) -> tuple[int, int] | None:
    """Ports (gRPC, Web UI) of the server that ran last in this home, as `server.json` tells them."""
    record = _read_record(home)
    ports = [url.rpartition(":")[2] for url in (record.address, record.ui)] if record else []
    return (int(ports[0]), int(ports[1])) if ports and all(map(str.isdecimal, ports)) else None


def write_record(home: Path, info: ServerInfo) -> None:
    """Write `server.json` in one step, so that readers never see half of it."""
    path = home / "server.json"
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_bytes(RECORD.dump_json(info, indent=2) + b"\n")
    draft.replace(path)


def log_tail(home: Path) -> str:
    """Return the end of `server.log`, led by a line that names it; empty when the server said nothing."""
    log = home / "server.log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return "\n".join([f"\nthe end of {log}:", *lines[-TAIL_LINES:]]) if lines else ""


def _read_record(home: Path) -> ServerInfo | None:
    try:
        return RECORD.validate_json((home / "server.json").read_bytes())
    except (OSError, ValidationError):
        return None
