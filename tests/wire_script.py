"""What the wire server plays: the steps of scripted models, with what only real wire formats can show."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, TypeAdapter

from perdure.providers.script import Play, ScriptCall, ScriptError, ScriptStep, plays

__all__ = ["WireCall", "WireError", "WireStep", "read_plays", "turn_of"]


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


def turn_of(path: str, body: dict[str, Any]) -> int:
    """How many times the assistant has spoken in a request."""
    if not path.endswith("/responses"):
        return sum(message["role"] == "assistant" for message in body["messages"])
    turns, before = 0, False
    for item in body["input"]:
        spoke = item.get("role") == "assistant" or item.get("type") in ("function_call", "reasoning")
        turns, before = turns + (spoke and not before), spoke
    return turns
