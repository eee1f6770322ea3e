"""Verbs on the blob store: how much is in it, and clean-up by age."""
# ruff: noqa: PLC0415 - what a verb needs is imported when it runs: `--help` must not pay for Temporal

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.errors import CliError, ExitCode

if TYPE_CHECKING:
    from temporalio.client import Client

    from perdure.stores.blobs import BlobStore
    from perdure.stores.cleaning import Cleaned
    from perdure.stores.objects import Objects

__all__ = ["blobs_clean", "blobs_stat"]

SHORTEST = timedelta(hours=1)
"""Least age: what runs have just stored, and not yet written into their histories, must be younger."""
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LONGEST = 5
"""Digits of an age: more than history has years."""
THOUSAND = 1000


async def blobs_clean(
    cli: Cli,
    older_than: Annotated[
        str,
        typer.Option("--older-than", metavar="AGE", help="Such as 12h, 30d or 8w; at least 1h.", show_default=False),
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
) -> None:
    """Remove blobs and closed sessions last stored before AGE, unless an open run or younger session needs them."""
    from perdure.domain.errors import StoreUnavailable
    from perdure.stores.cleaning import clean

    before = datetime.now(UTC) - _age(older_than)
    objects, store = _store()

    async def connect() -> "Client":
        from perdure.cli.session import open_session

        return (await open_session(cli)).client

    try:
        done = await clean(objects, store, connect, before, dry_run=dry_run, say=cli.out.note)
    except StoreUnavailable as error:
        raise _unavailable(error.message) from error
    if not cli.out.is_text:
        cli.out.document({"where": objects.where, "before": before, **asdict(done)})
        return
    for line in _lines(done, objects.where):
        cli.out.text(line)


async def blobs_stat(cli: Cli) -> None:
    """Show how much the blob store holds and where it is."""
    from perdure.domain.errors import StoreUnavailable
    from perdure.stores.cleaning import stock

    objects, _ = _store()
    try:
        found = await stock(objects)
    except StoreUnavailable as error:
        raise _unavailable(error.message) from error
    if not cli.out.is_text:
        cli.out.document(asdict(found))
        return
    oldest = f", the oldest of {found.oldest:%Y-%m-%d %H:%M} UTC" if found.oldest else ""
    count = f"{_count(found.blobs, 'blob')} and {_count(found.documents, 'document')}"
    cli.out.text(f"{found.where}: {count}, {_size(found.bytes)}{oldest}")


def _store() -> "tuple[Objects, BlobStore]":
    from perdure.settings import load_settings
    from perdure.storage import storage_from
    from perdure.stores.blobs import BlobStore
    from perdure.stores.objects import Objects

    settings = load_settings()
    storage = storage_from(settings)
    objects = Objects.at(settings.blob_place)
    return objects, BlobStore(objects, storage.keyring)


def _age(text: str) -> timedelta:
    number, unit = text[:-1], UNITS.get(text[-1:])
    if unit is None or not number.isdecimal() or not number.isascii() or len(number) > LONGEST:
        hint = "write a whole number and m, h, d or w: 12h, 30d, 8w"
        raise CliError(ExitCode.USAGE, "InvalidInput", f"--older-than {text!r} is not an age", hint)
    age = timedelta(**{unit: int(number)})
    if age < SHORTEST:
        why = "what open runs have just stored may not be in their histories yet"
        raise CliError(ExitCode.USAGE, "InvalidInput", f"--older-than {text} is too short: {why}", "use at least 1h")
    return age


def _unavailable(words: str) -> CliError:
    return CliError(ExitCode.UNREACHABLE, "StoreUnavailable", words, "PERDURE_BLOBS names the store")


def _lines(done: "Cleaned", where: str) -> list[str]:
    verb = "would remove" if done.dry_run else "removed"
    gone = f"{_count(done.removed, 'blob')} and {_count(done.removed_documents, 'document')}"
    lines = [f"{verb} {gone} ({_size(done.removed_bytes)}); {done.kept} kept ({_size(done.kept_bytes)}) in {where}"]
    if done.needed:
        runs = _count(done.runs, "open run")
        lines.append(
            f"{_count(done.needed, 'old blob')} kept because of {runs} or of sessions that can be opened again"
        )
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _size(count: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < THOUSAND:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= THOUSAND
    return f"{count:.1f} TB"
