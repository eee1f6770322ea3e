"""Requests to people and their decisions: the payloads of the contract."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from perdure.domain.identity import MAX_NAME, Identity, Token, content_digest
from perdure.domain.model import Compact, JsonObject, JsonValue, Model, canonical_json
from perdure.domain.policy import Level, Seconds
from perdure.domain.tools import Effect

__all__ = [
    "MAX_DECISION",
    "ChildRequest",
    "Decide",
    "Decision",
    "DecisionAnswer",
    "Grant",
    "Request",
    "RequestId",
    "RequestKind",
    "SignalDecision",
    "Standing",
    "Verdict",
    "Vote",
    "fitting",
]


MAX_DECISION = 262_144
SHOWN_CHARACTERS = 500_000
"""Of arguments in one answer to a query, which may be 2 MiB, escaped."""


class RequestKind(StrEnum):
    """What a person is asked for."""

    TOOL_CALL = "tool_call"
    QUESTION = "question"
    UNKNOWN_OUTCOME = "unknown_outcome"
    LIMIT = "limit"
    PLAN = "plan"
    RESULT = "result"

    @property
    def of_content(self) -> bool:
        """Whether content is reviewed: `arguments` are the content, and no tool is called."""
        return self in (RequestKind.PLAN, RequestKind.RESULT)


class Verdict(StrEnum):
    """What a person can say.

    For an unknown outcome: approve = run it again under the same key, respond = it happened and this is
    the result, reject = it did not happen. For a limit: approve = as much again, edit = `arguments` are the new
    limits, reject = end here. For a plan or a result: edit = `arguments` are the new content, reject = `reason` says
    what is wrong with it.
    """

    APPROVE = "approve"
    EDIT = "edit"
    RESPOND = "respond"
    REJECT = "reject"
    STOP = "stop"
    ESCALATE = "escalate"


VERDICTS: dict[RequestKind, tuple[Verdict, ...]] = {
    RequestKind.TOOL_CALL: (Verdict.APPROVE, Verdict.EDIT, Verdict.RESPOND, Verdict.REJECT, Verdict.STOP),
    RequestKind.QUESTION: (Verdict.RESPOND, Verdict.REJECT, Verdict.STOP),
    RequestKind.UNKNOWN_OUTCOME: (Verdict.APPROVE, Verdict.RESPOND, Verdict.REJECT, Verdict.STOP),
    RequestKind.LIMIT: (Verdict.APPROVE, Verdict.EDIT, Verdict.REJECT, Verdict.STOP),
    RequestKind.PLAN: (Verdict.APPROVE, Verdict.EDIT, Verdict.REJECT, Verdict.STOP),
    RequestKind.RESULT: (Verdict.APPROVE, Verdict.EDIT, Verdict.REJECT, Verdict.STOP),
}


class Vote(Model, frozen=True):
    """One approval of a request that needs several."""

    by: str
    at: datetime
    signed: bool = False


class Grant(Compact, frozen=True):
    """A standing approval that a decision gives along: for the tool, or for exactly these arguments of it.

    It ends `seconds` after the decision, or when it was used `count` times; at least one of the two must be said.
    """

    scope: Literal["tool", "arguments"]
    seconds: Seconds | None = None
    count: int | None = Field(default=None, ge=1, le=10_000)

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.seconds is None and self.count is None:
            msg = "say when the grant ends: seconds, count or both"
            raise ValueError(msg)
        return self


class Standing(Compact, frozen=True):
    """A grant in force: `digest` names the exact call, empty for the whole tool; `left` is None without a count."""

    tool: str
    level: Level
    digest: str = ""
    by: Identity
    signed: bool = False
    request_id: str
    expires_at: datetime | None = None
    left: int | None = None


class Request(Model, frozen=True):
    """One thing a run waits for. `digest` names the exact call; `expires_at` is None when it waits for ever.

    `votes` are the approvals so far of a request that needs a `quorum`; when one of these people edits, `arguments` and
    `digest` are the new ones and the votes before count no more. `escalated` says that `approvers` holds those too to
    whom it was escalated.
    """

    request_id: str
    kind: RequestKind
    title: str
    agent: str
    tool: str
    arguments: JsonObject
    effect: Effect
    level: Level
    digest: str
    verdicts: tuple[Verdict, ...]
    answer_schema: JsonObject
    requester: str
    reason: str
    asked_at: datetime
    expires_at: datetime | None = None
    workflow_id: str
    approvers: tuple[str, ...] = ()
    quorum: int = 1
    votes: tuple[Vote, ...] = ()
    escalated: bool = False
    edited_by: str = ""
    self_approval: bool = False


Who = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
Words = Annotated[str, Field(max_length=65_536)]


def fitting(requests: Iterable[Request]) -> Iterator[Request]:
    """The requests for one answer to a query: arguments beyond its size are named, not shown (query `request`)."""
    left = SHOWN_CHARACTERS
    for request in requests:
        size = len(canonical_json(request.arguments)) + len(canonical_json(request.answer_schema))
        left -= size
        elided: JsonObject = {"elided": f"{size} characters: ask the query `request` for {request.request_id}"}
        yield request if left >= 0 else request.model_copy(update={"arguments": elided})


class ChildRequest(Model, frozen=True):
    """Payload of the signal by which a run tells its root about one of its requests."""

    request: Request
    open: bool


class RequestId(Model, frozen=True):
    """Argument of the query `request`."""

    request_id: str


class SignalDecision(Model, frozen=True):
    """Payload of the signals `approve` and `reject`."""

    request_id: str
    approver: Who
    reason: Words = ""
    token: Token | None = None


def _deny_is_reject(value: object) -> object:
    return "reject" if value == "deny" else value


class Decide(Model, frozen=True):
    """Payload of the update `decide`. `arguments` belong to `edit`, `response` to `respond`."""

    request_id: str
    verdict: Annotated[Verdict, BeforeValidator(_deny_is_reject)]
    approver: Who
    digest: str | None = None
    arguments: JsonObject | None = None
    response: JsonValue = None
    reason: Words = ""
    token: Token | None = None
    grant: Grant | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        size = len(canonical_json([self.arguments, self.response]))
        if size > MAX_DECISION:
            msg = f"arguments and response are {size} characters, at most {MAX_DECISION} fit"
            raise ValueError(msg)
        return self

    @property
    def content(self) -> str:
        """Digest of what a token for this decision must be bound to beyond its verdict; empty when there is none."""
        grant = () if self.grant is None else (self.grant.model_dump(mode="json", exclude_none=True),)
        return content_digest(self.arguments, self.response, *grant)


class Decision(Model, frozen=True):
    """A decision that was accepted; `by` is the approver, all approvers of a quorum, or "timeout"."""

    verdict: Verdict
    by: str
    reason: str = ""
    arguments: JsonObject | None = None
    response: JsonValue = None
    via: Literal["signal", "update", "timer", "grant"]
    signed: bool = False


class DecisionAnswer(Model, frozen=True):
    """Answer of the update `decide`; a refused decision changes nothing and says why."""

    accepted: bool
    request_id: str
    verdict: Verdict
    state: str
    code: str = ""
    reason: str = ""
