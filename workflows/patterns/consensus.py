"""The workflow `Consensus`."""

from collections.abc import Sequence
from dataclasses import replace

from temporalio import workflow

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue
from perdure.domain.patterns.consensus import (
    ANSWER,
    ANSWER_SCHEMA,
    PROPOSE,
    PROPOSE_AGAIN,
    Answer,
    ConsensusInput,
    ConsensusResult,
    ConsensusRound,
    objections,
    weigh,
)
from perdure.domain.patterns.steps import Done, Found, Step, named
from perdure.domain.run import ContextItem
from workflows.patterns.pattern import Pattern

__all__ = ["Consensus"]


@workflow.defn(name="Consensus")
class Consensus(Pattern):
    """Peers propose, accept or reject in rounds, until enough of them accept one proposal or the rounds are over.

    goal --> proposer --> proposal --> peers: accept | reject, why --> agreed
                 ^                                       |
                 +--------- all objections --------------+

    Source: ReConcile: round-table conference improves reasoning via consensus among diverse LLMs, Chen et al., 2023;
    propose and answer as in FIPA Contract Net and Propose interaction protocols.
    Cost: in each round one step of the proposer and one of every other peer.
    Failures: a peer that fails neither accepts nor rejects and is in the `failures` of its round; when fewer than the
    quorum answer, or the proposer fails, the round has no quorum, and the next one begins. After the last round:
    NO_AGREEMENT or NO_QUORUM, as that round came out; `output` is the last proposal, and every round is in the result.
    """

    takes = ConsensusInput

    @workflow.run
    async def run(self, *payload: JsonValue) -> ConsensusResult:
        """Run to the end."""
        return await self.conduct(ConsensusInput, ConsensusResult, payload, self._work)

    async def _work(self, given: ConsensusInput) -> Found:
        rounds: list[ConsensusRound] = []
        proposal: JsonValue = None
        for number in range(1, given.rounds + 1):
            self.team.stage(f"round {number}", given.rounds * len(given.peers))
            proposed = await self._propose(given, rounds, number)
            if proposed.success:
                proposal = proposed.output
                self.team.keep(proposal, rounds=rounds)
            rounds.append(await self._answered(given, rounds, proposed, number))
            self.team.keep(proposal, rounds=rounds)
            if rounds[-1].outcome == "agreed":
                break
        outcome = rounds[-1].outcome
        details: dict[str, object] = {"outcome": outcome, "rounds": rounds}
        if outcome == "agreed":
            return Found(proposal, details)
        lost = ", ".join(rounds[-1].failures) or "nobody"
        words = f"{outcome.replace('_', ' ')} after {len(rounds)} rounds; in the last one these failed: {lost}"
        return Found(proposal, details, ErrorInfo(code=outcome.upper(), type=outcome.upper(), message=words))

    async def _propose(self, given: ConsensusInput, rounds: Sequence[ConsensusRound], number: int) -> Done:
        who = given.proposer_of(number)
        step = given.peers[who].step(named(given.peers, "peer")[who], given.goal, objections(rounds), number)
        task = PROPOSE_AGAIN if rounds else PROPOSE
        schema = step.output_schema or given.output_schema
        return await self.team.ask(replace(step, goal=f"{task}\n\n{step.goal}", output_schema=schema))

    async def _answered(
        self, given: ConsensusInput, rounds: Sequence[ConsensusRound], proposed: Done, number: int
    ) -> ConsensusRound:
        proposer = proposed.step.id
        if proposed.error is not None:
            failures = {proposer: proposed.error}
            return ConsensusRound(number=number, proposer=proposer, outcome="no_quorum", failures=failures)
        steps: list[Step] = []
        for name, peer in zip(named(given.peers, "peer"), given.peers, strict=True):
            if name != proposer:
                context = (*_said_before(rounds, name), proposed.as_context("proposal"))
                step = peer.step(name, given.goal, context, number)
                steps.append(replace(step, goal=f"{ANSWER}\n\n{step.goal}", output_schema=ANSWER_SCHEMA))
        ended = await self.team.ask_all(steps, given.max_concurrent)
        answers = {done.step.id: Answer.model_validate(done.output) if done.success else None for done in ended}
        return ConsensusRound(
            number=number,
            proposer=proposer,
            outcome=weigh(answers, given.rule, given.needed),
            proposal=proposed.output,
            answers={name: answer for name, answer in answers.items() if answer is not None},
            failures={done.step.id: done.error for done in ended if done.error is not None},
        )


def _said_before(rounds: Sequence[ConsensusRound], name: str) -> list[ContextItem]:
    """Why this peer has rejected what was proposed before: every step has a conversation of its own."""
    return [
        ContextItem(title=f"your objection in round {each.number}", text=answer.reason)
        for each in rounds
        if (answer := each.answers.get(name)) is not None and answer.verdict == "reject"
    ]
