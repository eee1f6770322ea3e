"""Compares the audit logs of a workflow id with what the histories of its runs hold."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel
from temporalio.client import RPCError, WorkflowQueryFailedError
from temporalio.service import RPCStatusCode

from perdure.cli.audit_runs import LoggedRun, chains, heads, retained_since
from perdure.cli.session import Session
from perdure.contact import NoAnswer
from perdure.domain.audit_check import RunHeads, check
from perdure.stores.audit import AuditFile, AuditLog

__all__ = ["SILENT", "Verified", "verify"]

AT_ONCE = 8
FORGOTTEN = "not compared with a history: the server has forgotten it"
SILENT = "not compared with a history: no worker answered for it in time"
OFFLINE = "not compared with a history: --offline"
EARLIER = "not all compared with a history: the server has forgotten what a run did before it went back"
NO_QUERY = "not compared with a history: the run does not tell what it has recorded"
NO_LOG = "there is no audit log of this id"


class Verified(BaseModel):
    """What was found out about one log; `first_run_id` is the first run of the chain that wrote it, if there is one.

    `compared`: with the history, too. `complete`: it goes to the end of the run. `note`: why it was not compared.
    """

    workflow_id: str
    first_run_id: str = ""
    file: str = ""
    entries: int = 0
    problems: tuple[str, ...] = ()
    compared: bool = False
    complete: bool = False
    note: str = ""


async def verify(session: Session | None, log: AuditLog, workflow_ids: Sequence[str]) -> list[Verified]:
    """Check the logs of each id; without a session only their chains."""
    turn = asyncio.Semaphore(AT_ONCE)
    names = await asyncio.to_thread(log.names)

    async def of(workflow_id: str) -> list[Verified]:
        firsts = [first for owner, _, first in (name.rpartition("/") for name in names) if owner == workflow_id]
        async with turn:
            return await _verify_id(session, log, workflow_id, firsts)

    found = await asyncio.gather(*(of(workflow_id) for workflow_id in workflow_ids))
    return [item for items in found for item in items]


async def _verify_id(session: Session | None, log: AuditLog, workflow_id: str, firsts: list[str]) -> list[Verified]:
    """A result for each log of the id, and for each chain of runs that has none and should; never an empty list."""
    if session is None:
        alone = [await _alone(log, workflow_id, first, OFFLINE) for first in firsts]
        return alone or [Verified(workflow_id=workflow_id, problems=(NO_LOG,), note=OFFLINE)]
    try:
        runs = await chains(session, workflow_id)
    except RPCError as error:
        if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
            raise
        runs = {}
    found = [
        await _compare(session, log, workflow_id, first, runs.get(first)) for first in dict.fromkeys([*runs, *firsts])
    ]
    if not found:
        words = f"{NO_LOG}, and the server knows no run of it"
        return [Verified(workflow_id=workflow_id, problems=(words,), note=FORGOTTEN)]
    # A run without decisions and effects has no log: nothing to say of it beside others.
    return [item for item in found if item.entries or item.problems] or found[-1:]


async def _compare(
    session: Session, log: AuditLog, workflow_id: str, first: str, runs: list[LoggedRun] | None
) -> Verified:
    """Check a log with the runs of its chain; None: the server has none of them."""
    if runs is None:
        return await _alone(log, workflow_id, first, FORGOTTEN)
    try:
        # What is written now must be in the file that is read then; what is in it must be entered afterwards.
        before = [await heads(session, workflow_id, run.run_id) for run in runs]
        file = await asyncio.to_thread(log.load, f"{workflow_id}/{first}")
        latest = await heads(session, workflow_id, runs[-1].run_id) if runs[-1].is_open else before[-1]
    except NoAnswer:
        return await _alone(log, workflow_id, first, SILENT)
    except WorkflowQueryFailedError:
        return await _alone(log, workflow_id, first, NO_QUERY)
    recorded: list[RunHeads] = [*before[:-1], RunHeads(written=before[-1].written, head=latest.head)]
    since = await retained_since(session) if any(run.went_back for run in runs) else None
    return _verified(workflow_id, first, file, recorded, since, EARLIER)


async def _alone(log: AuditLog, workflow_id: str, first: str, note: str) -> Verified:
    """Check a log by its chain alone."""
    file = await asyncio.to_thread(log.load, f"{workflow_id}/{first}")
    return _verified(workflow_id, first, file, None, None, note)


def _verified(  # noqa: PLR0913, PLR0917 - the log, what it is compared with, and why not
    workflow_id: str,
    first: str,
    file: AuditFile,
    runs: Sequence[RunHeads] | None,
    since: datetime | None,
    note: str,
) -> Verified:
    checked = check(file.entries, runs, since)
    missing = () if file.exists or not checked.problems else ("the file is missing",)
    return Verified(
        workflow_id=workflow_id,
        first_run_id=first,
        file=str(file.path),
        entries=len(file.entries),
        problems=(*missing, *file.problems, *checked.problems),
        compared=checked.compared,
        complete=bool(file.entries) and file.entries[-1].kind == "end",
        note="" if checked.compared else note,
    )
