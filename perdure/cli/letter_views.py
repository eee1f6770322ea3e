"""What the verb `letters` writes and does."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError
from temporalio.client import WorkflowQueryFailedError

from perdure.cli.deciding import update
from perdure.cli.errors import CliError, ExitCode
from perdure.cli.inputs import invalid
from perdure.cli.output import clean, table
from perdure.cli.rendering import cut
from perdure.cli.session import Session
from perdure.cli.signing import given_token, name_for, token_for
from perdure.contact import ANSWER, NoAnswer, answered
from perdure.domain.control import PageRequest
from perdure.domain.explain import explain
from perdure.domain.mail.letter import Letter
from perdure.domain.mail.records import (
    DeadLetter,
    DeadPage,
    LetterPage,
    LetterShown,
    LettersRequest,
    PendingPage,
    Redrive,
    RedriveAnswer,
)
from perdure.domain.patterns.steps import text_of

__all__ = ["redrive_letters", "show_dead", "show_letters", "show_pending"]

SHORT_TEXT = 80

P = TypeVar("P", LetterPage, DeadPage, PendingPage)


async def show_letters(session: Session, run: str, names: Sequence[str]) -> ExitCode:
    """Write letters in the order they were written: all, those of one, or those between two."""
    out, found, offset = session.cli.out, list[LetterShown](), 0
    a, b = (*names, None, None)[:2]
    while True:
        page = await _ask(session, run, "letters", _wanted(a, b, offset), LetterPage)
        found += page.letters
        if page.next_offset is None:
            break
        offset = page.next_offset
    if not out.is_text:
        out.items(found)
        return ExitCode.SUCCESS
    rows = [_row(item) for item in found]
    for line in table(["LETTER", "TIME", "TYPE", "FROM", "TO", "STATE", "CONTENT"], rows) if rows else ["no letters"]:
        out.text(line)
    return ExitCode.SUCCESS


def _row(item: LetterShown) -> list[str]:
    letter = item.letter
    alone = [each.peer for each in item.deliveries] == [letter.target]
    states = [each.state if alone else f"{each.peer} {each.state}" for each in item.deliveries]
    at = letter.timestamp.isoformat(timespec="seconds")
    return [letter.id, at, letter.type, letter.source, letter.target, ", ".join(states) or "dead", _content(letter)]


def _content(letter: Letter) -> str:
    about = f"(about {letter.correlation_id}) " if letter.correlation_id else ""
    return about + cut(text_of(letter.content), SHORT_TEXT)


async def show_dead(session: Session, run: str) -> ExitCode:
    """Write the letters that did not arrive, and why."""
    out, found, offset = session.cli.out, list[DeadLetter](), 0
    while True:
        page = await _ask(session, run, "dead_letters", PageRequest(offset=offset), DeadPage)
        found += page.dead_letters
        if page.next_offset is None:
            break
        offset = page.next_offset
    if not out.is_text:
        out.items(found)
        return ExitCode.SUCCESS
    rows = [
        [each.id, each.at.isoformat(timespec="seconds"), each.peer or "-", each.reason, str(each.attempts), each.words]
        for each in found
    ]
    head = ["LETTER", "TIME", "TO", "REASON", "ATTEMPTS", "WHY"]
    for line in table(head, rows) if rows else ["no dead letters"]:
        out.text(line)
    return ExitCode.SUCCESS


async def show_pending(session: Session, run: str) -> ExitCode:
    """Write the requests that have no answer yet."""
    out = session.cli.out
    found = (await _ask(session, run, "pending_requests", PageRequest(), PendingPage)).requests
    if not out.is_text:
        out.items(found)
        return ExitCode.SUCCESS
    rows = [[each.id, each.source, ", ".join(each.to), each.expires_at.isoformat(timespec="seconds")] for each in found]
    for line in table(["LETTER", "FROM", "TO", "UNTIL"], rows) if rows else ["no pending requests"]:
        out.text(line)
    return ExitCode.SUCCESS


async def redrive_letters(
    session: Session, run: str, ids: Sequence[str] | None, by: str | None, token: str | None
) -> ExitCode:
    """Send dead letters again, all without `ids`; fails when one is dead once more, or is no dead letter."""
    out, word = session.cli.out, given_token(token)
    name = name_for(by, word)
    try:
        order = Redrive(ids=None if not ids else tuple(ids), by=name)
    except ValidationError as error:
        raise invalid(explain(error)) from error
    signed = token_for(session.settings, word, name, run, "redrive", content=order.digest)
    answer = await update(session, run, "redrive", order.model_copy(update={"token": signed}), RedriveAnswer)
    if not out.is_text:
        out.document({"workflow_id": run, **answer.model_dump(mode="json")})
    for each in answer.letters:
        why = f", {each.reason}: {each.words}" if each.state == "dead" else ""
        out.text(clean(f"{each.id}: {each.state}{why}"))
    for unknown in answer.unknown:
        out.text(clean(f"{unknown}: no dead letter"))
    if not answer.letters and not answer.unknown:
        out.text("no dead letters")
    failed = answer.unknown or any(each.state == "dead" for each in answer.letters)
    return ExitCode.FAILURE if failed else ExitCode.SUCCESS


def _wanted(a: str | None, b: str | None, offset: int) -> LettersRequest:
    try:
        return LettersRequest(a=a, b=b, offset=offset)
    except ValidationError as error:
        raise invalid(f"--pair: {explain(error)}", "two names, as in --pair ann,ben") from error


async def _ask(session: Session, run: str, query: str, wanted: LettersRequest | PageRequest, answer: type[P]) -> P:
    """Answer of a query; raises CliError when the run is no mesh, or no worker answers."""
    try:
        return await answered(session.handle(run).query(query, wanted, result_type=answer, rpc_timeout=ANSWER))
    except NoAnswer:
        raise session.no_worker() from None
    except WorkflowQueryFailedError as error:
        words = f"run {run} has no letters: {error}"
        raise CliError(ExitCode.FAILURE, "NoLetters", words, "the workflow Mesh has letters") from error
