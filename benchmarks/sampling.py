"""What a process uses, read from Linux' /proc at moments of a run."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Sample", "cpu_per_call", "sample"]

TICKS = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """After so many model calls: bytes of memory that the process holds, and its processor time in milliseconds."""

    calls: int
    rss: int
    cpu: float


def sample(pid: int, calls: int) -> Sample:
    """Look at a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    held = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:13]
    return Sample(calls, held, (int(user) + int(system)) * 1000 / TICKS)


def cpu_per_call(samples: Sequence[Sample], begin: int, end: int) -> float:
    """Processor milliseconds per model call between two counts of calls."""
    first = next(each for each in samples if each.calls >= begin)
    last = next((each for each in samples if each.calls >= end), samples[-1])
    return (last.cpu - first.cpu) / max(last.calls - first.calls, 1)
