"""The turns of a run as step results, read from its transcript when somebody asks for them."""

from datetime import datetime
from itertools import pairwise

from temporalio import workflow

from perdure.domain.control import PageRequest
from perdure.domain.messages import AssistantMessage, ToolResultMessage
from perdure.domain.results import StepResult, WorkflowResult
from workflows.run import AgentRun, Mark

__all__ = ["report"]

MOST = 200
MAX_TEXT = 2_000
"""Characters of a turn's text; the transcript has it whole."""


def report(run: AgentRun, page: PageRequest) -> WorkflowResult:
    """The turns of a page (from 0), and the totals of the whole."""
    info, ended = workflow.info(), run.ended
    here = Mark(workflow.now() if ended is None else ended.at, len(run.transcript), run.spent.tokens)
    turns = list(enumerate(pairwise([*run.marks, here]), start=1))[page.offset : page.offset + min(page.limit, MOST)]
    steps = tuple(_step(run, number, begin, end) for number, (begin, end) in turns)
    began = run.marks[0].at if run.marks else here.at
    return WorkflowResult(
        workflow_id=info.workflow_id,
        workflow_name=info.workflow_type,
        success=ended is not None and ended.result.success,
        outputs=None if ended is None else ended.result.output,
        step_results=steps,
        total_duration_ms=_milliseconds(began, here.at),
        total_tokens=run.spent.tokens,
        stop_reason=None if ended is None else ended.result.stop_reason,
    )


def _step(run: AgentRun, number: int, begin: Mark, end: Mark) -> StepResult:
    messages = run.transcript.messages[begin.length : end.length]
    said = next((message for message in messages if isinstance(message, AssistantMessage)), AssistantMessage())
    results = [message for message in messages if isinstance(message, ToolResultMessage)]
    errors = tuple(result.error for result in results if result.error)
    return StepResult(
        step_id=f"turn-{number}",
        agent_id=run.setup.agent.name,
        success=not errors,
        outputs={"text": said.text[:MAX_TEXT], "calls": [result.tool for result in results]},
        errors=errors,
        duration_ms=_milliseconds(begin.at, end.at),
        model_used=run.setup.model,
        tokens_used=end.tokens - begin.tokens,
        iteration=number,
    )


def _milliseconds(begin: datetime, end: datetime) -> int:
    return round((end - begin).total_seconds() * 1000)
