"""Everything one run knows: its setup, conversation, budget, ledger, requests, children and notices."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from temporalio import workflow

from perdure.domain.budget import Spent
from perdure.domain.control import SteerPayload
from perdure.domain.errors import ErrorInfo
from perdure.domain.messages import ToolResultMessage, TranscriptRef, UserMessage
from perdure.domain.model import JsonValue
from perdure.domain.run import AgentInput, Child, Notice, RunResult, RunStatus, Setup, StopReason
from perdure.domain.tools import CallState, LedgerEntry, ToolSpec
from perdure.domain.transcript import Transcript
from workflows.approvals import Approvals
from workflows.control import Control

__all__ = ["NOT_RUN", "AgentRun", "Mark"]

NOT_RUN = "NOT_RUN"
"""Error code of calls that were asked for but never started because the run ended."""

MAX_NOTICES = 200


class Mark(NamedTuple):
    """Where a turn begins: when, after how many messages, and after how many tokens."""

    at: datetime
    length: int
    tokens: int


class Ended(NamedTuple):
    """How and when the run ended."""

    at: datetime
    result: RunResult


class AgentRun:
    """State of one run; `changed` is called whenever what people see of it has changed."""

    def __init__(self, changed: Callable[[], None]) -> None:
        """Start before the setup is known."""
        self.control = Control(changed)
        self.changed = changed
        self.approvals = Approvals(self.control, changed)
        self.transcript = Transcript()
        self.sent = TranscriptRef(length=0, digest="")
        self.spent = Spent()
        self.ledger: dict[int, LedgerEntry] = {}
        self.children: dict[str, Child] = {}
        self.handles: dict[str, workflow.ChildWorkflowHandle[Any, RunResult]] = {}
        self.marks: list[Mark] = []
        self.ended: Ended | None = None
        self.notices: list[Notice] = []
        self.warnings: list[str] = []
        self._given: AgentInput | None = None
        self._setup: Setup | None = None

    @property
    def given(self) -> AgentInput:
        """The validated input."""
        assert self._given is not None, "the input is read first"  # noqa: S101
        return self._given

    @property
    def setup(self) -> Setup:
        """What `run.prepare` resolved."""
        assert self._setup is not None, "the run is prepared before its loop"  # noqa: S101
        return self._setup

    @property
    def is_prepared(self) -> bool:
        """Whether the setup is known."""
        return self._setup is not None

    def begin(self, given: AgentInput) -> None:
        """Take the input."""
        self._given = given

    def prepared(self, setup: Setup) -> None:
        """Take the setup; from here on it never changes."""
        self._setup = setup
        self.control.bound(setup.limits.deadline)
        self.warnings.extend(setup.warnings)
        self.tools: dict[str, ToolSpec] = {spec.name: spec for spec in setup.tools}

    def begin_turn(self) -> None:
        """Note that another turn begins."""
        self.marks.append(Mark(workflow.now(), len(self.transcript), self.spent.tokens))

    def next_number(self) -> int:
        """Number of the next tool call, from 1."""
        return len(self.ledger) + 1

    def mark(self, number: int, state: CallState, error: str = "") -> None:
        """Move a call of the ledger to another state."""
        self.ledger[number] = self.ledger[number].model_copy(update={"state": state, "error": error})

    def notice(self, code: str, text: str) -> None:
        """Leave a notice for people; the oldest make room."""
        self.notices.append(Notice(at=workflow.now(), code=code, text=text[:2_000]))
        del self.notices[:-MAX_NOTICES]

    def hear(self, steering: list[SteerPayload]) -> bool:
        """Put steering messages into the conversation; says whether there were any."""
        self.transcript.extend(UserMessage(text=item.text, id=item.id) for item in steering)
        return bool(steering)

    def close_calls(self, why: str) -> None:
        """Answer the calls of the last message, which will not run: no call stays without an answer."""
        last = self.transcript.messages[-1]
        calls = last.calls if last.kind == "assistant" else ()
        self.transcript.extend(
            ToolResultMessage(call_id=part.id, tool=part.tool, text=f"Not run: {why}.", error=NOT_RUN) for part in calls
        )

    def time_left(self) -> timedelta:
        """Working time and wall clock until the deadline that remain, whichever is less; negative when over."""
        limits = self.setup.limits
        left = timedelta(seconds=limits.seconds) - self.control.worked
        return left if limits.deadline is None else min(left, limits.deadline - workflow.now())

    def completed(self, output: JsonValue) -> RunResult:
        """The run has reached its goal."""
        if output == "":
            self.warnings.append("the final answer of the model was empty")
        return self._end(StopReason.COMPLETED, output, None)

    def result(self, reason: StopReason, error: ErrorInfo | None = None) -> RunResult:
        """The run ends short of its goal; its output is the last text of the model."""
        texts = (m.text for m in reversed(self.transcript.messages) if m.kind == "assistant")
        return self._end(reason, next((text for text in texts if text), ""), error)

    def _end(self, reason: StopReason, output: JsonValue, error: ErrorInfo | None) -> RunResult:
        result = RunResult(
            success=reason is StopReason.COMPLETED,
            output=output,
            stop_reason=reason,
            error=error,
            turns=self.spent.turns,
            tool_calls=self.spent.tool_calls,
            usage=self.spent.usage,
            warnings=tuple(self.warnings),
        )
        self.ended = Ended(workflow.now(), result)
        return result

    def status(self) -> RunStatus:
        """Answer of the query `status`."""
        setup = self._setup
        return RunStatus(
            state=self.control.state,
            waiting_for=self.control.waiting_for,
            agent="" if setup is None else setup.agent.name,
            model="" if setup is None else setup.model,
            turn=self.spent.turns,
            tool_calls=self.spent.tool_calls,
            pending=self.approvals.shown,
            usage=self.spent.usage,
            left={} if setup is None else self._left(),
            queued=self.control.queued,
            children=tuple(self.children.values()),
            warnings=tuple(self.warnings),
            notices=tuple(self.notices),
            policy_digest="" if setup is None else setup.policy_digest,
        )

    def _left(self) -> dict[str, int | float | str | None]:
        limits, spent = self.setup.limits, self.spent
        return {
            "turns": limits.turns - spent.turns,
            "tool_calls": limits.tool_calls - spent.tool_calls,
            "tokens": limits.tokens - spent.tokens,
            "cost_usd": None if limits.cost_usd is None else round(limits.cost_usd - spent.cost_usd, 6),
            "seconds": round(limits.seconds - self.control.worked.total_seconds(), 1),
            "depth": limits.depth - (self.given.lineage.level if self.given.lineage else 0),
            "deadline": None if limits.deadline is None else limits.deadline.isoformat(),
        }
