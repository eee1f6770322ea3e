"""Reads what a chain of runs has left: in its histories, in its answers, and in the log of the tools."""

import json
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from perdure.testing import History

__all__ = ["effects_of", "lines_of", "pages_of", "turns_of_runs"]


async def pages_of(handle: WorkflowHandle[Any, Any], query: str, items: str) -> list[dict[str, Any]]:
    """All items that a query of a run answers with, those of the runs before it included."""
    found: list[dict[str, Any]] = []
    offset: int | None = 0
    while offset is not None:
        page: dict[str, Any] = await handle.query(query, {"offset": offset, "limit": 100})
        assert not page.get("problem"), page
        found += page[items]
        offset = page["next_offset"]
    return found


def turns_of_runs(history: History) -> list[int]:
    """How many model calls were scheduled in each run of a chain, the oldest first."""
    return [History((run,)).count("llm.reply") for run in history.runs]


def lines_of(log: Path) -> list[dict[str, Any]]:
    """Lines of the tools' own log."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def effects_of(log: Path) -> list[dict[str, Any]]:
    """Effects that took place, in order."""
    return [line for line in lines_of(log) if line["kind"] == "effect"]
