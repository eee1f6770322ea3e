"""Tools for the kill test: each effect is a line in a file, and a plan of files says where the worker dies.

CHAOS_LOG names the log. A file `<tool>-<n>-<point>` in CHAOS_PLAN kills the worker at that point of that call, once:
`before` the effect, `after` it, or once the tool has `answered`.
"""

import json
import os
import signal
import threading
import time
from pathlib import Path

from perdure.tools import current_call, tool

ANSWERED = 0.003
"""Seconds after the tool's return: the answer is on its way to the server, or just there."""


def note(kind: str, tool_name: str, n: int) -> None:
    """Append one line, whole and on disk before anything else happens."""
    line = {"kind": kind, "tool": tool_name, "n": n, "key": current_call().key, "pid": os.getpid(), "at": time.time()}
    descriptor = os.open(os.environ["CHAOS_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (json.dumps(line) + "\n").encode())
    os.fsync(descriptor)
    os.close(descriptor)


def planned(tool_name: str, n: int, point: str) -> bool:
    """Whether the worker is to die here; the plan is used up by asking."""
    try:
        (Path(os.environ["CHAOS_PLAN"]) / f"{tool_name}-{n}-{point}").unlink()
    except FileNotFoundError:
        return False
    return True


def die() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def work(tool_name: str, n: int) -> str:
    """Carry out an effect, dying where the plan says so."""
    note("start", tool_name, n)
    if planned(tool_name, n, "before"):
        die()
    note("effect", tool_name, n)
    if planned(tool_name, n, "after"):
        die()
    if planned(tool_name, n, "answered"):
        threading.Timer(ANSWERED, die).start()
    return f"{tool_name} {n}"


@tool(effect="pure")
async def peek(n: int) -> str:
    """Read a value."""
    return work("peek", n)


@tool(effect="idempotent")
async def store(n: int) -> str:
    """Store a value under its number."""
    return work("store", n)


@tool(effect="once", timeout=2)
async def charge(n: int) -> str:
    """Charge an amount."""
    return work("charge", n)


@tool(effect="pure")
async def document(n: int) -> str:
    """Read a document of 30 KB, which is just kept out of the blob store."""
    return f"{n} " * (30_000 // len(f"{n} "))
