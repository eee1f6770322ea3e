"""Audit logs for tests."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from perdure.domain.audit import AuditEntry, AuditHead
from perdure.domain.model import JsonObject

__all__ = ["BEGIN", "entries_after", "entries_of"]

BEGIN = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def entries_after(head: AuditHead, data: Sequence[JsonObject]) -> list[AuditEntry]:
    """Entries that follow a head, one for each data."""
    found: list[AuditEntry] = []
    for item in data:
        at = BEGIN + timedelta(seconds=len(found))
        found.append(AuditEntry.after(found[-1].head if found else head, at, "decision", "ada", item))
    return found


def entries_of(count: int, name: str = "") -> list[AuditEntry]:
    """A log of `count` entries; logs of other names have other content."""
    return entries_after(AuditHead(), [{"name": name, "reason": f"number {n}"} for n in range(count)])
