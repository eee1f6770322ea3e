"""The provider `scripted`: a stand-in that plays a file, for demos and tests; it says so in its name."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from perdure.domain.errors import ConfigurationError, UnexpectedStep
from perdure.domain.messages import (
    AssistantMessage,
    CallPart,
    Message,
    Part,
    TextPart,
    ToolResultMessage,
)
from perdure.domain.ports import Conversation, ProviderReply, ProviderRequest, TokenUsage
from perdure.providers.faults import Vendor
from perdure.providers.script import Play, Script, ScriptFile, load_script, scripted_error
from perdure.providers.text import estimate, opening_of, pieces

__all__ = ["ScriptedProvider"]

NAME = "scripted"
VENDOR = Vendor(NAME)
_QUOTED = 200


class ScriptedProvider:
    """Plays `scripted:FILE`. The step is the number of answers so far, which the request says: no crash loses it.

    Paths are relative to the working directory. A file is read again when it has changed. A summary takes no step.
    """

    def __init__(self) -> None:
        self._scripts: dict[Path, tuple[int, ScriptFile]] = {}

    def check(self, model: str) -> None:
        """Load the file: ConfigurationError says what is wrong with it, and where."""
        self._file(model)

    async def reply(self, request: ProviderRequest, progress: Callable[[str], None]) -> ProviderReply:
        """Play the step of this turn, or raise the error that it says for this attempt."""
        file = self._file(request.model)
        messages, turn = request.conversation.messages, request.turn
        if request.purpose == "summary":
            return _summary(request)
        script = file.script_for(opening_of(request))
        if turn >= len(script.plays):
            raise _unexpected(script, turn, messages)
        play = script.plays[turn]
        await asyncio.sleep(play.delay)
        if (error := play.error(request.attempt)) is not None:
            raise scripted_error(VENDOR, script.path, play.number, error)
        message = _message(play)
        for word in pieces(message.text):
            progress(word)
        return ProviderReply(
            message=message,
            stop="calls" if message.calls else "end",
            usage=_usage(request, message),
            model=request.model,
            unused="" if message.calls else script.left(turn),
        )

    async def close(self) -> None:
        """Nothing is held open."""

    def _file(self, model: str) -> ScriptFile:
        path = Path(model)
        try:
            changed = path.stat().st_mtime_ns
        except OSError as error:
            raise ConfigurationError(
                f"The script {path} cannot be read: {error.strerror or error} (looked from {Path.cwd()})."
            ) from error
        known = self._scripts.get(path.absolute())
        if known is None or known[0] != changed:
            known = self._scripts[path.absolute()] = (changed, load_script(path))
        return known[1]


def _summary(request: ProviderRequest) -> ProviderReply:
    """Deterministic words instead of a summary: how much there was to read."""
    text = f"[scripted summary of {_characters(request.conversation)} characters]"
    message = AssistantMessage(content=(TextPart(text=text),), provider=NAME)
    return ProviderReply(message=message, stop="end", usage=_usage(request, message), model=request.model)


def _unexpected(script: Script, turn: int, messages: Sequence[Message]) -> UnexpectedStep:
    last = _said(messages[-1] if messages else None)
    return UnexpectedStep(
        f"{script.path} has no step for turn {turn + 1}: it plays {len(script.plays)}. {last}",
        details={"script": script.path, "turn": turn + 1},
    )


def _said(message: Message | None) -> str:
    match message:
        case None:
            return "The conversation is empty."
        case ToolResultMessage():
            return f"The conversation last said, as the result of {message.tool}: {message.text[:_QUOTED]!r}"
        case _:
            return f"The conversation last said, as {message.kind}: {message.text[:_QUOTED]!r}"


def _message(play: Play) -> AssistantMessage:
    text: list[Part] = [TextPart(text=play.answer.text)] if play.answer.text else []
    calls: list[Part] = [
        CallPart(id=f"call_{play.number}_{index}", tool=call.tool, arguments=call.arguments)
        for index, call in enumerate(play.answer.calls, start=1)
    ]
    return AssistantMessage(content=(*text, *calls), provider=NAME)


def _usage(request: ProviderRequest, message: AssistantMessage) -> TokenUsage:
    """A count that is the same on every machine; of the conversation only what is new is measured."""
    head = len(request.instructions) + sum(len(spec.model_dump_json(exclude_defaults=True)) for spec in request.tools)
    said = estimate(len(message.model_dump_json(exclude_defaults=True)))
    return TokenUsage(input=estimate(head + _characters(request.conversation)), output=said)


def _characters(conversation: Conversation) -> int:
    read, total = conversation.wire.get(NAME, (0, 0))
    if read > len(conversation.messages):
        read, total = 0, 0
    total += sum(len(each.model_dump_json(exclude_defaults=True)) for each in conversation.messages[read:])
    conversation.wire[NAME] = (len(conversation.messages), total)
    return total
