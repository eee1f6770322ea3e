"""A chat at a terminal: a prompt, what happens while a question is answered, the reply, and the next prompt."""

import re
import sys

from perdure.cli.asker import Reply
from perdure.cli.conversation import Conversation
from perdure.cli.deciding import me, update
from perdure.cli.errors import CliError, ExitCode
from perdure.cli.output import Format, Output, clean
from perdure.cli.questioning import show_reply
from perdure.cli.rendering import message_lines
from perdure.domain.control import ControlPayload

__all__ = ["talk"]

PROMPT = "you> "
COMMANDS = "/quit (or Ctrl-D) leaves, the session lives on; /end ends it for good"
COMMAND = re.compile(r"/[a-z]+")


async def talk(conversation: Conversation) -> int:
    """Ask what is typed until the person leaves."""
    session, out = conversation.session, conversation.session.cli.out
    stream = sys.stdout if out.is_text else sys.stderr
    out.dim(f"session {conversation.workflow_id}" + _link(conversation))
    out.dim(f"come back with: {conversation.way_back}")
    out.dim(COMMANDS)
    await _reopen(conversation)
    while True:
        stream.write(PROMPT)
        stream.flush()
        line = await conversation.lines.next()
        if line is None or line == "/quit":
            out.note(("" if line else "\n") + f"the session lives on: {conversation.way_back}")
            return ExitCode.SUCCESS
        if line == "/end":
            return await _end(conversation)
        if COMMAND.fullmatch(line):
            session.cli.out.note(f"there is no {line}: {COMMANDS}")
        elif line:
            _show(conversation, await conversation.ask(line))


def _link(conversation: Conversation) -> str:
    before = conversation.before
    link = conversation.session.link(before.id, before.run_id) if before else ""
    return f"  {link}" if link else ""


async def _reopen(conversation: Conversation) -> None:
    """Show the end of what was said, and wait for the reply to a question that is open."""
    out = conversation.session.cli.out
    said = await conversation.recall()
    for message in said:
        for line in message_lines(message):
            out.dim(line)
    if conversation.before is not None:
        await conversation.settle()


def _show(conversation: Conversation, reply: Reply) -> None:
    out = conversation.session.cli.out
    if out.is_text:
        show_reply(out, reply)
    else:
        Output(Format.JSONL).document(reply.plain())


async def _end(conversation: Conversation) -> int:
    """Stop the session; one that was never asked anything does not exist."""
    out, payload = conversation.session.cli.out, ControlPayload(by=me(), reason="/end in a chat")
    try:
        state = await update(conversation.session, conversation.workflow_id, "stop", payload, str)
    except CliError as error:
        if error.kind != "RunEnded":
            raise
        state = "over"
    out.note(f"session {clean(conversation.workflow_id)} is {state}")
    return ExitCode.SUCCESS
