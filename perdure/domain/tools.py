"""What the workflow and the model know of a tool, and the ledger of its calls."""

import hashlib
from enum import StrEnum
from typing import Literal

from pydantic import Field

from perdure.domain.model import Compact, JsonObject, JsonValue, Model, canonical_json

__all__ = [
    "CallOutcome",
    "CallState",
    "Effect",
    "LedgerEntry",
    "ToolCall",
    "ToolSpec",
    "Verification",
    "call_digest",
    "call_key",
]


class Effect(StrEnum):
    """What calling a tool does to the world; it decides retries, order and the default policy."""

    PURE = "pure"
    """Reads only: may run at any time, together with others, and again."""
    IDEMPOTENT = "idempotent"
    """Running it again with the same key or arguments changes nothing more."""
    ONCE = "once"
    """Must not happen twice: one attempt; a lost answer is an unknown outcome."""
    COMPENSABLE = "compensable"
    """Like once, and it can be undone."""

    @property
    def repeatable(self) -> bool:
        """Whether a lost attempt may be run again without asking, and calls may overlap."""
        return self in (Effect.PURE, Effect.IDEMPOTENT)


class ToolSpec(Compact, frozen=True):
    """A tool as it travels with a run; `parameters` is the JSON Schema of its arguments.

    `timeout` and `heartbeat` are seconds. `host` says who runs it: an activity of the worker, or the workflow itself.
    """

    name: str
    description: str
    parameters: JsonObject
    effect: Effect = Effect.ONCE
    ask: str = ""
    timeout: float = Field(default=30, gt=0)
    heartbeat: float | None = Field(default=None, gt=0)
    untrusted: bool = False
    verify: bool = False
    compensate: bool = False
    host: Literal["activity", "workflow"] = "activity"
    source: str = ""


class CallState(StrEnum):
    """Where a call stands in the ledger."""

    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class LedgerEntry(Model, frozen=True):
    """One tool call of a run: what was meant, under which key, and what became of it."""

    number: int
    tool: str
    effect: Effect
    digest: str
    key: str
    state: CallState
    error: str = ""


class ToolCall(Compact, frozen=True):
    """Request of the activity `tools.call`: one call whose key and final arguments are fixed."""

    number: int
    tool: str
    arguments: JsonObject
    key: str


class CallOutcome(Compact, frozen=True):
    """What an attempt at a call came to: text for the model, or an error code with words the model can act on.

    `unknown` says that the effect may or may not have happened. `blob` is the handle of a result that was too large:
    `text` then has its beginning and end, `size` is how many characters it has.
    """

    text: str = ""
    error: str = ""
    unknown: bool = False
    blob: str = ""
    size: int = 0


def call_digest(tool: str, arguments: JsonObject) -> str:
    """SHA-256 (hex) of the canonical JSON of `{tool, arguments}`: what an approval is bound to."""
    body: JsonValue = {"tool": tool, "arguments": arguments}
    return hashlib.sha256(canonical_json(body).encode()).hexdigest()


def call_key(workflow_id: str, first_run_id: str, number: int, digest: str) -> str:
    """Idempotency key of a call: equal over every attempt, different between calls, also after a reset.

    The digest is part of it because a reset keeps the first run id and may give a call number to another call.
    """
    return hashlib.sha256(f"{workflow_id}\n{first_run_id}\n{number}\n{digest}".encode()).hexdigest()[:40]


class Verification(Compact, frozen=True):
    """What a read-back hook found: it happened (with this result), it did not, or `problem`: still unknown."""

    happened: bool = False
    text: str = ""
    problem: str = ""

    @property
    def absent(self) -> bool:
        """Whether the hook is sure that nothing has happened so far."""
        return not self.happened and not self.problem
