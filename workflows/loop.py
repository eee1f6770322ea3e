"""The bounded turn loop: ask the model, run what it calls, until it answers, is told to stop or meets a limit."""

from perdure.domain.answer import parse_answer
from perdure.domain.arguments import check_value
from perdure.domain.errors import ErrorInfo
from perdure.domain.messages import UserMessage
from perdure.domain.model import JsonValue
from perdure.domain.ports import StopKind
from perdure.domain.run import ModelReply, ModelRequest, RunResult, StopReason
from workflows import calls
from workflows.control import RunEndedError
from workflows.run import AgentRun
from workflows.turn import run_calls

__all__ = ["run_agent"]

MAX_REPAIRS = 2
MAX_FAILED_TURNS = 3
DELTA_BYTES = 400_000
"""Messages since the last call travel with the request up to this size; larger ones are read by the activity."""

ENDINGS: dict[StopKind, StopReason] = {
    "refused": StopReason.REFUSED,
    "context_limit": StopReason.CONTEXT_LIMIT,
}


async def run_agent(run: AgentRun) -> RunResult:
    """Drive one agent to its end; every way to end that is not a broken configuration is a result."""
    run.transcript.add(UserMessage(text=run.given.first_message))
    repairs = failures = 0
    try:
        while True:
            await run.control.hold()
            run.hear(run.control.take(idle=False))
            reply = await ask_model(run)
            if reply.message.calls:
                failures = 0 if await run_calls(run, reply.message.calls) else failures + 1
                if failures > MAX_FAILED_TURNS:
                    raise _error("InvalidToolCalls", f"no tool call of the last {failures} turns succeeded")
            elif not run.hear(run.control.take(idle=True)):
                output, problem = _answer(run, reply)
                if not problem:
                    if reply.unused:
                        raise _error("UnusedStep", reply.unused)
                    return run.completed(output)
                repairs += 1
                if repairs > MAX_REPAIRS:
                    raise _error("InvalidOutput", f"the answer did not fit output_schema: {problem}")
                run.transcript.add(
                    UserMessage(
                        text=f"Your answer does not fit the output schema: {problem}. "
                        "Answer again with only the corrected JSON."
                    )
                )
    except RunEndedError as end:
        return run.result(end.reason, end.error)


async def ask_model(run: AgentRun) -> ModelReply:
    """One model call within the budget: reserve, call by reference, settle, and end where the model cannot go on."""
    setup, new = run.setup, run.transcript.since(run.sent)
    left = run.time_left()
    if left.total_seconds() <= 0:
        raise RunEndedError(StopReason.TIME_LIMIT)
    allowance = run.spent.reserve(setup.limits, setup.price, new, setup.settings.max_output_tokens)
    if allowance.tokens < 1:
        raise RunEndedError(allowance.bound)
    small = sum(len(message.model_dump_json()) for message in new) <= DELTA_BYTES
    request = ModelRequest(transcript=run.transcript.ref, new=new if small else (), max_output_tokens=allowance.tokens)
    run.begin_turn()
    reply = await calls.reply(run.control, request, run.spent.turns + 1, left if left < calls.MODEL_CALL else None)
    run.sent = request.transcript
    run.spent.settle(reply.usage, reply.cost_usd)
    run.transcript.add(reply.message)
    run.changed()
    if reply.problem:
        raise _error("UnusableReply", reply.problem)
    if reply.stop in ENDINGS:
        run.close_calls("the model cannot go on")
        raise RunEndedError(ENDINGS[reply.stop])
    if reply.stop == "max_tokens":
        run.close_calls("the answer was cut off at its token limit")
        raise RunEndedError(allowance.bound)
    return reply


def _answer(run: AgentRun, reply: ModelReply) -> tuple[JsonValue, str]:
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
