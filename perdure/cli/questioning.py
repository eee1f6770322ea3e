"""Questions without a prompt: one from the command line, or one from each line of stdin."""

from perdure.cli.asker import Reply
from perdure.cli.conversation import Conversation
from perdure.cli.errors import ExitCode
from perdure.cli.output import Format, Output, clean
from perdure.cli.rendering import output_text, stop_words

__all__ = ["ask_lines", "ask_once", "show_reply"]


async def ask_once(conversation: Conversation, text: str, message_id: str | None) -> ExitCode:
    """Ask one question, and write its reply."""
    out = conversation.session.cli.out
    reply = await conversation.ask(text, message_id)
    if out.is_text:
        show_reply(out, reply)
    else:
        out.document({"workflow_id": conversation.workflow_id, **reply.plain()})
    if reply.kind or conversation.before is None:
        out.note(f"the session lives on: {conversation.way_back}")
    return _code(reply)


async def ask_lines(conversation: Conversation) -> ExitCode:
    """Ask each line of stdin that is not empty, in order; fails in the end if any of them failed."""
    cli, worst = conversation.session.cli, ExitCode.SUCCESS
    if cli.out.form is Format.JSON:
        # One object a line, an error in the end included.
        cli.out = Output(Format.JSONL)
    cli.out.note(f"session {conversation.workflow_id}; come back with: {conversation.way_back}")
    while (line := await conversation.lines.next()) is not None:
        if not line:
            continue
        reply = await conversation.ask(line)
        if cli.out.is_text:
            show_reply(cli.out, reply)
        else:
            cli.out.document(reply.plain())
        worst = max(worst, min(_code(reply), ExitCode.FAILURE))
    return worst


def _code(reply: Reply) -> ExitCode:
    return ExitCode.of_failure(reply.kind) if reply.kind else ExitCode.SUCCESS


def show_reply(out: Output, reply: Reply) -> None:
    """Write a reply for people; one without success goes to stderr, behind what was reached."""
    if not reply.kind:
        out.text(output_text(reply.value))
        return
    if reply.result is not None and reply.result.output:
        out.text(output_text(reply.result.output))
    why = stop_words(reply.result) if reply.result else f"{clean(reply.words)} ({reply.kind})"
    out.note(f"no reply: {why}")
