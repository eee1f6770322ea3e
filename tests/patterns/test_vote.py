"""The pattern `Vote` and its rule."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.domain.patterns.voting import Ballot, VoteResult, is_settled, tally
from perdure.testing import Environment, call
from tests.waiting import eventually

CHOICES = st.sampled_from(["a", "b", "c"])
BALLOTS = st.lists(st.tuples(CHOICES, st.integers(1, 5)), max_size=8)


def cast(votes: list[tuple[str, int]]) -> list[Ballot]:
    """Ballots of these choices and weights."""
    return [Ballot(f"v{number}", choice, weight) for number, (choice, weight) in enumerate(votes)]


@given(BALLOTS, st.integers(0, 8), st.sampled_from([0.0, 0.5, 0.66]))
def test_a_winner_has_more_than_every_other(votes: list[tuple[str, int]], silent: int, majority: float) -> None:
    """It is decided exactly when there is one such choice, enough voted, and the majority is exceeded."""
    counted = tally(cast(votes), len(votes) + silent, quorum=0.5, majority=majority)
    weights = {choice: sum(weight for name, weight in votes if name == choice) for choice, _ in votes}
    best = max(weights.values(), default=0)
    leaders = [choice for choice, weight in weights.items() if weight == best]
    enough = bool(votes) and len(votes) >= silent
    over = bool(votes) and (best / sum(weights.values()) > majority)
    assert (counted.outcome == "decided") == (enough and len(leaders) == 1 and over)
    assert counted.winner == (leaders[0] if counted.outcome == "decided" else None)
    assert sum(counted.distribution.values()) == pytest.approx(sum(weights.values()))


@given(BALLOTS, BALLOTS, st.sampled_from([0.0, 0.5]))
def test_settled_means_that_nothing_can_change_it(
    first: list[tuple[str, int]], later: list[tuple[str, int]], majority: float
) -> None:
    """However those vote who have not, the winner stays."""
    voters = len(first) + len(later)
    still = {f"w{number}": float(weight) for number, (_, weight) in enumerate(later)}
    if is_settled(cast(first), still, voters, majority=majority):
        before = tally(cast(first), voters, majority=majority)
        assert tally(cast([*first, *later]), voters, majority=majority).winner == before.winner


def test_the_measures() -> None:
    """Agreement is over pairs of votes, confidence over weight; weights of tenths tie."""
    counted = tally([Ballot("x", "Yes", 3), Ballot("y", " yes ", 1), Ballot("z", "no", 1)], 3)
    assert (counted.winner, counted.confidence, counted.agreement) == ("Yes", 0.8, round(1 / 3, 9))
    assert tally([Ballot("x", "a", 0.1), Ballot("y", "a", 0.2), Ballot("z", "b", 0.3)], 3).outcome == "tie"
    assert tally([], 3).outcome == "no_votes"
    assert tally([Ballot("x", {"n": 1}), Ballot("y", {"n": 1})], 3).winner == {"n": 1}


def voter(name: str) -> dict[str, Any]:
    """A voter that the script knows by its instructions."""
    return {"id": name, "agent": {"name": name, "instructions": f"You are {name}.", "tools": ["ask_human"]}}


async def test_the_majority_wins_and_the_slow_voter_is_stopped(env: Environment) -> None:
    """Two of three decide it: the third, which waits, is told to stop."""
    yes = '{"choice": "yes"}'
    slow = [call("ask_human", question="?"), yes]
    model = env.model({"You are slow.*": slow, "You are *": [yes]})
    voters = [voter("slow"), voter("ann"), voter("ben")]
    handle = await env.start_pattern("Vote", VoteResult, "is it so?", model=model, voters=voters, choices=["yes", "no"])
    result = await handle.result()
    assert (result.success, result.output, result.tally.cast) == (True, "yes", 2)
    assert result.tally.distribution == {"yes": 2.0}
    assert [step.errors for step in result.steps if step.step_id == "slow"] == [("STOPPED",)]


async def test_errors_are_not_votes(env: Environment) -> None:
    """Two voters fail, one says no: that is no quorum, not a majority of errors."""
    model = env.model({"You are ann.*": ['{"choice": "no"}'], "*": []})
    voters = [voter("ann"), voter("ben"), voter("cid")]
    handle = await env.start_pattern("Vote", VoteResult, "is it so?", model=model, voters=voters)
    result = await handle.result()
    assert (result.success, result.output, result.tally.outcome) == (False, None, "no_quorum")
    assert result.error is not None
    assert (result.error.code, result.tally.distribution) == ("NO_QUORUM", {"no": 1.0})


async def test_a_vote_over_nothing_and_a_tie_are_outcomes(env: Environment) -> None:
    """Neither has a winner."""
    handle = await env.start_pattern("Vote", VoteResult, "?", model=env.model([]), votes=2)
    assert (await handle.result()).tally.outcome == "no_votes"
    model = env.model({"You are ann.*": ['{"choice": "a"}'], "*": ['{"choice": "b"}']})
    handle = await env.start_pattern("Vote", VoteResult, "?", model=model, voters=[voter("ann"), voter("ben")])
    await eventually(handle.result, lambda result: result.tally.outcome == "tie")
