"""Verbs on the audit logs of runs: verify, show."""
# ruff: noqa: PLC0415 - what a verb needs is imported when it runs: `--help` must not pay for Temporal

from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.errors import CliError, ExitCode
from perdure.cli.options import RunId
from perdure.cli.output import clean, shown_json, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perdure.cli.audit_checks import Verified
    from perdure.domain.audit import AuditEntry
    from perdure.stores.audit import AuditLog

__all__ = ["audit_show", "audit_verify"]

SHORT_DATA = 160


async def audit_verify(
    cli: Cli,
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Ids of runs; default: all that have a log.")
    ] = None,
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Check the logs alone, without asking the server what the runs recorded.")
    ] = False,
) -> int:
    """Check that no entry of an audit log was changed, removed, moved or added, and that its end is not cut.

    A chain of hashes shows the first four; the end is compared with what the history of the run holds.
    """
    from perdure.cli.audit_checks import verify

    log = _log()
    asked = list(dict.fromkeys(runs or (name.rpartition("/")[0] for name in log.names())))
    if offline or not asked:
        return _show_verified(cli, await verify(None, log, asked))
    from perdure.cli.session import open_session

    session = await open_session(cli)
    await session.worker()
    return _show_verified(cli, await verify(session, log, asked))


def _show_verified(cli: Cli, found: "Sequence[Verified]") -> ExitCode:
    """Write what was found; returns 1 when something is wrong, 3 when nothing is but a history could not be asked."""
    from perdure.cli.audit_checks import SILENT

    if not cli.out.is_text:
        cli.out.items(found)
    for item in found:
        state = "NOT WELL" if item.problems else "well"
        count = "1 entry" if item.entries == 1 else f"{item.entries} entries"
        reach = ", up to its end" if item.complete else ", not ended"
        cli.out.text(clean(f"{item.workflow_id}: {state}, {count}{reach}; {item.note or 'compared with the history'}"))
        for problem in item.problems:
            cli.out.text(clean(f"  {item.file}: {problem}" if item.file else f"  {problem}"))
    if not found:
        cli.out.text("no audit logs yet")
    if any(item.problems for item in found):
        return ExitCode.FAILURE
    return ExitCode.UNREACHABLE if any(item.note == SILENT for item in found) else ExitCode.SUCCESS


async def audit_show(cli: Cli, run: RunId) -> None:
    """Show the audit log of a run as it is stored; `audit verify` says whether it can be trusted."""
    log = _log()
    files = [log.load(name) for name in log.names() if name.rpartition("/")[0] == run]
    if not files:
        words = f"there is no audit log of {run!r} in {log.folder}"
        raise CliError(ExitCode.FAILURE, "UnknownLog", words, "a run without decisions and effects has none")
    # A run that was started again under the same id has a log of its own: by time.
    files.sort(key=lambda file: [entry.at for entry in file.entries[:1]])
    for file in files:
        for problem in file.problems:
            cli.out.note(clean(f"{file.path}: {problem}"))
    entries = [entry for file in files for entry in file.entries]
    if not cli.out.is_text:
        cli.out.items(entries)
        return
    for line in table(["ENTRY", "TIME", "KIND", "BY", "WHAT"], [_row(entry) for entry in entries]):
        cli.out.text(line)


def _row(entry: "AuditEntry") -> list[str]:
    at = entry.at.isoformat(timespec="seconds")
    return [str(entry.number), at, entry.kind, entry.by or "-", shown_json(entry.data, SHORT_DATA)]


def _log() -> "AuditLog":
    from perdure.settings import load_settings
    from perdure.storage import storage_from
    from perdure.stores.audit import AuditLog

    settings = load_settings()
    return AuditLog(settings.audit_folder, storage_from(settings).keyring)
