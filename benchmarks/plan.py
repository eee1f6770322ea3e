"""What a long run is asked to do, and how much history it may leave."""

from dataclasses import dataclass
from typing import Any

from benchmarks.local_model import MODEL
from benchmarks.place import KEY
from benchmarks.prose import SAID
from perdure.testing import ALLOW_ALL

__all__ = ["Plan"]

HEAD_CALLS, HEAD_BYTES = 100, 20_000
"""A conversation of 2 MB to begin with."""
OFTEN = 800
"""Events after which a short run continues as new, so that it does so several times."""
ENOUGH = 1_000
"""Turns from which times are compared."""


@dataclass(frozen=True)
class Plan:
    """What is run: turns, bytes of a tool result, how payloads are kept; `head`: 2 MB of large results come first."""

    turns: int
    result: int = 1_000
    compression: str = "none"
    encrypted: bool = False
    head: bool = False
    short: bool = False

    def __str__(self) -> str:
        """Say it in one line."""
        kept = "encrypted" if self.encrypted else f"compression {self.compression}"
        top = f" on top of {HEAD_CALLS} of {HEAD_BYTES:,}" if self.head else ""
        return f"{self.turns} turns with results of {self.result:,} bytes{top}; {kept}"

    @property
    def calls(self) -> int:
        """All tool calls."""
        return self.turns + (HEAD_CALLS if self.head else 0)

    @property
    def conversation(self) -> int:
        """Bytes of all results and of the text beside the calls."""
        return self.turns * (self.result + SAID) + (HEAD_CALLS * (HEAD_BYTES + SAID) if self.head else 0)

    @property
    def allowed(self) -> float:
        """Bytes of history that are allowed: Temporal's own events, and a multiple of the conversation."""
        fixed, factor = (3_000, 1.1) if self.encrypted else (2_500, 1.1 if self.compression == "zstd" else 2.3)
        return self.calls * fixed + factor * self.conversation

    @property
    def times_judged(self) -> bool:
        """Whether it is long and even enough to compare its beginning with its end."""
        return not self.short and not self.head and self.turns >= ENOUGH

    def settings(self) -> dict[str, Any]:
        """Settings of the worker and of whoever reads its histories."""
        keys = {"encryption_keys": KEY} if self.encrypted else {}
        often = {"rollover_events": OFTEN} if self.short else {}
        return {"compression": self.compression, "tool_modules": "benchmarks.reading", **keys, **often}

    def environment(self) -> dict[str, str]:
        """What the tool reads from the environment of the worker."""
        head = {"BENCH_HEAD": str(HEAD_CALLS), "BENCH_HEAD_BYTES": str(HEAD_BYTES)} if self.head else {}
        return {"BENCH_BYTES": str(self.result), **head}

    def given(self) -> dict[str, Any]:
        """Input of the run. On a large conversation all of it is sent, else what the default window holds."""
        window = {"window": 4_000_000, "shares": {"system": 0.01, "memory": 0, "conversation": 0.9}}
        return {
            "goal": "Read every page.",
            "agent": {
                "name": "reader",
                "tools": ["read_page"],
                "settings": {"context": window} if self.head else {},
            },
            "model": f"openai-chat:{MODEL}",
            "limits": {"turns": self.calls + 1, "tool_calls": self.calls, "tokens": 10**12, "seconds": 864_000},
            "policy": ALLOW_ALL,
        }
