"""Everything one run knows: its setup, conversation, budget, ledger, requests, children and notices."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from temporalio import workflow

from perdure.domain.agents import Limits
from perdure.domain.approvals import Request
from perdure.domain.budget import Spent
from perdure.domain.control import SteerPayload
from perdure.domain.errors import ErrorInfo
from perdure.domain.events import StreamEvent
from perdure.domain.log import Log
from perdure.domain.messages import ToolResultMessage, UserMessage
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.policy import Call, Policy, Ruling, rule_for, stricter
from perdure.domain.run import AgentInput, Basis, Child, Notice, Progress, RunResult, RunState, Setup, StopReason
from perdure.domain.thinking import Thinking
from perdure.domain.tokens import Calibration
from perdure.domain.tools import CallState, Effect, ToolSpec
from workflows.approvals import Approvals
from workflows.control import Control
from workflows.elsewhere import Elsewhere
from workflows.journal import Journal
from workflows.ledger import Ledger
from workflows.steps import Steps

if TYPE_CHECKING:
    from perdure.domain.calls import Planned

__all__ = ["NOT_RUN", "AgentRun"]

NOT_RUN = "NOT_RUN"
"""Error code of calls that were asked for but never started because the run ended."""

MAX_NOTICES = 200
MAX_TOKENS = 1_000
"""Remembered: a token lives for an hour at most."""

L = TypeVar("L", AgentInput, Setup)


class Ended(NamedTuple):
    """How and when the run ended."""

    at: datetime
    result: RunResult


class AgentRun:
    """State of one run; `changed` is called whenever what people see of it has changed.

    What must outlive a continue-as-new is written and read in `workflows.carry`.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        """Start before the setup is known."""
        self.control = Control(changed)
        self.control.on_transition = self._moved
        self.changed = changed
        self.approvals = Approvals(self.control, changed, self.ruling, lambda: self.setup.unsigned)
        self.elsewhere = Elsewhere()
        """Requests of the runs below this one."""
        self.journal = Journal()
        self.log = Log()
        self.sent = 0
        """Messages of the chain that the model has been sent."""
        self.unsent = 0
        """Characters of messages that were stored before the model was sent them."""
        self.edition = 0
        """Compactions so far."""
        self.stuck = 0
        """Characters of the view when a compaction last saved nothing."""
        self.calibration = Calibration()
        self.spent = Spent()
        self.earlier = Spent()
        """What earlier questions of a session have used; their limits are not those of this one."""
        self.said_before = ""
        self.said_from = 0
        """Where in the chain the current question begins, and the last text of the model before this run."""
        self.extended = 0
        """How often people were asked for more than the limits."""
        self.asks_on = False
        """Whether another question may follow: then a script may have steps left."""
        self.repairs = self.failures = 0
        self.thinking = Thinking()
        self.ledger = Ledger()
        self.turn: list[Planned] | None = None
        """The tool calls of a turn that is not over."""
        self.steps = Steps()
        self.children: dict[str, Child] = {}
        self.conducts = False
        """Whether the work is done by the runs below: then they hear what this one is told."""
        self.progress: Progress | None = None
        self.plan: list[JsonValue] = []
        """The plan as the status shows it."""
        self.ended: Ended | None = None
        self.notices: list[Notice] = []
        self.tokens: dict[str, None] = {}
        """Ids of the tokens that control actions have used, oldest first."""
        self.warnings: list[str] = []
        self._given: AgentInput | None = None
        self._setup: Setup | None = None
        self._basis: Basis | None = None
        self.upcoming: tuple[AgentInput, Setup] | None = None
        """Input and setup that wait for the end of the turn."""

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

    @property
    def open_children(self) -> list[str]:
        """Ids of the runs that this one has started and that have not ended."""
        return [child.workflow_id for child in self.children.values() if child.state is RunState.EXECUTING]

    @property
    def pending(self) -> tuple[Request, ...]:
        """What waits for a person in this run and, when it is the root, in those below it."""
        return (*self.approvals.pending, *self.elsewhere.pending)

    @property
    def total(self) -> Spent:
        """What the run has used, over all questions of a session."""
        return self.spent.plus(self.earlier)

    @property
    def basis(self) -> Basis:
        """What the next model call builds on."""
        if self._basis is None or self._basis.view is not self.log.view:
            self._basis = Basis.of(self.setup, self.log.view, self.edition)
        return self._basis

    def begin(self, given: AgentInput) -> None:
        """Take the input."""
        self._given = given

    def prepared(self, setup: Setup) -> None:
        """Take the setup; from here on only `configure` changes it."""
        self._take(setup)
        self.warnings.extend(setup.warnings)

    def restored(self, setup: Setup, upcoming: tuple[AgentInput, Setup] | None) -> None:
        """Take the setup of the run that this one continues."""
        self._take(setup)
        self.upcoming = upcoming

    def _take(self, setup: Setup) -> None:
        before, self._setup = self._setup, setup
        policy: JsonObject = {
            "digest": setup.policy_digest,
            "rules": len(setup.policy.rules),
            "agent": setup.agent.name,
        }
        if before is None:
            self.journal.keep(policy, keeps=setup.recorded)
        elif before.policy_digest != setup.policy_digest:
            self.journal.add("policy", "", policy)
        self._basis = None
        self.control.bound(setup.limits.deadline)
        self.tools: dict[str, ToolSpec] = {spec.name: spec for spec in setup.tools}

    def configured(self, given: AgentInput, setup: Setup) -> None:
        """Take another input and setup, at once or, in the middle of a turn, when its calls are answered."""
        self.upcoming = (given, setup)
        if self.turn is None:
            self.reconfigure()

    def reconfigure(self) -> None:
        """Take the setup that waits for the end of the turn, if there is one."""
        if self.upcoming is not None:
            self._given, setup = self.upcoming
            self._take(setup)
            self.upcoming = None
            self.calibration = self.calibration.restarted()

    @property
    def latest(self) -> tuple[AgentInput, Setup]:
        """Input and setup as they will be when the turn is over."""
        return self.upcoming or (self.given, self.setup)

    def limit(self, limits: Limits) -> None:
        """Take other limits at once; a later `configure` builds on them."""
        self._given = _limited(self.given, limits)
        self._take(_limited(self.setup, limits))
        if self.upcoming is not None:
            given, setup = self.upcoming
            self.upcoming = (_limited(given, limits), _limited(setup, limits))

    def ask(self) -> None:
        """Begin another question of a session: limits and working time count anew."""
        self.earlier, self.spent = self.total, Spent(context=self.spent.context)
        self.repairs = self.failures = 0
        self.thinking = Thinking()
        self.said_before, self.said_from = "", len(self.log)
        self.ended, self.warnings = None, list(self.setup.warnings)
        self.control.restart_clock()

    def notice(self, code: str, text: str) -> None:
        """Leave a notice for people; the oldest make room."""
        self.notices.append(Notice(at=workflow.now(), code=code, text=text[:2_000]))
        del self.notices[:-MAX_NOTICES]

    def spend_token(self, token_id: str) -> bool:
        """Take note of the token of a control action; False: it was used before."""
        if token_id in self.tokens:
            return False
        self.tokens = dict.fromkeys([*self.tokens, token_id][-MAX_TOKENS:])
        return True

    def hear(self, steering: Iterable[SteerPayload]) -> bool:
        """Put steering messages into the conversation; says whether there were any."""
        before = len(self.log)
        self.log.extend(UserMessage(text=item.text, id=item.id) for item in steering)
        return len(self.log) > before

    def ruling(self, tool: str, effect: Effect, arguments: JsonObject) -> Ruling:
        """What the policy of the run says of a call; an agent's own can only make it stricter."""

        def by(policy: Policy) -> Ruling:
            return rule_for(policy, call)

        call = Call(
            agent=self.setup.agent.name,
            tool=tool,
            effect=effect,
            arguments=arguments,
            tenant=self.given.tenant,
            requester=self.given.requester,
        )
        ruling, own = by(self.setup.policy), self.setup.own_policy
        also = ruling if own is None else by(own)
        return ruling if also.rule is None else stricter(ruling, also)

    def _moved(self, before: RunState, after: RunState) -> None:
        at = workflow.now()
        data: JsonObject = {"from": before, "to": after}
        self.journal.tell(StreamEvent(kind="state", at=at, data=data, key=f"state-{at.isoformat()}-{after}"))

    def mark(self, number: int, state: CallState, error: str = "") -> None:
        """Move a call of the ledger to another state."""
        self.ledger.mark(number, state, error)

    def close_calls(self, why: str) -> None:
        """Answer the calls of the last message, which will not run: no call stays without an answer."""
        last = self.log.held[-1]
        calls = last.calls if last.kind == "assistant" else ()
        self.log.extend(
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
        return self.end(StopReason.COMPLETED, output, None)

    def result(self, reason: StopReason, error: ErrorInfo | None = None) -> RunResult:
        """The run ends short of its goal; its output is the last text of the model."""
        return self.end(reason, self.said, error)

    @property
    def said(self) -> str:
        """The last text of the model in this run, or what it had said when the run before continued as this one."""
        here = self.log.held[max(self.said_from - self.log.base, 0) :]
        texts = (message.text for message in reversed(here) if message.kind == "assistant")
        return next((text for text in texts if text), self.said_before)

    def end(self, reason: StopReason, output: JsonValue, error: ErrorInfo | None) -> RunResult:
        """The run ends here, with this output."""
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
        self.steps.close(self)
        self.ended = Ended(workflow.now(), result)
        return result


def _limited(of: L, limits: Limits) -> L:
    return of.model_copy(update={"limits": of.limits.overridden_by(limits)})
