"""Requests to people and their decisions: the payloads of the contract."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from perdure.domain.model import JsonObject, JsonValue, Model, canonical_json
from perdure.domain.policy import Level
from perdure.domain.tools import Effect

__all__ = [
    "MAX_DECISION",
    "Decide",
    "Decision",
    "DecisionAnswer",
    "Request",
    "RequestId",
    "RequestKind",
    "SignalDecision",
    "Verdict",
]


MAX_DECISION = 262_144


class RequestKind(StrEnum):
    """What a person is asked for."""

    TOOL_CALL = "tool_call"
    QUESTION = "question"
    UNKNOWN_OUTCOME = "unknown_outcome"
    LIMIT = "limit"


class Verdict(StrEnum):
    """What a person can say.

    For an unknown outcome: approve = run it again under the same key, respond = it happened and this is
    the result, reject = it did not happen. For a limit: approve = as much again, edit = `arguments` are the new
    limits, reject = end here.
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
}


class Request(Model, frozen=True):
    """One thing a run waits for. `digest` names the exact call; `expires_at` is None when it waits for ever."""

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


Who = Annotated[str, Field(min_length=1, max_length=200)]
Words = Annotated[str, Field(max_length=65_536)]


class RequestId(Model, frozen=True):
    """Argument of the query `request`."""

    request_id: str


class SignalDecision(Model, frozen=True):
    """Payload of the signals `approve` and `reject`."""

    request_id: str
    approver: Who
    reason: Words = ""
    token: str | None = None


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
    token: str | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        size = len(canonical_json([self.arguments, self.response]))
        if size > MAX_DECISION:
            msg = f"arguments and response are {size} characters, at most {MAX_DECISION} fit"
            raise ValueError(msg)
        return self


class Decision(Model, frozen=True):
    """A decision that was accepted; `by` is the approver, or "timeout"."""

    verdict: Verdict
    by: str
    reason: str = ""
    arguments: JsonObject | None = None
    response: JsonValue = None
    via: Literal["signal", "update", "timer"]


class DecisionAnswer(Model, frozen=True):
    """Answer of the update `decide`; a refused decision changes nothing and says why."""

    accepted: bool
    request_id: str
    verdict: Verdict
    state: str
    code: str = ""
    reason: str = ""
