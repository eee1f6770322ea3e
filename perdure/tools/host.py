"""Runs tool calls for the activities: every outcome is a value, whatever the tool does."""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from perdure.domain.arguments import check_arguments
from perdure.domain.model import JsonValue
from perdure.domain.tools import CallOutcome, ToolCall, ToolSpec, Verification
from perdure.tools.context import CurrentCall, calling
from perdure.tools.execution import Ended, Execution, OutOfTime
from perdure.tools.outcomes import NotHappened, OutcomeUnknown
from perdure.tools.progress import Progress
from perdure.tools.registry import Registry, default_registry, likely
from perdure.tools.results import as_text, bounded, describe
from perdure.tools.signature import InvalidArgumentsError
from perdure.tools.threads import GRACE, LoopThread

__all__ = [
    "EXECUTION_ERROR",
    "GRACE",
    "INVALID_ARGUMENTS",
    "TIMEOUT",
    "UNKNOWN_OUTCOME",
    "UNKNOWN_TOOL",
    "CallInfo",
    "ToolHost",
]

UNKNOWN_TOOL = "UNKNOWN_TOOL"
INVALID_ARGUMENTS = "INVALID_ARGUMENTS"
EXECUTION_ERROR = "EXECUTION_ERROR"
TIMEOUT = "TIMEOUT"
UNKNOWN_OUTCOME = "UNKNOWN_OUTCOME"

LARGE = 256 * 1024
"""Characters from which a result is made into text in a thread, so that heartbeats go on."""

_LOST = (OutcomeUnknown, TimeoutError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""Exceptions after which a tool that talks to somebody cannot know whether its effect happened."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CallInfo:
    """Where a call comes from.

    `heartbeat` and `progress` are called on the caller's event loop with what the tool shows to server and people.
    """

    workflow_id: str
    attempt: int = 1
    heartbeat: Callable[[JsonValue], None] | None = None
    progress: Callable[[str], None] | None = None


class ToolHost:
    """Runs tools in a thread with an event loop of its own, started with the first call, ended by `close`."""

    def __init__(self, registry: Registry = default_registry) -> None:
        """Serve the tools of `registry`."""
        self._registry = registry
        self._thread: LoopThread | None = None
        self._retired: list[LoopThread] = []

    async def run(self, call: ToolCall, info: CallInfo) -> CallOutcome:
        """Run one attempt. Only cancellation is raised; it reaches the tool and waits up to GRACE for its end.

        Takes at most the tool's timeout plus GRACE seconds. The text may have any size: see `perdure.tools.outputs`.
        """
        tool = self._registry.get(call.tool)
        if tool is None:
            text = f"There is no tool {call.tool[:100]!r}.{likely(call.tool, self._registry.names())}"
            return CallOutcome(error=UNKNOWN_TOOL, text=bounded(text))
        if tool.call is None:
            text = f"The tool {call.tool!r} is hosted by the workflow; a worker cannot run it."
            return CallOutcome(error=UNKNOWN_TOOL, text=text)
        if problem := check_arguments(tool.spec.parameters, call.arguments):
            return _invalid(tool.spec, problem)
        work, arguments = tool.call, call.arguments
        ended = await self._execute(tool.spec, call.key, info, lambda: work(arguments))
        return await _outcome(tool.spec, ended)

    async def verify(self, tool: str, key: str, info: CallInfo | None = None) -> Verification:
        """Ask the read-back hook of `tool` whether the call with `key` happened; any trouble leaves it unknown."""
        known = self._registry.get(tool)
        hook = None if known is None else known.verify
        if known is None or hook is None:
            return Verification(problem=f"the tool {tool[:100]!r} has no verify hook on this worker")
        ended = await self._execute(known.spec, key, info or CallInfo(workflow_id=""), lambda: hook(key))
        return await _verification(known.spec, ended)

    async def close(self) -> None:
        """Cancel what runs, give it GRACE seconds to end, and end the thread."""
        threads = [*self._retired, *([self._thread] if self._thread else [])]
        self._thread, self._retired = None, []
        if not all(await asyncio.gather(*(asyncio.to_thread(thread.stop) for thread in threads))):
            _log.warning("tools.close_incomplete", extra={"reason": "a tool blocks the event loop of the tools"})

    async def _execute(
        self, spec: ToolSpec, key: str, info: CallInfo, work: Callable[[], Awaitable[Any]]
    ) -> Ended | OutOfTime:
        if self._thread is None:
            self._thread = LoopThread()
        thread = self._thread
        execution = Execution(thread, spec.timeout, spec.heartbeat)
        forward, progress = _forwarder(info), Progress(info.progress)

        def beat(details: JsonValue) -> None:
            execution.beat()
            forward(details)

        current = CurrentCall(key, spec.name, info.workflow_id, info.attempt, beat, progress.say)

        async def inside() -> Any:  # noqa: ANN401 - whatever the tool returns
            with calling(current):
                return await work()

        try:
            return await execution.run(inside, contextvars.copy_context())
        finally:
            progress.end()
            if execution.loop_is_stuck and self._thread is thread:
                # A tool blocks the loop: leave it to its thread, the next call gets a fresh one.
                _log.warning("tools.loop_blocked", extra={"tool": spec.name})
                self._retired.append(thread)
                self._thread = None


def _forwarder(info: CallInfo) -> Callable[[JsonValue], None]:
    """Carry heartbeats from the tool's thread to the caller's loop and context."""
    receiver, loop, context = info.heartbeat, asyncio.get_running_loop(), contextvars.copy_context()

    def forward(details: JsonValue) -> None:
        if receiver is not None:
            with suppress(RuntimeError):  # the caller is gone
                loop.call_soon_threadsafe(receiver, details, context=context)

    return forward


async def _outcome(spec: ToolSpec, ended: Ended | OutOfTime) -> CallOutcome:
    if isinstance(ended, OutOfTime):
        return _late(spec, ended)
    if ended.error is not None:
        return _failed(spec, ended.error)
    try:
        return CallOutcome(text=await _text(ended.value))
    except ValueError as error:
        text = f"its result ({type(ended.value).__name__}) is not text and cannot be written as JSON: {describe(error)}"
        done = "" if spec.effect.repeatable else " The call itself was carried out: do not repeat it."
        return CallOutcome(error=EXECUTION_ERROR, text=f"{spec.name} ended, but {text}.{done}")


def _invalid(spec: ToolSpec, problem: str) -> CallOutcome:
    return CallOutcome(error=INVALID_ARGUMENTS, text=bounded(f"Invalid arguments for {spec.name}: {problem}"))


def _late(spec: ToolSpec, ended: OutOfTime) -> CallOutcome:
    if not ended.started:
        text = f"{spec.name} did not start within {spec.timeout:g} s, because other tools kept the worker busy."
        return CallOutcome(error=TIMEOUT, text=text)
    why = f"gave no heartbeat for {spec.heartbeat:g} s" if ended.quiet else f"took longer than {spec.timeout:g} s"
    unknown = not spec.effect.repeatable
    rest = " Its effect may or may not have happened." if unknown else ""
    return CallOutcome(error=TIMEOUT, text=f"{spec.name} {why} and was stopped.{rest}", unknown=unknown)


def _failed(spec: ToolSpec, error: BaseException) -> CallOutcome:
    if isinstance(error, InvalidArgumentsError):
        return _invalid(spec, str(error))
    _log.info("tool.failed", exc_info=error, extra={"tool": spec.name})
    lost = not spec.effect.repeatable and (_holds(error, _LOST) or _holds(error, (asyncio.CancelledError,)))
    if lost:
        text = f"It is not known whether {spec.name} took effect: {describe(error)}"
        return CallOutcome(error=UNKNOWN_OUTCOME, text=text, unknown=True)
    return CallOutcome(error=EXECUTION_ERROR, text=describe(error))


async def _verification(spec: ToolSpec, ended: Ended | OutOfTime) -> Verification:
    if isinstance(ended, OutOfTime):
        return Verification(problem=f"the verify hook of {spec.name} took longer than {spec.timeout:g} s")
    answer = ended.value if ended.error is None else ended.error
    if isinstance(answer, NotHappened) or answer is NotHappened:
        return Verification(happened=False)
    if ended.error is not None:
        return Verification(problem=describe(ended.error))
    if answer is None:
        # A hook that falls off its end must not decide about money.
        return Verification(problem=f"the verify hook of {spec.name} returned None instead of a result or NotHappened")
    try:
        return Verification(happened=True, text=await _text(answer))
    except ValueError as error:
        return Verification(problem=f"what the verify hook of {spec.name} returned is not JSON: {describe(error)}")


async def _text(value: object) -> str:
    """Text of a result, whatever its size; ValueError for what is no text."""
    if isinstance(value, str) and len(value) < LARGE:
        return as_text(value)
    return await asyncio.to_thread(as_text, value)


def _holds(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", error).subgroup(kinds) is not None
    return isinstance(error, kinds)
