"""The workflow `Reflexion`."""

from dataclasses import replace

from temporalio import workflow

from perdure.domain.model import JsonValue
from perdure.domain.patterns.attempts import Attempt, best_of, concluded, shown, task_of, work_on
from perdure.domain.patterns.reflecting import (
    REFLECTION,
    Reflection,
    ReflexionInput,
    ReflexionResult,
    learnt,
    lessons,
    strategy_for,
)
from perdure.domain.patterns.scoring import Judge
from perdure.domain.patterns.steps import Found
from perdure.domain.run import ContextItem
from workflows.patterns.judging import Question, consult, judged
from workflows.patterns.pattern import Pattern

__all__ = ["Reflexion"]

REFLECT = Question(
    "reflect",
    "The trial above was not good enough at the task below. Say what went wrong, and a strategy for the next trial "
    "that differs from those that were followed.",
    REFLECTION,
)


@workflow.defn(name="Reflexion")
class Reflexion(Pattern):
    """Trials with a reflection after each that failed; all reflections and a new strategy go into the next trial.

    goal --> trial --> evaluate --> good enough? --> output
               ^          |
               |       reflect: what went wrong, next strategy
               +-- all reflections so far, and the strategy

    Source: Reflexion: language agents with verbal reinforcement learning, Shinn et al., 2023.
    Cost: for each trial the model calls of the worker, with a judge those of the judge, and those of a reflection
    between two trials. Failures: a trial that fails is reflected on like one that was not good enough; one whose judge
    failed has no score and is not reflected on, because nobody knows that it was wrong; without a reflection (it may
    fail too, with a warning) the next trial follows no new strategy. Threshold not reached: success with the best trial
    and a warning. No trial has an output: NO_ATTEMPT. Stopped: the best so far.
    """

    takes = ReflexionInput

    def __init__(self) -> None:
        """Start before the first trial."""
        super().__init__()
        self._trials: list[Attempt] = []
        self._reflections: list[Reflection] = []
        self._unreflected: list[str] = []
        self._threshold = 1.0

    @workflow.run
    async def run(self, *payload: JsonValue) -> ReflexionResult:
        """Run to the end."""
        return await self.conduct(ReflexionInput, ReflexionResult, payload, self._work)

    async def _work(self, given: ReflexionInput) -> Found:
        self._threshold = given.threshold
        task, known = task_of(given, given.worker), 0
        for number in range(1, given.trials + 1):
            known += 2 if isinstance(given.score, Judge) else 1
            self.team.stage(f"trial {number} of at most {given.trials}", known)
            strategy = strategy_for(number, self._reflections)
            words = f"This is trial {number}. Follow this strategy: {strategy}" if strategy else ""
            step = work_on(given, given.worker, "trial", number, context=self._remembered(), words=words)
            self._trials.append(Attempt.of(number, await self.team.ask(step)))
            trial = self._trials[-1] = await judged(self.team, given.score, task, self._trials[-1])
            if trial.reaches(given.threshold):
                break
            if number < given.trials and trial.unscored is None:
                known += 1
                self.team.stage(f"reflection on trial {number}", known)
                await self._reflect(given, task, trial)
        return self.reached()

    def _remembered(self) -> tuple[ContextItem, ...]:
        """Where reflections come from: this run."""
        return lessons(self._reflections)

    async def _reflect(self, given: ReflexionInput, task: str, trial: Attempt) -> None:
        about = (*self._remembered(), *shown(trial, "trial"))
        done = await consult(self.team, given.reflector, REFLECT, task, context=about, number=trial.number)
        if done.error is not None:
            self._unreflected.append(f"no reflection on trial {trial.number}: {done.error.code}: {done.error.message}")
        else:
            self._reflections.append(learnt(trial.number, done.output))

    def reached(self) -> Found:
        """The best trial so far."""
        best = best_of(self._trials)
        enough = best is not None and best.reaches(self._threshold)
        missed = "" if enough else f"the threshold {self._threshold:g} was not reached"
        details = {"trials": tuple(self._trials), "reflections": tuple(self._reflections)}
        found = concluded(self._trials, best, missed, details, "trial")
        return replace(found, warnings=(*found.warnings, *self._unreflected))
