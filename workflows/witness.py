"""Tells the journal, people and the root of a run what happens to its requests."""

import asyncio
from collections.abc import Coroutine

from temporalio import workflow

from perdure.domain.approvals import Request
from perdure.domain.audit import AuditKind
from perdure.domain.events import EventKind
from perdure.domain.model import JsonObject
from perdure.domain.record import Notification
from workflows import telling
from workflows.approvals import Occasion
from workflows.elsewhere import tell_root
from workflows.run import AgentRun

__all__ = ["Witness"]

KINDS: dict[Occasion, AuditKind] = {
    "asked": "request",
    "reminder": "timer",
    "escalation": "timer",
    "vote": "decision",
    "decided": "decision",
    "expired": "timer",
    "closed": "decision",
}
EVENTS: dict[Occasion, EventKind] = {"asked": "request", "vote": "decision", "decided": "decision"}
TOLD = ("asked", "reminder", "escalation")
"""Occasions on which people are notified."""


class Witness:
    """Hears what happens to the requests of one run."""

    def __init__(self, run: AgentRun) -> None:
        """Listen to the approvals of this run."""
        self._run = run
        self._tasks = set[asyncio.Task[None]]()
        run.approvals.witness = self.hear

    def hear(self, occasion: Occasion, request: Request, by: str, details: JsonObject) -> None:
        """Tell what happened; runs of earlier releases told nobody."""
        run = self._run
        if not (run.is_prepared and run.setup.recorded):
            return
        data: JsonObject = {
            "request_id": request.request_id,
            "occasion": occasion,
            "kind": request.kind,
            "tool": request.tool,
            "digest": request.digest,
            **({"title": request.title, "level": request.level} if occasion == "asked" else {}),
            **details,
        }
        run.journal.add(KINDS[occasion], by, data, event=EVENTS.get(occasion, "request"))
        if occasion in TOLD and run.setup.notifies:
            self._start(self._notify(occasion, request, details))
        if run.given.lineage is not None:
            is_open = occasion not in {"decided", "expired", "closed"}
            self._start(tell_root(run.given.lineage.root, request, is_open=is_open))

    async def _notify(self, occasion: Occasion, request: Request, details: JsonObject) -> None:
        key = f"{workflow.info().workflow_id}/{request.request_id}/{occasion}/{workflow.now().isoformat()}"
        to = details.get("to")
        told = Notification.model_validate(
            {"occasion": occasion, "request": request, "to": to if isinstance(to, list) else (), "key": key}
        )
        if problem := await telling.notify(told):
            self._run.notice("notification.failed", f"{request.request_id}: {problem}")

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
