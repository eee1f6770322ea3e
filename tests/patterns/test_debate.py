"""The pattern `Debate` and its rules."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from perdure.domain.patterns.debate import DebateInput, DebateResult, DebateVerdict, debate_outcome, has_converged
from perdure.testing import Environment

NAMES = ["ann", "ben", "cid"]
SPOKE = st.lists(st.sampled_from(NAMES), unique=True)
VERDICTS = st.none() | st.builds(
    DebateVerdict, winner=st.sampled_from([*NAMES, "none"]), reason=st.just(""), converged=st.booleans()
)


def verdict(winner: str, *, converged: bool = False) -> str:
    """An answer of the judge."""
    return DebateVerdict(winner=winner, reason="so", converged=converged).model_dump_json()


def debaters(*names: str) -> list[dict[str, Any]]:
    """Debaters that the script knows by their instructions."""
    return [{"id": name, "agent": {"name": name, "instructions": f"You are {name}."}} for name in names]


@given(VERDICTS, SPOKE, SPOKE)
def test_the_outcome_is_what_the_judge_says_of_those_who_spoke(
    said: DebateVerdict | None, spoke: list[str], earlier: list[str]
) -> None:
    """A winner has spoken; no verdict and too few speakers are outcomes of their own, whatever was said."""
    heard = {*spoke, *earlier}
    outcome = debate_outcome(said, spoke, heard, NAMES)
    assert (outcome == "too_few_debaters") == (len(spoke) < 2)
    assert (outcome == "judge_failed") == (len(spoke) >= 2 and said is None)
    assert (outcome == "winner") == (len(spoke) >= 2 and said is not None and said.winner in heard)
    assert outcome != "converged" or len(spoke) == 3


@given(VERDICTS, SPOKE)
def test_silence_is_not_agreement(said: DebateVerdict | None, spoke: list[str]) -> None:
    """All agree only when the judge says so and everybody has spoken."""
    assert has_converged(said, spoke, NAMES) == (said is not None and said.converged and len(spoke) == 3)


async def test_everybody_sees_the_last_statements_of_the_others(env: Environment) -> None:
    """In each round the last ones, also of who has lost a turn; the judge is asked once and told who that was."""
    script = {
        "You are ann.*cid 1*": ["ann 2"],
        "You are ann.*": ["ann 1"],
        "You are ben.*cid 1*": [],
        "You are ben.*": ["ben 1"],
        "You are cid.*ann 2*": ["cid 3"],
        "You are cid.*ann 1*": ["cid 2"],
        "You are cid.*": ["cid 1"],
        "*Judge the debate*": [verdict("ben", converged=True)],
    }
    model = env.model(script)
    handle = await env.start_pattern(
        "Debate", DebateResult, "go", model=model, debaters=debaters(*NAMES), rounds=2, max_concurrent=1
    )
    result = await handle.result()
    assert (result.success, result.outcome, result.winner, result.output) == (True, "winner", "ben", "ben 1")
    assert result.converged is False
    assert [list(each.statements) for each in result.rounds] == [["ann", "ben", "cid"], ["ann", "cid"]]
    assert [list(each.failures) for each in result.rounds] == [[], ["ben"]]
    asked = [request.conversation.messages[0].text for request in env.scripted(model).requests]
    (second,) = [text for text in asked if "'your last statement'>\ncid 1" in text]
    assert [
        part for part in ("last statement of ann'>\nann 1", "last statement of ben'>\nben 1") if part not in second
    ] == []
    (judged,) = [text for text in asked if "Judge the debate" in text]
    assert [part for part in ("round 1: ben", "round 2: cid", "agreement: ben (round 2).") if part not in judged] == []
    assert "round 2: ben" not in judged


async def test_a_failed_debater_never_agrees(env: Environment) -> None:
    """The judge says that all agree after the first round, but one has lost its turn: the debate goes on."""
    script = {"*Judge the debate*": [verdict("none", converged=True)], "You are cid.*last statement*": ["cid 2"]}
    model = env.model({**script, "You are cid.*": [], "You are *": ["yes"]})
    handle = await env.start_pattern(
        "Debate", DebateResult, "go", model=model, debaters=debaters(*NAMES), rounds=5, judge_each_round=True
    )
    result = await handle.result()
    assert (result.success, result.outcome, result.output, result.converged) == (True, "converged", "yes", True)
    assert [list(each.failures) for each in result.rounds] == [["cid"], []]


async def test_one_speaker_is_no_debate(env: Environment) -> None:
    """It ends at once, without a judge, and keeps what was said."""
    model = env.model({"You are ann.*": ["ann 1"], "*Judge the debate*": [verdict("ann")]})
    handle = await env.start_pattern("Debate", DebateResult, "go", model=model, debaters=debaters("ann", "ben"))
    result = await handle.result()
    assert (result.success, result.outcome, result.output) == (False, "too_few_debaters", {"ann": "ann 1"})
    assert (result.winner, len(result.rounds), list(result.rounds[0].failures)) == (None, 1, ["ben"])
    assert result.error is not None
    assert (result.error.code, "failed: ben" in result.error.message) == ("TOO_FEW_DEBATERS", True)


async def test_the_rounds_are_bounded_and_nobody_may_win(env: Environment) -> None:
    """No winner is an explicit end after the last round."""
    model = env.model({"*Judge the debate*": [verdict("none")], "You are *": ["no"]})
    handle = await env.start_pattern(
        "Debate", DebateResult, "go", model=model, debaters=debaters("ann", "ben"), rounds=3, judge_each_round=True
    )
    result = await handle.result()
    assert (result.success, result.outcome, len(result.rounds)) == (False, "no_winner", 3)
    assert len(env.scripted(model).requests) == 3 * (2 + 1)


async def test_a_judge_that_fails_at_the_end_is_an_outcome(env: Environment) -> None:
    """Its failure is in the rounds; an earlier one does not end the debate."""
    model = env.model({"You are *": ["no"]})
    handle = await env.start_pattern(
        "Debate", DebateResult, "go", model=model, debaters=debaters("ann", "ben"), rounds=2, judge_each_round=True
    )
    result = await handle.result()
    assert (result.success, result.outcome, result.output) == (False, "judge_failed", {"ann": "no", "ben": "no"})
    assert [each.judge_failure is not None for each in result.rounds] == [True, True]
    assert result.error is not None
    assert (result.error.code, "UnexpectedStep" in result.error.message) == ("JUDGE_FAILED", True)


def test_nobody_may_be_called_none() -> None:
    """That name says that nobody has won."""
    with pytest.raises(ValidationError, match="none may be called 'none'"):
        DebateInput.model_validate({"goal": "go", "debaters": debaters("none", "ann")})
