"""ReAct over any provider: the conversation goes out as text, and the text comes back as the calls it asks for."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from perdure.domain.messages import AssistantMessage, CallPart, Message, Part, TextPart, ToolResultMessage, UserMessage
from perdure.domain.model import JsonObject, canonical_json
from perdure.domain.ports import Conversation, Provider, ProviderReply, ProviderRequest
from perdure.domain.react import FINISH, Step, action_text, answer_of, finish_text, guide, parse
from perdure.providers.pairing import Pairing
from perdure.providers.text import call_part, result_text, sent_arguments, whole

__all__ = ["NAME", "reply_in_text"]

NAME = "react"
"""Provider of messages that were read from text: no adapter has this name, so none sends their extras."""


async def reply_in_text(
    provider: Provider, request: ProviderRequest, progress: Callable[[str], None], *, closing: bool = False
) -> ProviderReply:
    """One answer of a model that knows no tools, as the message that native tool calling would have given.

    Text in no known form is the message as it is, and `malformed` says what is wrong; not in a `closing` call, which
    wants words and no calls. Thoughts that a provider keeps as items of its own are dropped.
    """
    said = guide(request.tools, request.output_schema)
    asked = replace(
        request,
        instructions=request.instructions if closing else f"{request.instructions}\n\n{said}".strip(),
        conversation=_in_text(request.conversation),
        tools=(),
        output_schema=None,
    )
    reply = await provider.reply(asked, progress)
    if reply.message.calls or reply.stop not in {"end", "max_tokens"}:
        return reply
    step = parse(reply.message.text)
    if closing:
        return replace(reply, message=_closing(reply.message, step))
    return _understood(reply, step, request.turn, request.output_schema)


def _understood(reply: ProviderReply, step: Step, turn: int, output_schema: JsonObject | None) -> ProviderReply:
    cut_off, problem, answer = reply.stop == "max_tokens" and not step.ended, step.problem, ""
    if not problem and step.tool.casefold() == FINISH:
        answer, problem = answer_of(step, output_schema)
    if cut_off or problem:
        return replace(reply, message=_plain(reply.message.text), malformed="" if cut_off else problem)
    if step.tool.casefold() == FINISH:
        return replace(reply, message=_finished(step.thought, answer), stop="end")
    thought: tuple[Part, ...] = (TextPart(text=whole(step.thought)),) if step.thought else ()
    call = call_part(f"{NAME}_{turn + 1}", step.tool, step.raw)
    return replace(reply, message=AssistantMessage(content=(*thought, call), provider=NAME), stop="calls")


def _closing(message: AssistantMessage, step: Step) -> AssistantMessage:
    answer, problem = answer_of(step, None)
    finished = not step.problem and step.tool.casefold() == FINISH and not problem
    return _finished(step.thought, answer) if finished else _plain(message.text)


def _finished(thought: str, answer: str) -> AssistantMessage:
    extra: JsonObject = {"thought": whole(thought)} if thought else {}
    return AssistantMessage(content=(TextPart(text=whole(answer), extra=extra),) if answer else (), provider=NAME)


def _plain(text: str) -> AssistantMessage:
    return AssistantMessage(content=(TextPart(text=text),) if text else ())


@dataclass
class _Prefix:
    """The text form of the first `read` messages of a conversation, and what the adapter keeps of it."""

    read: int = 0
    pairing: Pairing = field(default_factory=Pairing)
    messages: list[Message] = field(default_factory=list[Message])
    wire: dict[str, Any] = field(default_factory=dict[str, Any])


def _in_text(conversation: Conversation) -> Conversation:
    """The conversation without calls and results; only messages that are new are converted."""
    prefix: _Prefix | None = conversation.wire.get(NAME)
    if prefix is None or prefix.read > len(conversation.messages):
        prefix = conversation.wire[NAME] = _Prefix()
    for message in conversation.messages[prefix.read :]:
        prefix.messages += map(_as_text, prefix.pairing.feed(message))
        prefix.read += 1
    if rest := prefix.pairing.rest():  # stand-ins that are not part of the conversation: nothing of them is kept
        return Conversation([*prefix.messages, *map(_as_text, rest)])
    return Conversation(prefix.messages, prefix.wire)


def _as_text(message: Message) -> Message:
    match message:
        case AssistantMessage():
            return AssistantMessage(content=(TextPart(text=text),) if (text := _said(message)) else ())
        case ToolResultMessage():
            failed = f"Error {message.error}: " if message.error else ""
            return UserMessage(text=f"Observation: {failed}{result_text(message)}")
        case _:
            return message


def _said(message: AssistantMessage) -> str:
    if message.calls:
        thoughts = [message.text, *("" for _ in message.calls[1:])]
        pairs = zip(thoughts, message.calls, strict=True)
        return "\n".join(action_text(thought, call.tool, _arguments(call)) for thought, call in pairs)
    if message.provider != NAME:
        return message.text
    first = message.content[0] if message.content else None
    thought = first.extra.get("thought", "") if isinstance(first, TextPart) else ""
    return finish_text(str(thought), message.text)


def _arguments(call: CallPart) -> str:
    return call.malformed or canonical_json(sent_arguments(call))
