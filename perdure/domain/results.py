"""What the steps of a workflow came to, and the workflow as a whole: one shape for agents and patterns."""

from datetime import datetime

from perdure.domain.model import JsonObject, JsonValue, Model
from perdure.domain.run import StopReason

__all__ = ["OpenStep", "StepResult", "WorkflowResult"]


class OpenStep(Model, frozen=True):
    """A turn that is not over: when it began, what had been used by then, and what it has come to so far."""

    at: datetime
    tokens: int
    iteration: int
    text: str = ""
    calls: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


class StepResult(Model, frozen=True):
    """One step: for an agent a turn, that is a model call and the tool calls it asked for.

    `errors` are codes of what failed in it, `tokens_used` counts input and output, `iteration` counts from 1.
    """

    step_id: str
    agent_id: str
    success: bool
    outputs: JsonObject
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    duration_ms: int
    model_used: str
    tokens_used: int
    iteration: int


class WorkflowResult(Model, frozen=True):
    """Steps of one page and the totals of all; `stop_reason` is None while the workflow is open.

    `offset` is the number of the first step of the page, from 0; `next_offset` is None on the last page; `total`
    counts the steps.
    """

    workflow_id: str
    workflow_name: str
    success: bool
    outputs: JsonValue
    step_results: tuple[StepResult, ...]
    total_duration_ms: int
    total_tokens: int
    evaluation_score: float | None = None
    stop_reason: StopReason | None = None
    offset: int = 0
    next_offset: int | None = None
    total: int = 0
