"""The bounded turn loop: ask the model, run what it calls, until it answers, is told to stop or meets a limit."""

from perdure.domain.answer import parse_answer
from perdure.domain.arguments import check_value
from perdure.domain.messages import UserMessage
from perdure.domain.model import JsonValue
from perdure.domain.run import ModelReply, RunResult
from perdure.domain.thinking import conclusion
from workflows.control import RunEndedError
from workflows.limits import LIMITS
from workflows.model import ask_model, last_word
from workflows.run import AgentRun
from workflows.thoughts import MAX_REPAIRS, ended, level, remind, weigh, well_formed
from workflows.turn import plan_calls, run_calls

__all__ = ["run_agent"]

MAX_FAILED_TURNS = 3
HOW_AGAIN = {
    "react": "Finish again, in the same form, with the corrected answer.",
    "cot": 'Write again a line that begins with "Answer:", and after it only the corrected answer.',
}
"""How a corrected answer is asked for, by mode of reasoning."""


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
            if reply.stop != "interrupted" and (result := _take_in(run, reply)) is not None:
                return result
    except RunEndedError as end:
        run.approvals.close()
        if run.given.on_limit == "summarise" and end.reason in LIMITS:
            await last_word(run)
        return run.result(end.reason, end.error)


def _take_in(run: AgentRun, reply: ModelReply) -> RunResult | None:
    """Plan the calls of an answer, have it corrected, or end with it: then there is a result."""
    if reply.message.calls:
        run.thinking = well_formed(run.thinking)
        plan_calls(run, reply.message.calls)
    elif reply.malformed:
        remind(run, reply.malformed)
    elif level(run):
        if problem := weigh(run, reply.message.text):
            _ask_again(run, problem)
    elif not run.hear(run.control.take(idle=True)):
        output, problem = _output(run, reply)
        if not problem:
            if reply.unused and not run.asks_on:
                raise ended("UnusedStep", reply.unused)
            return run.completed(output)
        _ask_again(run, problem)
    return None


async def _answer_calls(run: AgentRun) -> None:
    run.failures = 0 if await run_calls(run) else run.failures + 1
    run.reconfigure()
    if run.failures > MAX_FAILED_TURNS:
        raise ended("InvalidToolCalls", f"no tool call of the last {run.failures} turns succeeded")


def _ask_again(run: AgentRun, problem: str) -> None:
    run.repairs += 1
    if run.repairs > MAX_REPAIRS:
        raise ended("InvalidOutput", f"the answer did not fit output_schema: {problem}")
    how = HOW_AGAIN.get("" if level(run) else run.setup.agent.reasoning, "Answer again with only the corrected JSON.")
    run.log.add(UserMessage(text=f"Your answer does not fit the output schema: {problem}. {how}"))


def _output(run: AgentRun, reply: ModelReply) -> tuple[JsonValue, str]:
    """The final output, and what is wrong with it (empty: nothing)."""
    schema, text, problem = run.setup.output_schema, reply.message.text, ""
    if run.setup.agent.reasoning == "cot":
        text, problem = conclusion(text)
    if schema is None or problem:
        return text, problem
    value, problem = parse_answer(text)
    if problem:
        return None, problem
    return value, check_value(schema, value) or reply.misfit
