"""Runs by a visibility query of the user: one that the server does not take is the user's to correct."""

from collections.abc import Sequence

from temporalio.client import RPCError, WorkflowExecution

from perdure.cli.errors import CliError, ExitCode, translated
from perdure.cli.session import Session
from perdure.contact import type_filter

__all__ = ["found"]

HINT = "a visibility query of Temporal, as in \"PerdureTenant = 'acme' AND StartTime > '2026-01-01T00:00:00Z'\""


async def found(
    session: Session, kinds: Sequence[str], condition: str, query: str | None, limit: int | None = None
) -> list[WorkflowExecution]:
    """Runs of these workflow types that meet our condition and the user's query, newest first; raises CliError."""
    asked = f" AND ({query})" if query else ""
    listed = session.client.list_workflows(f"{type_filter(kinds)} AND {condition}{asked}", limit=limit)
    try:
        return [run async for run in listed]
    except RPCError as error:
        told = translated(error)
        if not query or told.code is not ExitCode.USAGE:
            raise
        raise CliError(told.code, "InvalidQuery", f"--query: {error.message}", HINT) from error
