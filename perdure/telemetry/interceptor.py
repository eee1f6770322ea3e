"""Measures at the edges of workflows and activities what needs no word from the code between: ends and tool calls."""

import asyncio
import time
from typing import Any

from temporalio import activity, workflow
from temporalio.exceptions import CancelledError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from perdure.domain.run import RunResult
from perdure.domain.tools import CallOutcome, ToolCall
from perdure.telemetry import meters
from perdure.telemetry.spans import NO_SPANS, Spans

__all__ = ["Measuring"]

CLOSED = "closed"


class Measuring(Interceptor):
    """Give it to a worker: it counts the ends of its workflows, and puts a span and a clock around tool calls."""

    def __init__(self, spans: Spans = NO_SPANS) -> None:
        """Open spans here."""
        self._spans = spans

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - name in the base
        """See base class."""
        return _ToolCalls(next, self._spans)

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002, ARG002 - as in the base
        """See base class."""
        return _Ends


class _ToolCalls(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, spans: Spans) -> None:
        super().__init__(following)
        self._spans = spans

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002, ANN401 - as in the base
        call = input.args[0] if input.args else None
        if not isinstance(call, ToolCall) or activity.info().activity_type != "tools.call":
            return await super().execute_activity(input)
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.tool,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": call.key,
            "gen_ai.conversation.id": activity.info().workflow_id or "",
            "perdure.attempt": activity.info().attempt,
        }
        begin, outcome = time.monotonic(), "interrupted"
        try:
            with self._spans.span(f"execute_tool {call.tool}", attributes) as note:
                result: CallOutcome = await super().execute_activity(input)
                outcome = result.error or "ok"
                note({"error.type": outcome} if result.error else {})
        finally:
            meters.TOOL_TIME.record(activity.metric_meter(), time.monotonic() - begin, tool=call.tool, outcome=outcome)
        return result


class _Ends(WorkflowInboundInterceptor):
    """Counts how a workflow ends; one that continues as new has not, nor one that a worker drops from its memory."""

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002, ANN401 - as in the base
        try:
            result = await super().execute_workflow(input)
        except workflow.ContinueAsNewError:
            raise
        except (asyncio.CancelledError, CancelledError):
            _ended("cancelled")
            raise
        except Exception as error:
            if workflow.is_failure_exception(error):
                _ended("failed")
            raise
        _ended(str(result.stop_reason) if isinstance(result, RunResult) else CLOSED)
        return result


def _ended(reason: str) -> None:
    meters.RUNS_ENDED.add(workflow.metric_meter(), stop_reason=reason)
