"""Activities that the work of a run is made of: their names, timeouts, retry policies and summaries."""

from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.workflow import ActivityCancellationType

from perdure.domain.archive import Archived, ArchiveRequest
from perdure.domain.context import Compaction, CompactRequest
from perdure.domain.messages import AssistantMessage
from perdure.domain.run import AgentInput, ModelReply, ModelRequest, Setup
from perdure.domain.state import Carried
from perdure.domain.tools import CallOutcome, ToolCall, ToolSpec, Verification
from workflows.control import Broken, Control
from workflows.executing import HEARTBEAT, REPEATS, STORE_OUTAGE, as_failure, pass_on_cancel, retry, store
from workflows.waits import until_stopped

__all__ = [
    "archive",
    "call_tool",
    "close_session",
    "compact",
    "open_session",
    "prepare",
    "reply",
    "stored_reply",
    "verify",
]

ONCE_HEARTBEAT = timedelta(seconds=5)
"""Longer for effects that cannot be repeated: a false alarm costs a person's attention."""
MODEL_CALL = timedelta(minutes=15)
QUICK_TRIES = 5
OUTAGE = timedelta(hours=24)
TOOL_GRACE = timedelta(seconds=5)
NOTHING_SAID = ModelReply(message=AssistantMessage(), stop="interrupted")

T = TypeVar("T")


async def prepare(given: AgentInput) -> Setup:
    """Resolve names, defaults, tools, policy and prices once; its recorded answer is what the run is made of."""
    try:
        return await workflow.execute_activity(
            "run.prepare",
            given.own,
            result_type=Setup,
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=HEARTBEAT,
            retry_policy=retry(REPEATS),
            summary=f"resolve agent {given.agent if isinstance(given.agent, str) else given.agent.name}",
        )
    except ActivityError as error:
        pass_on_cancel(error)
        raise as_failure(error) from None


async def reply(
    control: Control, request: ModelRequest, turn: int, left: timedelta | None, broken: Broken = lambda: False
) -> ModelReply:
    """Ask the model. What passes by itself is waited out: a few quick tries, then visibly, for up to a day.

    When somebody breaks in, the reply is what the model has said until then.
    """
    try:
        return await _broken_off(control, _start_reply(request, turn, attempts=QUICK_TRIES), left, broken)
    except ActivityError as error:
        if _is_final(error):
            raise as_failure(error) from None
        cause = error.cause
    pause = cause.next_retry_delay if isinstance(cause, ApplicationError) and cause.non_retryable else None
    patient = request.model_copy(update={"tries": request.tries + QUICK_TRIES})
    with control.waiting(f"the model provider: {getattr(cause, 'message', None) or cause}"):
        if pause is not None:  # the provider said when to come back, and that is long
            await control.rest(pause, broken)
            if broken():
                return NOTHING_SAID
        try:
            return await _broken_off(control, _start_reply(patient, turn, attempts=0), control.until_deadline, broken)
        except ActivityError as error:
            raise as_failure(error) from None


async def _broken_off(
    control: Control, task: "workflow.ActivityHandle[ModelReply]", left: timedelta | None, broken: Broken
) -> ModelReply:
    """The reply; when somebody breaks in, what was said until then: nothing where the call fails or its worker dies."""
    try:
        return await until_stopped(control, task, left, broken)
    except ActivityError:
        if broken():
            return NOTHING_SAID
        raise


def _start_reply(request: ModelRequest, turn: int, attempts: int) -> "workflow.ActivityHandle[ModelReply]":
    return workflow.start_activity(
        "llm.reply",
        request,
        result_type=ModelReply,
        start_to_close_timeout=MODEL_CALL,
        schedule_to_close_timeout=None if attempts else OUTAGE,
        heartbeat_timeout=HEARTBEAT,
        retry_policy=retry(attempts),
        # A call that is broken off still says what it has: nobody else waits for it (see `until_stopped`).
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=f"turn {turn}",
    )


async def compact(control: Control, request: CompactRequest, left: timedelta | None) -> Compaction:
    """Make the conversation smaller, which may ask the model for a summary; trouble that lasts is an empty answer."""
    task = workflow.start_activity(
        "context.compact",
        request,
        result_type=Compaction,
        start_to_close_timeout=MODEL_CALL,
        heartbeat_timeout=HEARTBEAT,
        retry_policy=retry(QUICK_TRIES),
        summary=f"make the conversation smaller before turn {request.turn + 1}",
    )
    try:
        return await until_stopped(control, task, left)
    except ActivityError as error:
        pass_on_cancel(error)
        return Compaction(problem=str(getattr(error.cause, "message", None) or error.cause))


async def archive(request: ArchiveRequest) -> Archived:
    """Store what leaves the workflow; an outage of the store is waited out, for as long as it lasts."""
    return await store("run.archive", [request], Archived, "store the transcript and continue as new")


async def open_session() -> Carried | None:
    """State of the session that had this id before and was closed; None: there was none."""
    kind: Any = Carried | None
    return await store("session.open", [], kind, "look for an earlier session of this id", patience=STORE_OUTAGE)


async def close_session(state: Carried | None) -> None:
    """Keep the state of a session that closes, so that it can be opened again; None: forget what was kept."""
    await store("session.close", [state], None, "keep the session" if state else "forget the session")


async def stored_reply(blob: str, number: int) -> str:
    """Text of the message with this number in a stored page."""
    return await store("session.reply", [blob, number], str, "read an earlier reply", patience=STORE_OUTAGE)


async def call_tool(control: Control, spec: ToolSpec, call: ToolCall) -> CallOutcome:
    """Run one tool call. Repeatable effects are retried when their worker is lost; the others then are unknown."""
    repeatable = spec.effect.repeatable
    task = workflow.start_activity(
        "tools.call",
        call,
        result_type=CallOutcome,
        start_to_close_timeout=first_attempt(spec),
        heartbeat_timeout=HEARTBEAT if repeatable else ONCE_HEARTBEAT,
        retry_policy=retry(REPEATS if repeatable else 1),
        cancellation_type=ActivityCancellationType.TRY_CANCEL
        if repeatable
        else ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=_summary(spec, call),
    )
    try:
        return await (until_stopped(control, task, None) if repeatable else task)
    except ActivityError as error:
        pass_on_cancel(error)
        why = getattr(error.cause, "message", None) or str(error.cause)
        if repeatable:
            return CallOutcome(error="EXECUTION_ERROR", text=f"{call.tool} could not be completed: {why}")
        return CallOutcome(error="UNKNOWN_OUTCOME", text=why, unknown=True)


def first_attempt(spec: ToolSpec) -> timedelta:
    """How long one attempt at a call may last, from start to close."""
    return timedelta(seconds=spec.timeout) + TOOL_GRACE


async def verify(spec: ToolSpec, call: ToolCall) -> Verification:
    """Ask the tool's read-back hook whether the call with this key happened; any trouble means: still unknown."""
    try:
        return await workflow.execute_activity(
            "tools.verify",
            call,
            result_type=Verification,
            start_to_close_timeout=first_attempt(spec),
            heartbeat_timeout=HEARTBEAT,
            retry_policy=retry(REPEATS),
            summary=f"did {spec.name} #{call.number} happen?",
        )
    except ActivityError as error:
        pass_on_cancel(error)
        return Verification(problem=str(error.cause))


def _is_final(error: ActivityError) -> bool:
    """Whether waiting does not help. A long wait that the provider asked for fails the quick tries with its delay."""
    cause = error.cause
    return isinstance(cause, ApplicationError) and cause.non_retryable and cause.next_retry_delay is None


def _summary(spec: ToolSpec, call: ToolCall) -> str:
    """One line for the Web UI, at most 100 characters: the tool and its first argument."""
    first: Any = next(iter(call.arguments.values()), "")
    return f"{spec.name} {first}"[:100].replace("\n", " ")
