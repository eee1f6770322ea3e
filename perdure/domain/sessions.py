"""What starts a session, what is asked of it, and what it comes to."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from perdure.domain.agents import AgentSpec, Limits, Name
from perdure.domain.control import bounded_text
from perdure.domain.model import JsonObject, Model, Partial
from perdure.domain.policy import LONGEST, Policy
from perdure.domain.run import AgentInput, ContextItem, Usage

__all__ = ["Ask", "SessionInput", "SessionResult"]

GOAL = "session"
"""Stands where the input of a run has its goal: the goal of a session is each question."""


class SessionInput(Partial, frozen=True):
    """Input of the workflow `Session`; nothing is required.

    Limits bound each question, but for `deadline`, which bounds the session. A session in which nothing is asked for
    `idle_seconds` closes; the next question under its id opens it again. What a new start does not name stays as it
    was.
    """

    agent: Name | AgentSpec = "default"
    model: str | None = None
    tools: tuple[str, ...] | None = None
    context: tuple[str | ContextItem, ...] = ()
    output_schema: JsonObject | None = None
    on_limit: Literal["stop", "ask", "summarise"] = "stop"
    limits: Limits = Limits()
    policy: Policy | None = None
    requester: Annotated[str, StringConstraints(max_length=200)] = ""
    tenant: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "default"
    idle_seconds: float = Field(default=3_600, gt=0, le=LONGEST, allow_inf_nan=False)

    def input(self, earlier: AgentInput | None = None) -> AgentInput:
        """The input of the run behind the session: what is named here, over what it was before."""
        named = {name: getattr(self, name) for name in self.model_fields_set - {"idle_seconds"}}
        return (earlier or AgentInput(goal=GOAL)).model_copy(update=named)


class Ask(Model, frozen=True):
    """Payload of the update `ask`. A repeated `message_id` is the same question and gets the same reply."""

    text: Annotated[str, StringConstraints(min_length=1)]
    message_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]

    @field_validator("text")
    @classmethod
    def _bounded(cls, value: str) -> str:
        if not value.strip():
            msg = "it is empty"
            raise ValueError(msg)
        return bounded_text(value)


class SessionResult(Model, frozen=True):
    """Result of a session: how many questions it answered, why it closed, and what all of it used."""

    questions: int
    closed: Literal["idle", "stopped"]
    usage: Usage
