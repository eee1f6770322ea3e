"""The base of every pattern: a run that people steer and see like any other, whose work is done by those below it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ClassVar, TypeVar

from perdure.domain.model import JsonValue
from perdure.domain.patterns.steps import Found, PatternInput, PatternResult
from perdure.domain.run import RunState, StopReason
from workflows import calls
from workflows.control import RunEndedError
from workflows.handlers import Handlers
from workflows.lifetime import live
from workflows.patterns.team import Team
from workflows.payloads import own, parse

__all__ = ["Pattern"]

R = TypeVar("R", bound=PatternResult)
I = TypeVar("I", bound=PatternInput)  # noqa: E741 - an input


class Pattern(Handlers):
    """A pattern says what it takes (`takes`) and does (`conduct`); the rest is the same for all.

    It does not continue as new: the number of its steps is bounded, and each step is a run of its own, which does.
    """

    takes: ClassVar[type[PatternInput]] = PatternInput

    def __init__(self) -> None:
        """Start idle."""
        super().__init__()
        self._run.conducts = True
        self.team = Team(self._run)

    async def conduct(
        self, given: type[I], result: type[R], payload: tuple[JsonValue, ...], work: Callable[[I], Awaitable[Found]]
    ) -> R:
        """Do the work with the validated input and make a result of what it found, also when it ends early."""
        return await live(self._run, self._conducted(given, result, payload, work))

    async def _conducted(
        self, given: type[I], result: type[R], payload: tuple[JsonValue, ...], work: Callable[[I], Awaitable[Found]]
    ) -> R:
        run = self._run
        taken = own(parse(given, payload, f"input of {self.name}"))
        run.begin(taken)
        run.prepared(await calls.prepare(taken))
        run.control.enter(RunState.EXECUTING)
        try:
            found = await work(taken)
            reason = StopReason.COMPLETED if found.error is None else found.reason
        except RunEndedError as end:
            run.approvals.close()
            found, reason = replace(self.reached(), error=end.error), end.reason
        run.warnings.extend(found.warnings)
        run.steps.score = found.score
        done = reason is StopReason.COMPLETED
        ended = run.completed(found.output) if done else run.end(reason, found.output, found.error)
        beyond = {**found.details, "evaluation_score": found.score, "steps": run.steps.closed}
        return result.model_validate({**ended.model_dump(), **beyond})

    def reached(self) -> Found:
        """What it has come to when it ends early, by a stop or a limit; a pattern that knows better says so."""
        return Found(self.team.reached, self.team.kept)

    @property
    def name(self) -> str:
        """Name of the workflow type."""
        return type(self).__name__
