"""What runs count of themselves; on replay nothing is counted again."""

from collections.abc import Collection, Sequence

from temporalio import workflow

from perdure.domain.approvals import Decision, Request
from perdure.domain.messages import ToolResultMessage
from perdure.telemetry import meters

__all__ = ["count_answers", "count_decision", "count_turn"]


def count_turn() -> None:
    """An answer of the model was taken."""
    meters.TURNS.add(workflow.metric_meter())


def count_answers(results: Sequence[ToolResultMessage], tools: Collection[str]) -> None:
    """The calls of a turn were answered; a name that is none of the run's tools is the model's invention."""
    meter = workflow.metric_meter()
    for result in results:
        tool = result.tool if result.tool in tools else meters.UNKNOWN
        meters.TOOL_CALLS.add(meter, tool=tool, outcome=result.error or "ok")


def count_decision(request: Request, decision: Decision) -> None:
    """A request was decided by a person or by its timeout."""
    wait = workflow.now() - request.asked_at
    labels = {"level": request.level.value, "verdict": decision.verdict.value, "kind": request.kind.value}
    meters.APPROVAL_WAIT.record(workflow.metric_meter(), wait, **labels)
