"""What a run does with answers that are neither calls nor the end: text out of form, and levels of thought."""

from perdure.domain.errors import ErrorInfo
from perdure.domain.messages import UserMessage
from perdure.domain.react import reminder
from perdure.domain.run import StopReason
from perdure.domain.thinking import LEVELS, Thinking, pursue, read_thoughts
from workflows.control import RunEndedError
from workflows.run import AgentRun

__all__ = ["MAX_REPAIRS", "ended", "level", "remind", "weigh", "well_formed"]

MAX_REPAIRS = 2


def level(run: AgentRun) -> int:
    """The level of thoughts (from 1) that the next model call is for; 0 when it is for the task itself."""
    done = run.thinking.levels
    return done + 1 if run.setup.agent.reasoning == "tot" and done < LEVELS else 0


def remind(run: AgentRun, problem: str) -> None:
    """Tell the model what form its text must have; too often in a row ends the run."""
    run.thinking = run.thinking.model_copy(update={"malformed": run.thinking.malformed + 1})
    if run.thinking.malformed > MAX_REPAIRS:
        raise ended("MalformedAction", f"{run.thinking.malformed} answers in a row could not be read: {problem}")
    run.log.add(UserMessage(text=reminder(problem)))


def well_formed(thinking: Thinking) -> Thinking:
    """The model has found back into the form."""
    return thinking.model_copy(update={"malformed": 0}) if thinking.malformed else thinking


def weigh(run: AgentRun, text: str) -> str:
    """Have the best thought of this level pursued; says what is wrong with the thoughts (empty: nothing)."""
    thoughts, problem = read_thoughts(text)
    if not problem:
        run.log.add(UserMessage(text=pursue(thoughts, run.thinking.levels)))
        run.thinking = run.thinking.model_copy(update={"levels": run.thinking.levels + 1})
    return problem


def ended(code: str, message: str) -> RunEndedError:
    """The end of a run by an error of the model."""
    return RunEndedError(StopReason.ERROR, ErrorInfo.of(code, message))
