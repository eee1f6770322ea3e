"""Everything that a run carries over when it continues as new: one versioned model."""

from datetime import datetime
from typing import Literal

from perdure.domain.approvals import Decision, Request, Standing
from perdure.domain.archive import StoredPage
from perdure.domain.audit import AuditEntry, AuditHead
from perdure.domain.budget import Spent
from perdure.domain.calls import Planned
from perdure.domain.context import View
from perdure.domain.control import SteerPayload
from perdure.domain.events import StreamEvent
from perdure.domain.messages import TranscriptRef
from perdure.domain.model import JsonValue, Model, Partial
from perdure.domain.policy import Rule
from perdure.domain.results import OpenStep
from perdure.domain.run import AgentInput, Child, Notice, Setup
from perdure.domain.thinking import Thinking
from perdure.domain.tokens import Calibration
from perdure.domain.tools import LedgerEntry

__all__ = [
    "Answer",
    "ApprovalsState",
    "Carried",
    "ContextState",
    "ControlState",
    "JournalState",
    "Logs",
    "Question",
    "SessionState",
    "Waiting",
]


class Waiting(Model, frozen=True):
    """A request that waits for a person, and the rule it was asked under."""

    request: Request
    rule: Rule | None = None


class ApprovalsState(Model, frozen=True):
    """Requests that wait, oldest first, and the decisions that were taken, by request id.

    Of a decision whose request is closed only who said what is kept.
    """

    waiting: tuple[Waiting, ...] = ()
    decided: dict[str, Decision] = {}
    standing: tuple[Standing, ...] = ()


class ControlState(Model, frozen=True):
    """What people asked of the run. `idle` is the time in seconds that it has not worked from `started` to `at`."""

    paused: bool = False
    stopping: bool = False
    started: datetime
    idle: float = 0.0
    at: datetime
    steering: tuple[SteerPayload, ...] = ()
    steer_ids: tuple[str, ...] = ()


class Logs(Model, frozen=True):
    """Where messages, tool calls and steps of the earlier runs of the chain lie."""

    messages: tuple[StoredPage, ...] = ()
    calls: tuple[StoredPage, ...] = ()
    steps: tuple[StoredPage, ...] = ()


class ContextState(Model, frozen=True):
    """What the model sees of the transcript, and how much of it there is.

    `characters` are of message JSON in the view, `sent` is the number of messages the model was sent, `edition` counts
    compactions, `stuck` is the size in characters at which a compaction saved nothing.
    """

    view: View
    reference: TranscriptRef
    characters: int
    sent: int
    unsent: int = 0
    edition: int = 0
    stuck: int = 0
    calibration: Calibration = Calibration()


class Question(Model, frozen=True):
    """A question to a session."""

    message_id: str
    text: str


class Answer(Model, frozen=True):
    """What a session answered: a reply, or why there is none (`code`, a stop reason).

    The reply of an older answer is left out here and read from message number `message` of the transcript.
    """

    reply: JsonValue = None
    message: int | None = None
    code: str = ""
    text: str = ""
    details: JsonValue = None


class SessionState(Model, frozen=True):
    """What a session carries beside the state of its run."""

    idle_seconds: float
    queue: tuple[Question, ...] = ()
    asking: bool = False
    answers: dict[str, Answer] = {}
    questions: int = 0


class JournalState(Model, frozen=True):
    """The audit log of a run: its head, how much of it is known to be written, and what may not be."""

    head: AuditHead = AuditHead()
    written: AuditHead = AuditHead()
    entries: tuple[AuditEntry, ...] = ()
    events: tuple[StreamEvent, ...] = ()


class Carried(Partial, frozen=True):
    """Input of a run that continues another one. New fields get defaults: states of earlier releases stay readable.

    `chain` is the id of the first run: nobody can know it who starts a run with a state of his own making.
    """

    version: Literal[1]
    chain: str
    given: AgentInput
    setup: Setup
    upcoming: tuple[AgentInput, Setup] | None = None
    logs: Logs
    context: ContextState
    spent: Spent
    earlier: Spent = Spent()
    said: str = ""
    said_from: int = 0
    extended: int = 0
    repairs: int = 0
    failures: int = 0
    thinking: Thinking = Thinking()
    ledger: tuple[LedgerEntry, ...] = ()
    turn: tuple[Planned, ...] | None = None
    step: OpenStep | None = None
    control: ControlState
    approvals: ApprovalsState = ApprovalsState()
    children: tuple[Child, ...] = ()
    notices: tuple[Notice, ...] = ()
    warnings: tuple[str, ...] = ()
    session: SessionState | None = None
    journal: JournalState = JournalState()
    tokens: tuple[str, ...] = ()
