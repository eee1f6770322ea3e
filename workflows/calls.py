"""The only module that executes activities: their names, timeouts, retry policies and summaries."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.workflow import ActivityCancellationType

from perdure.domain.archive import Archived, ArchiveRequest
from perdure.domain.context import Compaction, CompactRequest
from perdure.domain.run import AgentInput, ModelReply, ModelRequest, Setup, StopReason
from perdure.domain.state import Carried
from perdure.domain.tools import CallOutcome, ToolCall, ToolSpec, Verification
from workflows.control import Control, RunEndedError

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

HEARTBEAT = timedelta(seconds=3)
ONCE_HEARTBEAT = timedelta(seconds=5)
"""Longer for effects that cannot be repeated: a false alarm costs a person's attention."""
MODEL_CALL = timedelta(minutes=15)
QUICK_TRIES = 5
OUTAGE = timedelta(hours=24)
TOOL_GRACE = timedelta(seconds=5)
REPEATS = 10
STEADY = timedelta(seconds=1)

STORING = timedelta(minutes=5)
STORE_OUTAGE = timedelta(minutes=2)
"""For what somebody waits for: then the question fails with words, and can be asked again."""
PATIENT = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
"""For the blob store: nothing can go on without it, so its outage is waited out, for as long as it lasts."""

T = TypeVar("T")


def _retry(attempts: int) -> RetryPolicy:
    """Steady retries: a lost worker is retried after a second; errors of providers bring their own delay."""
    return RetryPolicy(initial_interval=STEADY, backoff_coefficient=1.0, maximum_attempts=attempts)


async def prepare(given: AgentInput) -> Setup:
    """Resolve names, defaults, tools, policy and prices once; its recorded answer is what the run is made of."""
    try:
        return await workflow.execute_activity(
            "run.prepare",
            given,
            result_type=Setup,
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=HEARTBEAT,
            retry_policy=_retry(REPEATS),
            summary=f"resolve agent {given.agent if isinstance(given.agent, str) else given.agent.name}",
        )
    except ActivityError as error:
        _pass_on_cancel(error)
        raise as_failure(error) from None


async def reply(control: Control, request: ModelRequest, turn: int, left: timedelta | None) -> ModelReply:
    """Ask the model. What passes by itself is waited out: a few quick tries, then visibly, for up to a day."""
    try:
        return await _until_stopped(control, _start_reply(request, turn, attempts=QUICK_TRIES), left)
    except ActivityError as error:
        if _is_final(error):
            raise as_failure(error) from None
        cause = error.cause
    pause = cause.next_retry_delay if isinstance(cause, ApplicationError) and cause.non_retryable else None
    patient = request.model_copy(update={"tries": request.tries + QUICK_TRIES})
    with control.waiting(f"the model provider: {getattr(cause, 'message', None) or cause}"):
        if pause is not None:  # the provider said when to come back, and that is long
            await control.rest(pause)
        try:
            return await _until_stopped(control, _start_reply(patient, turn, attempts=0), control.until_deadline)
        except ActivityError as error:
            raise as_failure(error) from None


def _start_reply(request: ModelRequest, turn: int, attempts: int) -> "workflow.ActivityHandle[ModelReply]":
    return workflow.start_activity(
        "llm.reply",
        request,
        result_type=ModelReply,
        start_to_close_timeout=MODEL_CALL,
        schedule_to_close_timeout=None if attempts else OUTAGE,
        heartbeat_timeout=HEARTBEAT,
        retry_policy=_retry(attempts),
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
        retry_policy=_retry(QUICK_TRIES),
        summary=f"make the conversation smaller before turn {request.turn + 1}",
    )
    try:
        return await _until_stopped(control, task, left)
    except ActivityError as error:
        _pass_on_cancel(error)
        return Compaction(problem=str(getattr(error.cause, "message", None) or error.cause))


async def archive(request: ArchiveRequest) -> Archived:
    """Store what leaves the workflow; an outage of the store is waited out, for as long as it lasts."""
    return await _store("run.archive", [request], Archived, "store the transcript and continue as new")


async def open_session() -> Carried | None:
    """State of the session that had this id before and was closed; None: there was none."""
    kind: Any = Carried | None
    return await _store("session.open", [], kind, "look for an earlier session of this id", patience=STORE_OUTAGE)


async def close_session(state: Carried | None) -> None:
    """Keep the state of a session that closes, so that it can be opened again; None: forget what was kept."""
    await _store("session.close", [state], None, "keep the session" if state else "forget the session")


async def stored_reply(blob: str, number: int) -> str:
    """Text of the message with this number in a stored page."""
    return await _store("session.reply", [blob, number], str, "read an earlier reply", patience=STORE_OUTAGE)


async def _store(
    activity: str, args: Sequence[Any], kind: type[T] | None, summary: str, patience: timedelta | None = None
) -> T:
    """Use the blob store; raises its typed failure when it is away for longer than `patience` (None: for ever)."""
    try:
        return await workflow.execute_activity(
            activity,
            args=args,
            result_type=kind,
            start_to_close_timeout=STORING,
            schedule_to_close_timeout=patience,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=PATIENT,
            summary=summary,
        )
    except ActivityError as error:
        _pass_on_cancel(error)
        raise as_failure(error) from None


async def call_tool(control: Control, spec: ToolSpec, call: ToolCall) -> CallOutcome:
    """Run one tool call. Repeatable effects are retried when their worker is lost; the others then are unknown."""
    repeatable = spec.effect.repeatable
    task = workflow.start_activity(
        "tools.call",
        call,
        result_type=CallOutcome,
        start_to_close_timeout=first_attempt(spec),
        heartbeat_timeout=HEARTBEAT if repeatable else ONCE_HEARTBEAT,
        retry_policy=_retry(REPEATS if repeatable else 1),
        cancellation_type=ActivityCancellationType.TRY_CANCEL
        if repeatable
        else ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=_summary(spec, call),
    )
    try:
        return await (_until_stopped(control, task, None) if repeatable else task)
    except ActivityError as error:
        _pass_on_cancel(error)
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
            retry_policy=_retry(REPEATS),
            summary=f"did {spec.name} #{call.number} happen?",
        )
    except ActivityError as error:
        _pass_on_cancel(error)
        return Verification(problem=str(error.cause))


async def _until_stopped(control: Control, task: "workflow.ActivityHandle[T]", left: timedelta | None) -> T:
    """Result of the task, unless the run is told to stop or its time is over first: then the task is cancelled."""
    try:
        await workflow.wait_condition(lambda: task.done() or control.stopping, timeout=left)
    except TimeoutError:
        task.cancel()
        raise RunEndedError(StopReason.TIME_LIMIT) from None
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not task.done():
        task.cancel()
        raise RunEndedError(StopReason.STOPPED)
    return await task


def _is_final(error: ActivityError) -> bool:
    """Whether waiting does not help. A long wait that the provider asked for fails the quick tries with its delay."""
    cause = error.cause
    return isinstance(cause, ApplicationError) and cause.non_retryable and cause.next_retry_delay is None


def _pass_on_cancel(error: ActivityError) -> None:
    """Let the cancellation of the run through: as a value it would be swallowed and the run would go on."""
    if isinstance(error.cause, CancelledError):
        raise asyncio.CancelledError from error


def as_failure(error: ActivityError) -> ApplicationError:
    """Take the typed failure of an activity as the failure of the run."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return ApplicationError(cause.message, *cause.details, type=cause.type, non_retryable=True)
    return ApplicationError(str(cause or error), type="ProviderUnavailable", non_retryable=True)


def _summary(spec: ToolSpec, call: ToolCall) -> str:
    """One line for the Web UI, at most 100 characters: the tool and its first argument."""
    first: Any = next(iter(call.arguments.values()), "")
    return f"{spec.name} {first}"[:100].replace("\n", " ")
