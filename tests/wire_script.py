"""What the wire server plays: the steps of scripted models, with what only real wire formats can show."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, TypeAdapter

from perdure.domain.compaction import RECEIPT_MARK
from perdure.domain.summary import INSTRUCTIONS
from perdure.providers.script import Play, ScriptCall, ScriptError, ScriptStep, plays

__all__ = [
    "WireCall",
    "WireError",
    "WireStep",
    "asks_for_summary",
    "conversation_of",
    "has_no_answers",
    "read_plays",
    "turn_of",
]


UsageName = Literal["input", "output", "cache_read", "cache_write"]
Usage = dict[UsageName, int]


class WireCall(ScriptCall, frozen=True):
    """A tool call; `raw` is argument text to send as it is, valid or not; `id` is the provider's."""

    raw: str | None = None
    id: str = ""


class WireError(ScriptError, frozen=True):
    """A failure with the provider's own code (`type` on Anthropic's wire)."""

    code: str = ""


class WireStep(ScriptStep, frozen=True):
    """One turn. `stop` is the provider's own stop reason; `fault` breaks the stream after its first text.

    `usage` has `input` (uncached), `output`, `cache_read`, `cache_write`.
    """

    calls: tuple[WireCall, ...] = ()
    error: WireError | None = None
    thinking: str = ""
    redacted: str = ""
    refusal: str = ""
    stop: str = ""
    usage: Usage = Field(default_factory=dict[UsageName, int])
    fault: Literal["", "truncate", "disconnect", "malformed", "stall", "error"] = ""


_steps: TypeAdapter[tuple[WireStep, ...]] = TypeAdapter(tuple[WireStep, ...])


def read_plays(script: Path | Sequence[Mapping[str, object]]) -> tuple[Play, ...]:
    """The turns of a YAML file with `steps:`, or of steps given directly."""
    loaded: Any = yaml.safe_load(script.read_text(encoding="utf-8"))["steps"] if isinstance(script, Path) else script
    return plays(_steps.validate_python(loaded))


def turn_of(path: str, body: dict[str, Any], plays: Sequence[Play] = ()) -> int:
    """How many answers came before a request, also where the conversation's beginning has left it.

    The ids of our own answers say which turn they were (`STREAMS`); a text that only one step says does too. Behind
    the last such answer, and where there is none, the assistant's turns are counted.
    """
    answers = _answers(path, body)
    texts = [play.answer.text for play in plays]
    for back, answer in enumerate(reversed(answers)):
        json_text = json.dumps(answer)
        if (found := _OWN_ID.search(json_text)) is not None:
            return int(found[1]) + 1 + back
        said = [turn for turn, text in enumerate(texts) if text and f'": {json.dumps(text)}' in json_text]
        if len(said) == 1:
            return said[0] + 1 + back
    return len(answers)


_OWN_ID = re.compile(r'"(?:toolu|call|fc|msg|rs)_(\d+)(?:_\d+)*"')


def _answers(path: str, body: dict[str, Any]) -> list[Any]:
    """Each answer of the assistant in a request, as it is on this wire."""
    if not path.endswith("/responses"):
        return [message for message in body["messages"] if message["role"] == "assistant"]
    answers: list[list[Any]] = []
    before = False
    for item in body["input"]:
        spoke = item.get("role") == "assistant" or item.get("type") in ("function_call", "reasoning")
        if spoke and before:
            answers[-1].append(item)
        elif spoke:
            answers.append([item])
        before = spoke
    return answers


def conversation_of(body: dict[str, Any]) -> str:
    """What tells a conversation from others: its first words, whatever has left it and however it is marked."""
    first = (body.get("messages") or body["input"])[0].get("content") or ""
    words: str = first if isinstance(first, str) else first[0]["text"]
    return words.partition("\n\n<system-note>")[0]


def has_no_answers(path: str, body: dict[str, Any]) -> bool:
    """Whether all answers have left the conversation, so that only the server can know how many there were."""
    return not _answers(path, body) and RECEIPT_MARK in json.dumps(body)


def asks_for_summary(body: dict[str, Any]) -> bool:
    """Whether a request wants a summary of what leaves a conversation instead of the next step."""
    head = [body.get("system"), body.get("instructions"), body.get("messages", [])[:1]]
    return json.dumps(INSTRUCTIONS)[1:-1] in json.dumps(head)
