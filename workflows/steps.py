"""The turns of a run as step results, noted as they happen and answered page by page."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from temporalio import workflow

from perdure.domain.archive import Slice, StoredPage, end_of, page_at
from perdure.domain.messages import ToolResultMessage
from perdure.domain.results import OpenStep, StepResult, WorkflowResult

if TYPE_CHECKING:
    from perdure.domain.control import PageRequest
    from workflows.run import AgentRun

__all__ = ["Steps"]

MOST = 200
MAX_TEXT = 2_000
"""Characters of a turn's text; the transcript has it whole."""
MAX_CALLS = 100
"""Calls of a turn that are named; the ledger has them all."""


class Steps:
    """Closed steps of the current run, those of earlier runs in stored pages, and the step that is open."""

    def __init__(self, pages: Sequence[StoredPage] = (), current: OpenStep | None = None) -> None:
        """Go on behind the stored pages, in the middle of a step or between two."""
        self.pages = tuple(pages)
        self.base = end_of(self.pages)
        self.current = current
        self._closed: list[StepResult] = []
        self.score: float | None = None
        """How good the output of a pattern was found to be, from 0 to 1."""

    @property
    def total(self) -> int:
        """Number of closed steps over the whole chain of runs."""
        return self.base + len(self._closed)

    def begin(self, run: "AgentRun") -> None:
        """Close the step before, if any, and open the next."""
        self.close(run)
        self.current = OpenStep(at=workflow.now(), tokens=run.total.tokens, iteration=run.total.turns + 1)

    def said(self, text: str) -> None:
        """Note what the model said in this step."""
        if self.current is not None:
            self.current = self.current.model_copy(update={"text": text[:MAX_TEXT]})

    def answered(self, results: Sequence[ToolResultMessage]) -> None:
        """Note the tool calls of this step and what failed of them."""
        if self.current is not None:
            calls = tuple(result.tool for result in results[:MAX_CALLS])
            errors = tuple(result.error for result in results[:MAX_CALLS] if result.error)
            self.current = self.current.model_copy(update={"calls": calls, "errors": errors})

    def close(self, run: "AgentRun") -> None:
        """Close the open step, if there is one."""
        if self.current is not None:
            self._closed.append(_result(run, self.current, workflow.now()))
            self.current = None

    @property
    def closed(self) -> tuple[StepResult, ...]:
        """Steps of this run that are over."""
        return tuple(self._closed)

    def add(self, step: StepResult) -> None:
        """Note a step of a pattern, which is a run of its own."""
        self._closed.append(step)

    def report(self, run: "AgentRun", page: "PageRequest") -> WorkflowResult | Slice:
        """The steps of a page (from 0), and the totals of the whole."""
        shown = [*self._closed]
        if self.current is not None:
            shown.append(_result(run, self.current, workflow.now()))
        total = self.base + len(shown)
        begin, limit = min(page.offset, total), min(page.limit, MOST)
        whole = _whole(run, total)
        if stored := page_at(self.pages, "step_results", begin, limit, total):
            rest = whole.model_dump(mode="json", exclude={"step_results", "offset", "next_offset", "total"})
            return stored.model_copy(update={"also": rest})
        end = min(begin + limit, total)
        steps = tuple(shown[begin - self.base : end - self.base])
        following = end if end < total else None
        return whole.model_copy(update={"step_results": steps, "offset": begin, "next_offset": following})


def _whole(run: "AgentRun", total: int) -> WorkflowResult:
    info, ended = workflow.info(), run.ended
    now = workflow.now() if ended is None else ended.at
    return WorkflowResult(
        workflow_id=info.workflow_id,
        workflow_name=info.workflow_type,
        success=ended is not None and ended.result.success,
        outputs=None if ended is None else ended.result.output,
        step_results=(),
        total_duration_ms=_milliseconds(run.control.started, now),
        total_tokens=run.total.tokens,
        evaluation_score=run.steps.score,
        stop_reason=None if ended is None else ended.result.stop_reason,
        total=total,
    )


def _result(run: "AgentRun", step: OpenStep, end: datetime) -> StepResult:
    return StepResult(
        step_id=f"turn-{step.iteration}",
        agent_id=run.setup.agent.name,
        success=not step.errors,
        outputs={"text": step.text, "calls": list(step.calls)},
        errors=step.errors,
        duration_ms=_milliseconds(step.at, end),
        model_used=run.setup.model,
        tokens_used=run.total.tokens - step.tokens,
        iteration=step.iteration,
    )


def _milliseconds(begin: datetime, end: datetime) -> int:
    return round((end - begin).total_seconds() * 1000)
