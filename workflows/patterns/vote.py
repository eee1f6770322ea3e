"""The workflow `Vote`."""

from collections.abc import Sequence

from temporalio import workflow

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.patterns.steps import Done, Found, named
from perdure.domain.patterns.voting import Ballot, VoteInput, VoteResult, is_settled, tally
from workflows.patterns.pattern import Pattern

__all__ = ["Vote"]


@workflow.defn(name="Vote")
class Vote(Pattern):
    """Several agents answer the same question, and their answers are counted; the rest stop when it is decided.

              +-> voter 1 --+
    goal -----+-> voter 2 --+--> count --> winner, or an explicit tie, no quorum, no majority
              +-> voter 3 --+

    Source: Self-consistency improves chain of thought reasoning, Wang et al., 2022 (majority over samples).
    Cost: the model calls of each voter, fewer when it is decided early. Failures: a voter that fails casts no vote (an
    error is never counted as one); a tie, too few votes or no votes are an outcome without a winner, and no success.
    """

    takes = VoteInput

    @workflow.run
    async def run(self, *payload: JsonValue) -> VoteResult:
        """Run to the end."""
        return await self.conduct(VoteInput, VoteResult, payload, self._work)

    async def _work(self, given: VoteInput) -> Found:
        voters = given.everybody
        names = named(voters, "voter")
        weights = {name: voter.weight for name, voter in zip(names, voters, strict=True)}
        rules = {"quorum": given.quorum, "majority": given.majority}
        schema = _ballot_schema(given.choices)

        def settled(ended: Sequence[Done]) -> bool:
            ballots, heard = _ballots(ended, weights), {done.step.id for done in ended}
            still = {name: weight for name, weight in weights.items() if name not in heard}
            return is_settled(ballots, still, len(voters), **rules)

        self.team.stage("votes", len(voters))
        steps = [
            voter.model_copy(update={"output_schema": voter.output_schema or schema}).step(name, given.goal)
            for name, voter in zip(names, voters, strict=True)
        ]
        ended = await self.team.ask_all(steps, given.max_concurrent, settled)
        counted = tally(_ballots(ended, weights), len(voters), **rules)
        error = None
        if counted.outcome != "decided":
            code = counted.outcome.upper()
            words = f"{counted.cast} of {len(voters)} voted: {counted.outcome.replace('_', ' ')}"
            error = ErrorInfo.of(code, words)
        return Found(counted.winner, {"tally": counted}, error)


def _ballot_schema(choices: tuple[str, ...]) -> JsonObject:
    choice: JsonObject = {"type": "string"}
    if choices:
        choice["enum"] = list(choices)
    return {
        "type": "object",
        "properties": {"choice": choice, "reason": {"type": "string"}},
        "required": ["choice"],
        "additionalProperties": False,
    }


def _ballots(ended: Sequence[Done], weights: dict[str, float]) -> list[Ballot]:
    """Votes of those who succeeded: the `choice` of an answer that has one, else the whole answer."""
    cast: list[Ballot] = []
    for done in ended:
        if done.success:
            answer = done.output
            choice = answer["choice"] if isinstance(answer, dict) and "choice" in answer else answer
            cast.append(Ballot(done.step.id, choice, weights[done.step.id]))
    return cast
