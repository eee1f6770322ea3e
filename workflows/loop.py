"""The bounded turn loop: ask the model, run what it calls, until it answers, is told to stop or meets a limit."""

from perdure.domain.answer import parse_answer
from perdure.domain.arguments import check_value
from perdure.domain.errors import ErrorInfo
from perdure.domain.messages import UserMessage
from perdure.domain.model import JsonValue
from perdure.domain.run import ModelReply, RunResult, StopReason
from workflows.control import RunEndedError
from workflows.limits import LIMITS
from workflows.model import ask_model, last_word
from workflows.run import AgentRun
from workflows.turn import plan_calls, run_calls

__all__ = ["run_agent"]

MAX_REPAIRS = 2
MAX_FAILED_TURNS = 3


async def run_agent(run: AgentRun) -> RunResult:
    """Drive one agent to its end; every way to end that is not a broken configuration is a result.

    A run that continues another one in the middle of a turn first ends that turn.
    """
    try:
        while True:
            if run.turn is not None:
                await _answer_calls(run)
            await run.control.hold()
            run.hear(run.control.take(idle=False))
            reply = await ask_model(run)
            if reply.stop == "interrupted":
                continue
            if reply.message.calls:
                plan_calls(run, reply.message.calls)
            elif not run.hear(run.control.take(idle=True)):
                output, problem = _output(run, reply)
                if not problem:
                    if reply.unused and not run.asks_on:
                        raise _error("UnusedStep", reply.unused)
                    return run.completed(output)
                _ask_again(run, problem)
    except RunEndedError as end:
        run.approvals.close()
        if run.given.on_limit == "summarise" and end.reason in LIMITS:
            await last_word(run)
        return run.result(end.reason, end.error)


async def _answer_calls(run: AgentRun) -> None:
    run.failures = 0 if await run_calls(run) else run.failures + 1
    run.reconfigure()
    if run.failures > MAX_FAILED_TURNS:
        raise _error("InvalidToolCalls", f"no tool call of the last {run.failures} turns succeeded")


def _ask_again(run: AgentRun, problem: str) -> None:
    run.repairs += 1
    if run.repairs > MAX_REPAIRS:
        raise _error("InvalidOutput", f"the answer did not fit output_schema: {problem}")
    run.log.add(
        UserMessage(
            text=f"Your answer does not fit the output schema: {problem}. Answer again with only the corrected JSON."
        )
    )


def _output(run: AgentRun, reply: ModelReply) -> tuple[JsonValue, str]:
    """The final output, and what is wrong with it (empty: nothing)."""
    schema, text = run.setup.output_schema, reply.message.text
    if schema is None:
        return text, ""
    value, problem = parse_answer(text)
    if problem:
        return None, problem
    return value, check_value(schema, value)


def _error(code: str, message: str) -> RunEndedError:
    return RunEndedError(StopReason.ERROR, ErrorInfo(code=code, type=code, message=message))
