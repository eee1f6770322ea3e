"""What starts a run, what it reports while it goes, and what comes out."""

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from perdure.domain.agents import AgentSettings, AgentSpec, Limits, Name
from perdure.domain.approvals import Request
from perdure.domain.context import ContextBudget, View
from perdure.domain.errors import ErrorInfo
from perdure.domain.identity import Unsigned
from perdure.domain.messages import AssistantMessage, Message, TranscriptRef
from perdure.domain.model import Compact, JsonObject, JsonValue, Model, Partial
from perdure.domain.policy import Policy
from perdure.domain.ports import Price, StopKind, TokenUsage
from perdure.domain.tools import ToolSpec

__all__ = [
    "MAX_GOAL_BYTES",
    "AgentInput",
    "Basis",
    "Child",
    "ContextItem",
    "Lineage",
    "ModelReply",
    "ModelRequest",
    "Notice",
    "Progress",
    "RunResult",
    "RunState",
    "RunStatus",
    "Setup",
    "StopReason",
    "Usage",
    "Used",
]

MAX_GOAL_BYTES = 512 * 1024
"""Goal and context together: they travel twice in one payload of at most 2 MiB, in the worst case escaped."""


class ContextItem(Partial, frozen=True):
    """A piece of text given along with the goal."""

    text: str
    title: str = ""


class Lineage(Partial, frozen=True):
    """Where a run that another run started comes from.

    `level` counts delegations from the root (0); `model` is the parent's, for agents that name none.
    """

    root: str
    parent: str
    level: int = Field(gt=0)
    model: str


class AgentInput(Partial, frozen=True):
    """Input of `Agent`; only `goal` is required. `input` is what a role takes; runs that delegate set `lineage`."""

    goal: Annotated[str, StringConstraints(min_length=1)]
    agent: Name | AgentSpec = "default"
    model: str | None = None
    tools: tuple[str, ...] | None = None
    context: tuple[str | ContextItem, ...] = ()
    input: JsonObject | None = None
    plan: Literal["off", "auto", "review"] = "off"
    output_schema: JsonObject | None = None
    on_limit: Literal["stop", "ask", "summarise"] = "stop"
    limits: Limits = Limits()
    policy: Policy | None = None
    requester: Annotated[str, StringConstraints(max_length=200)] = ""
    tenant: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "default"
    lineage: Lineage | None = None

    @model_validator(mode="after")
    def _of_this_release(self) -> Self:
        if not self.goal.strip():
            msg = "goal: it is empty"
            raise ValueError(msg)
        if self.plan != "off":
            msg = 'plan: planning is not in this release: leave it out or say "off"'
            raise ValueError(msg)
        if (size := len(self.first_message.encode())) > MAX_GOAL_BYTES:
            msg = f"goal and context are {size} bytes, at most {MAX_GOAL_BYTES} fit: put documents into workspace files"
            raise ValueError(msg)
        return self

    @property
    def own(self) -> "AgentInput":
        """What the run itself is prepared from."""
        return self

    @property
    def first_message(self) -> str:
        """Context, input and goal as the model reads them."""
        items = [ContextItem(text=item) if isinstance(item, str) else item for item in self.context]
        parts = [f"<context title={item.title!r}>\n{item.text}\n</context>" for item in items]
        if self.input is not None:
            parts.append(f"<input>\n{json.dumps(self.input, ensure_ascii=False, indent=1)}\n</input>")
        return "\n\n".join([*parts, self.goal])


class Setup(Compact, frozen=True):
    """Everything a run is made of, resolved once by the activity `run.prepare` and used for as long as it lives.

    `own_policy` is that of an agent that another run delegated to: its rules can only make `policy` stricter.
    `context` and `rollover_events` are None for runs that began before there was a context budget and
    continue-as-new: those keep to what they were started with. `unsigned` says whether decisions without a token
    count; `recorded` whether the run keeps an audit log and tells its events (false for runs of earlier releases),
    `notifies` whether people are told of requests. `role` is that whose contract the answer must fulfil.
    `head` are the characters that every model call has beside the conversation (instructions, tools and schema), None
    for runs that began before these were counted ahead.
    """

    agent: AgentSpec
    model: str
    instructions: str
    tools: tuple[ToolSpec, ...] = ()
    limits: Limits = Limits()
    settings: AgentSettings = AgentSettings()
    output_schema: JsonObject | None = None
    policy: Policy = Policy()
    policy_digest: str = ""
    own_policy: Policy | None = None
    deny: tuple[str, ...] = ()
    price: Price | None = None
    search_attributes: bool = False
    warnings: tuple[str, ...] = ()
    context: ContextBudget | None = None
    rollover_events: int | None = None
    unsigned: Unsigned = "allow"
    recorded: bool = False
    notifies: bool = False
    role: str = ""
    head: int | None = None

    @property
    def digest(self) -> str:
        """Short name of exactly this setup (48 bits of SHA-256 as hex): tells a cache that it is out of date."""
        return hashlib.sha256(self.wire_json().encode()).hexdigest()[:12]


class Basis(Compact, frozen=True):
    """Answer of the query `basis`: what a model call builds on. `name` changes with setup and view."""

    name: str
    setup: Setup
    view: View = View()

    @classmethod
    def of(cls, setup: Setup, view: View, edition: int) -> "Basis":
        """The basis of a setup and the view that so many compactions have led to."""
        return cls(name=f"{setup.digest}.{edition}", setup=setup, view=view)


class ModelRequest(Compact, frozen=True):
    """Request of the activity `llm.reply`: the transcript by reference, and the messages since the last call.

    `new` may be shorter than that or empty when they are large; the activity then reads them from the workflow.
    `tries` counts attempts of earlier activities at the same call. `basis` names setup and view (see `Basis`), `turn`
    counts the model's answers so far; `closing` asks for a last word without tools, `level` (from 1) for the thoughts
    of that level of a tree of thoughts.
    """

    transcript: TranscriptRef
    new: tuple[Message, ...] = ()
    max_output_tokens: int
    tries: int = 0
    basis: str = ""
    turn: int = 0
    closing: bool = False
    level: int = 0


class ModelReply(Compact, frozen=True):
    """One answer of the model. `cost_usd` is None without a price; `unused` names steps a script has left.

    `malformed` says why the answer could not be read in its text form, `misfit` what of it breaks the role's contract.
    """

    message: AssistantMessage
    stop: StopKind
    usage: TokenUsage = TokenUsage()
    cost_usd: float | None = None
    unused: str = ""
    problem: str = ""
    malformed: str = ""
    misfit: str = ""


class RunState(StrEnum):
    """Where a run stands (`PerdureState`)."""

    IDLE = "idle"
    PLANNING = "planning"
    EXECUTING = "executing"
    CHECKPOINTING = "checkpointing"
    WAITING = "waiting"
    PAUSED = "paused"
    STOPPING = "stopping"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StopReason(StrEnum):
    """Why a run ended."""

    COMPLETED = "completed"
    TURN_LIMIT = "turn_limit"
    TOOL_CALL_LIMIT = "tool_call_limit"
    TOKEN_LIMIT = "token_limit"  # noqa: S105 - a count of tokens, not a secret
    COST_LIMIT = "cost_limit"
    TIME_LIMIT = "time_limit"
    CONTEXT_LIMIT = "context_limit"
    OUTPUT_LIMIT = "output_limit"
    LOOP_DETECTED = "loop_detected"
    REJECTED = "rejected"
    REFUSED = "refused"
    STOPPED = "stopped"
    ERROR = "error"


class Usage(Model, frozen=True):
    """Tokens and US dollars of a whole run, its children included; `cost_usd` is None without prices."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None


class Used(Model, frozen=True):
    """Last detail of the failure of a run that another one started: what the other has to count."""

    usage: Usage
    tool_calls: int


class RunResult(Model, frozen=True):
    """Result of the workflow `Agent`. `output` is text, or an object when `output_schema` was given."""

    success: bool
    output: JsonValue
    stop_reason: StopReason
    error: ErrorInfo | None = None
    turns: int
    tool_calls: int
    usage: Usage
    warnings: tuple[str, ...] = ()


class Notice(Model, frozen=True):
    """Something a person should know: a call announced, a signal that was not valid, a decision."""

    at: datetime
    code: str
    text: str


class Child(Model, frozen=True):
    """A run that this run started."""

    workflow_id: str
    agent: str
    state: RunState


class Progress(Model, frozen=True):
    """How far a pattern has come: its stage, the steps that have ended of those that are known, and seconds so far."""

    stage: str
    done: int
    total: int
    elapsed: float = 0.0


class RunStatus(Model, frozen=True):
    """Answer of the query `status`."""

    state: RunState
    waiting_for: str | None = None
    agent: str
    model: str
    turn: int
    tool_calls: int
    pending: tuple[Request, ...] = ()
    usage: Usage
    left: dict[str, int | float | str | None] = {}
    queued: tuple[str, ...] = ()
    children: tuple[Child, ...] = ()
    plan: tuple[JsonValue, ...] = ()
    progress: Progress | None = None
    warnings: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    policy_digest: str = ""
