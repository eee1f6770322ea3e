"""What the verb `checkpoints` writes and does."""

import shlex
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from temporalio.client import RPCError, WorkflowHistory
from temporalio.service import RPCStatusCode

from perdure.checkpoints import Chain, Turn, go_back, turns
from perdure.cli.deciding import me
from perdure.cli.errors import CliError, ExitCode
from perdure.cli.inputs import invalid
from perdure.cli.output import table
from perdure.cli.rendering import PROGRAM, cut, message_lines
from perdure.cli.session import Session
from perdure.cli.terminal import Lines, is_terminal
from perdure.domain.messages import Message, ToolResultMessage
from perdure.domain.model import JsonObject

__all__ = ["export_histories", "resume_turn", "show_turn", "show_turns"]

QUIET_SECONDS = 2.0
SHORT_TEXT = 80


async def show_turns(session: Session, chain: Chain) -> ExitCode:
    """Write a line, or an item, for each turn."""
    out = session.cli.out
    items = [turn_item(turn) async for turn in _all_turns(session, chain)]
    _tell_gap(session, chain, items[0]["turn"] if items else None)
    if not out.is_text:
        out.items(items)
        return ExitCode.SUCCESS
    head = ["TURN", "RUN", "EVENT", "TIME", "TOKENS", "WHAT IT DID"]
    rows = [
        [
            str(item["turn"]),
            str(item["run_id"]),
            str(item["event_id"]),
            str(item["at"]),
            "-" if item["input_tokens"] is None else f"{item['input_tokens']} + {item['output_tokens']}",
            str(item["did"]),
        ]
        for item in items
    ]
    for line in table(head, rows) if rows else ["no turns yet"]:
        out.text(line)
    return ExitCode.SUCCESS


def turn_item(turn: Turn) -> JsonObject:
    """A turn in a list."""
    usage = turn.reply.usage if turn.reply else None
    return {
        "turn": turn.number,
        "run_id": turn.run_id,
        "event_id": turn.event_id,
        "at": turn.at.isoformat(timespec="seconds"),
        "did": _did(turn),
        "tools": [call.tool for call in turn.reply.message.calls] if turn.reply else [],
        "input_tokens": usage and usage.input,
        "output_tokens": usage and usage.output,
        "cost_usd": turn.reply.cost_usd if turn.reply else None,
    }


def _did(turn: Turn) -> str:
    if turn.reply is None:
        return "no reply of the model"
    called = Counter(call.tool for call in turn.reply.message.calls)
    names = ", ".join(tool if count == 1 else f"{tool} x{count}" for tool, count in called.items())
    return f"→ {cut(names, SHORT_TEXT)}" if names else cut(turn.reply.message.text, SHORT_TEXT) or "nothing"


async def _all_turns(session: Session, chain: Chain) -> AsyncIterator[Turn]:
    """Every turn; says how far it is when that takes long."""
    told = time.monotonic()
    async for turn in turns(session.client, chain):
        if time.monotonic() - told > QUIET_SECONDS:
            told = time.monotonic()
            place = chain.run_ids.index(turn.run_id) + 1 if turn.run_id in chain.run_ids else 1
            session.cli.out.note(f"reading the history: run {place} of {len(chain.run_ids)}, turn {turn.number}")
        yield turn


def _tell_gap(session: Session, chain: Chain, first: object) -> None:
    if not chain.complete:
        known = "" if first is None else f" before turn {first}"
        words = f"the server no longer has the histories of older runs: turns{known} cannot be shown or gone back to"
        session.cli.out.note(
            f"{words} (`{PROGRAM} transcript {shlex.quote(chain.workflow_id)}` still has their messages)"
        )


async def _find(session: Session, chain: Chain, number: int) -> tuple[Turn, list[Turn]]:
    """The turn with this number and those after it; raises CliError with the numbers there are."""
    found = [turn async for turn in _all_turns(session, chain)]
    after = [turn for turn in found if turn.number >= number]
    if after and after[0].number == number:
        return after[0], after
    _tell_gap(session, chain, found[0].number if found else None)
    there = f"there are turns {found[0].number} to {found[-1].number}" if found else "it has no turns yet"
    words = f"run {chain.workflow_id} has no turn {number}: {there}"
    raise CliError(ExitCode.FAILURE, "UnknownTurn", words)


async def show_turn(session: Session, chain: Chain, number: int) -> ExitCode:
    """Write what the model was told since the turn before, what it answered, and what its calls came to."""
    out = session.cli.out
    turn, after = await _find(session, chain, number)
    messages = _messages(turn, after[1] if len(after) > 1 else None)
    if not out.is_text:
        out.document({**turn_item(turn), "messages": messages})
        return ExitCode.SUCCESS
    item = turn_item(turn)
    out.dim(f"turn {number} of run {turn.run_id}, event {turn.event_id}, {item['at']}")
    for message in messages:
        for line in message_lines(message, full=True):
            out.text(line)
    return ExitCode.SUCCESS


def _messages(turn: Turn, following: Turn | None) -> list[Message]:
    """Messages of a turn. Results of calls are those the model was told next, or else those of the tools."""
    told: list[Message] = [message for message in turn.told if message.kind in ("user", "system")]
    if turn.reply is None:
        return told
    answers: list[Message] = [m for m in following.told if m.kind == "tool_result"] if following else []
    results: list[Message] = answers or [
        ToolResultMessage(call_id=str(call.number), tool=call.tool, text=outcome.text, error=outcome.error)
        for call, outcome in turn.calls
        if outcome is not None
    ]
    return [*told, turn.reply.message, *results]


async def export_histories(session: Session, chain: Chain, path: Path) -> ExitCode:
    """Write the event history of each run as `temporal workflow show -o json` does: FILE, or FILE-1, FILE-2 and on."""
    out, many = session.cli.out, len(chain.run_ids) > 1
    numbers = range(1, len(chain.run_ids) + 1)
    files = [path.with_name(f"{path.stem}-{number}{path.suffix}") if many else path for number in numbers]
    for file in files:
        if file.exists():
            raise invalid(f"--export: {file} is there already", "name a file that does not exist")
    _tell_gap(session, chain, None)
    written: list[JsonObject] = []
    for run_id, file in zip(chain.run_ids, files, strict=True):
        history: WorkflowHistory = await session.handle(chain.workflow_id, run_id).fetch_history()
        try:
            file.write_text(history.to_json(), encoding="utf-8")
        except OSError as error:
            raise invalid(f"--export: {file} cannot be written: {error.strerror}") from error
        written.append({"file": str(file), "run_id": run_id, "events": len(history.events)})
        out.text(f"{file}: {len(history.events)} events of run {run_id}")
    if not out.is_text:
        out.items(written)
    return ExitCode.SUCCESS


async def resume_turn(session: Session, chain: Chain, number: int, reason: str, *, yes: bool) -> ExitCode:
    """Go back to a turn, after saying what that means and asking whether it is meant."""
    out = session.cli.out
    turn, after = await _find(session, chain, number)
    out.note(_consequences(number, after))
    if not yes:
        await _confirm(chain.workflow_id, number)
    await session.worker()
    words = f"checkpoints --resume {number} by {me()}" + (f": {reason}" if reason else "")
    try:
        run_id = await go_back(session.client, chain.workflow_id, turn, words)
    except RPCError as error:
        if error.status not in (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.FAILED_PRECONDITION):
            raise
        raise CliError(ExitCode.FAILURE, "NotResumed", f"the server does not go back: {error.message}") from error
    if out.is_text:
        out.text(f"run {chain.workflow_id} goes on from turn {number} as {run_id}")
        out.dim(f"follow it: {PROGRAM} watch {shlex.quote(chain.workflow_id)}")
    else:
        out.document({"workflow_id": chain.workflow_id, "run_id": run_id, "turn": number, "from_run_id": turn.run_id})
    return ExitCode.SUCCESS


def _consequences(number: int, after: list[Turn]) -> str:
    """What going back forgets, and what it does not undo."""
    called = Counter(call.tool for turn in after for call, _ in turn.calls)
    names = ", ".join(f"{tool} x{count}" for tool, count in called.items())
    turns_words = "1 turn is" if len(after) == 1 else f"{len(after)} turns are"
    undone = (
        f"What its tools have done since is NOT undone, and may be done again: {names}."
        if names
        else "No tool has run since."
    )
    words = "messages, decisions and questions that came later are forgotten, and what is running is terminated"
    return f"{turns_words} dropped, from turn {number} on: {words}.\n{undone}"


async def _confirm(workflow_id: str, number: int) -> None:
    """Ask the person; raises CliError when nobody is there or they do not mean it."""
    again = f"{PROGRAM} checkpoints {shlex.quote(workflow_id)} --resume {number} --yes"
    if not is_terminal():
        words = "going back must be confirmed, and nobody is at the terminal; nothing was changed"
        raise CliError(ExitCode.HUMAN, "HumanNeeded", words, again)
    answer = await Lines().ask(f"go back to turn {number}? [y/N] ", sys.stderr)
    if (answer or "").lower() not in ("y", "yes"):
        raise CliError(ExitCode.FAILURE, "NotResumed", "nothing was changed")
