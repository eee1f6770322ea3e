"""The workflow `Debate`."""

from collections.abc import Sequence
from dataclasses import replace

from temporalio import workflow

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue
from perdure.domain.patterns.debate import (
    MIN_SPEAKERS,
    DebateInput,
    DebateResult,
    DebateRound,
    DebateVerdict,
    debate_outcome,
    has_converged,
    judge_goal,
    turn_goal,
    verdict_schema,
)
from perdure.domain.patterns.steps import Found, Step, named, text_of
from perdure.domain.run import ContextItem
from workflows.patterns.pattern import Pattern

__all__ = ["Debate"]


@workflow.defn(name="Debate")
class Debate(Pattern):
    """Debaters answer each other for some rounds, and a judge says who made the best case or that all agree.

    goal --> ann  ben  cid --> ann  ben  cid --> ... --> judge --> winner, convergence, or nobody
             (round 1)         (each has read the others)

    Source: Improving factuality and reasoning in language models through multiagent debate, Du et al., 2023; AI safety
    via debate, Irving et al., 2018.
    Cost: debaters x rounds steps, and one of the judge (with `judge_each_round` one after each round).
    Failures: a debater that fails loses its turn, is named in its round and to the judge, and counts as agreeing with
    nobody: a round in which somebody failed never ends the debate as converged. Fewer than two speakers in a round:
    TOO_FEW_DEBATERS. The judge fails after the last round: JUDGE_FAILED (after an earlier one: the debate goes on). No
    winner and no convergence: NO_WINNER. All rounds are in the result in every case.
    """

    takes = DebateInput

    @workflow.run
    async def run(self, *payload: JsonValue) -> DebateResult:
        """Run to the end."""
        return await self.conduct(DebateInput, DebateResult, payload, self._work)

    async def _work(self, given: DebateInput) -> Found:
        names = named(given.debaters, "debater")
        last: dict[str, JsonValue] = {}
        rounds: list[DebateRound] = []
        judgings = given.rounds if given.judge_each_round else 1
        for number in range(1, given.rounds + 1):
            self.team.stage(f"round {number}", given.rounds * len(names) + judgings)
            round_ = await self._round(given, names, last, number)
            last |= round_.statements
            rounds.append(round_)
            self.team.keep(dict(last), rounds=rounds)
            if len(round_.statements) < MIN_SPEAKERS:
                break
            if given.judge_each_round or number == given.rounds:
                rounds[-1] = await self._judged(given, rounds, [name for name in names if name in last])
                self.team.keep(dict(last), rounds=rounds)
            if has_converged(rounds[-1].verdict, round_.statements, names):
                break
        return _found(rounds, last, names)

    async def _round(
        self, given: DebateInput, names: Sequence[str], last: dict[str, JsonValue], number: int
    ) -> DebateRound:
        steps: list[Step] = []
        for name, debater in zip(names, given.debaters, strict=True):
            said = [
                ContextItem(title="your last statement" if who == name else f"last statement of {who}", text=words)
                for who, words in ((who, text_of(last[who])) for who in names if who in last)
            ]
            step = debater.step(name, given.goal, said, number)
            goal = turn_goal(step.goal, debater.position, number)
            steps.append(replace(step, goal=goal, output_schema=step.output_schema or given.output_schema))
        ended = await self.team.ask_all(steps, given.max_concurrent)
        return DebateRound(
            number=number,
            statements={done.step.id: done.output for done in ended if done.success},
            failures={done.step.id: done.error for done in ended if done.error is not None},
        )

    async def _judged(self, given: DebateInput, rounds: Sequence[DebateRound], heard: Sequence[str]) -> DebateRound:
        said = tuple(
            ContextItem(title=f"round {each.number}: {name}", text=text_of(text))
            for each in rounds
            for name, text in each.statements.items()
        )
        number = rounds[-1].number
        goal, schema = judge_goal(given.goal, rounds), verdict_schema(heard)
        judged = await self.team.ask(
            Step(id="judge", goal=goal, agent=given.judge, context=said, output_schema=schema, iteration=number)
        )
        if judged.error is not None:
            return rounds[-1].model_copy(update={"judge_failure": judged.error})
        return rounds[-1].model_copy(update={"verdict": DebateVerdict.model_validate(judged.output)})


def _found(rounds: Sequence[DebateRound], last: dict[str, JsonValue], names: Sequence[str]) -> Found:
    """What the last round came to."""
    end = rounds[-1]
    outcome = debate_outcome(end.verdict, end.statements, last, names)
    winner = end.verdict.winner if end.verdict is not None and outcome == "winner" else None
    details: dict[str, object] = {
        "outcome": outcome,
        "winner": winner,
        "reason": end.verdict.reason if end.verdict else "",
        "converged": has_converged(end.verdict, end.statements, names),
        "rounds": rounds,
    }
    if outcome in ("winner", "converged"):
        return Found(last[winner or names[0]], details)
    code = outcome.upper()
    lost = ", ".join(end.failures) or "nobody"
    words = f"after {len(rounds)} rounds: {outcome.replace('_', ' ')}; in the last one these failed: {lost}"
    if end.judge_failure is not None:
        words = f"the judge failed: {end.judge_failure.code}: {end.judge_failure.message}"
    return Found(dict(last), details, ErrorInfo.of(code, words))
