"""The pattern `Consensus` and its rule."""

from fractions import Fraction
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from perdure.domain.patterns.consensus import Answer, ConsensusInput, ConsensusResult, Rule, weigh
from perdure.testing import Environment, call
from tests.waiting import update

Said = Literal["accept", "reject"]
SAID: st.SearchStrategy[list[Said | None]] = st.lists(st.sampled_from(["accept", "reject", None]), max_size=9)
TENTHS = st.integers(1, 10)


def answers(said: list[Said | None]) -> dict[str, Answer | None]:
    """What these peers said; None is one that failed."""
    cast = [None if each is None else Answer(verdict=each, reason="") for each in said]
    return {f"p{number}": each for number, each in enumerate(cast)}


@given(SAID, TENTHS)
def test_the_thresholds(said: list[Said | None], tenths: int) -> None:
    """Over a quorum all, more than half, or the exact fraction must accept, the proposer among them."""
    yes, no = 1 + said.count("accept"), said.count("reject")
    share, silent = Fraction(yes, yes + no), yes + no == 1
    rules: dict[Rule, bool] = {
        "unanimous": no == 0,
        "majority": share > Fraction(1, 2),
        tenths / 10: share >= Fraction(tenths, 10),
    }
    for rule, agreed in rules.items():
        expected = "no_quorum" if silent else "agreed" if agreed else "no_agreement"
        assert weigh(answers(said), rule, 0.0) == expected


def test_fractions_are_not_missed_by_rounding() -> None:
    """Seven of 25 are 0.28 of them, although 0.28 * 25 as floats is a little more."""
    accepts: list[Said | None] = ["accept"] * 6
    rejects: list[Said | None] = ["reject"] * 18
    said = accepts + rejects
    assert (weigh(answers(said), 0.28, 0.5), weigh(answers(said), 0.281, 0.5)) == ("agreed", "no_agreement")


@given(SAID, TENTHS, st.sampled_from(["unanimous", "majority", 0.5, 1.0]))
def test_no_quorum_is_an_outcome_of_its_own(said: list[Said | None], tenths: int, rule: Rule) -> None:
    """It is what a round comes to exactly when too few have answered, whatever those said."""
    answered = len(said) - said.count(None)
    enough = answered > 0 and answered * 10 >= tenths * len(said)
    assert (weigh(answers(said), rule, tenths / 10) == "no_quorum") == (not enough)


@given(SAID, st.integers(0, 5), st.sampled_from(["unanimous", "majority", 0.5]))
def test_a_failure_is_neither_yes_nor_no(said: list[Said | None], failed: int, rule: Rule) -> None:
    """However many more fail, those who answered decide the same, as long as they are enough."""
    assert weigh(answers([*said, *[None] * failed]), rule, 0.0) == weigh(answers(said), rule, 0.0)


@given(st.integers(0, 9), st.sampled_from(["unanimous", "majority", 0.1]), st.floats(0, 1))
def test_nobody_answered_is_never_agreement(failed: int, rule: Rule, quorum: float) -> None:
    """Also when all failed, no quorum is asked for, and the proposer alone would be enough."""
    assert weigh(answers([None] * failed), rule, quorum) == "no_quorum"


def peers(*names: str) -> list[dict[str, Any]]:
    """Peers that the script knows by their instructions."""
    return [
        {"id": name, "agent": {"name": name, "instructions": f"You are {name}.", "tools": ["ask_human"]}}
        for name in names
    ]


def accept() -> str:
    """An answer that accepts."""
    return '{"verdict": "accept", "reason": "fine"}'


def reject(reason: str) -> str:
    """An answer that rejects."""
    return f'{{"verdict": "reject", "reason": "{reason}", "counter": "not {reason}"}}'


async def test_the_next_proposal_is_made_with_all_objections(env: Environment) -> None:
    """Also those of rounds before the last; peers take turns in proposing and know what they objected to."""
    script = {
        "You are ann.*Say whether*": [accept()],
        "You are ann.*Propose*": ["first"],
        "You are ben.*objection of ben*objection of cid*Propose*": ["second"],
        "You are ben.*first*Say whether*": [reject("too long")],
        "You are ben.*Say whether*": [accept()],
        "You are cid.*round 1*round 2*Propose*": ["third"],
        "You are cid.*Say whether*": [reject("too dear")],
    }
    model = env.model(script)
    handle = await env.start_pattern(
        "Consensus", ConsensusResult, "go", model=model, peers=peers("ann", "ben", "cid"), max_concurrent=1
    )
    result = await handle.result()
    assert (result.success, result.outcome, result.output) == (True, "agreed", "third")
    assert [(each.proposer, each.outcome) for each in result.rounds] == [
        ("ann", "no_agreement"),
        ("ben", "no_agreement"),
        ("cid", "agreed"),
    ]
    asked = [request.conversation.messages[0].text for request in env.scripted(model).requests]
    (third,) = [text for text in asked if "proposal of round 2 by ben" in text]
    expected = ["proposal of round 1 by ann", "too long\nInstead: not too long", "objection of cid in round 2"]
    assert [part for part in expected if part not in third] == []
    assert any("'your objection in round 1'>\ntoo dear" in text for text in asked)


async def test_a_failed_peer_does_not_make_a_majority(env: Environment) -> None:
    """One accepts, two fail, in each of two rounds: that is no quorum, neither yes nor no."""
    model = env.model({"You are ann.*Propose*": ["mine"], "You are ben.*": [accept()]})
    handle = await env.start_pattern(
        "Consensus",
        ConsensusResult,
        "go",
        model=model,
        peers=peers("ann", "ben", "cid", "dan"),
        rule="majority",
        proposer="ann",
        rounds=2,
    )
    result = await handle.result()
    assert (result.success, result.outcome, result.output) == (False, "no_quorum", "mine")
    assert [(list(each.answers), list(each.failures)) for each in result.rounds] == [(["ben"], ["cid", "dan"])] * 2
    assert result.error is not None
    assert (result.error.code, "cid, dan" in result.error.message) == ("NO_QUORUM", True)


async def test_a_failed_peer_does_not_undo_a_majority(env: Environment) -> None:
    """Two of three accept and one fails: they agree at once."""
    model = env.model({"*Propose*": ["mine"], "You are dan.*": [], "*Say whether*": [accept()]})
    handle = await env.start_pattern(
        "Consensus", ConsensusResult, "go", model=model, peers=peers("ann", "ben", "cid", "dan"), rule="majority"
    )
    result = await handle.result()
    assert (result.success, result.output, list(result.rounds[0].failures)) == (True, "mine", ["dan"])


async def test_a_proposer_that_fails_costs_its_round(env: Environment) -> None:
    """Nobody is asked about nothing; the next peer proposes."""
    model = env.model({"You are ann.*Propose*": [], "*Propose*": ["mine"], "*Say whether*": [accept()]})
    handle = await env.start_pattern("Consensus", ConsensusResult, "go", model=model, peers=peers("ann", "ben"))
    result = await handle.result()
    assert (result.success, result.output) == (True, "mine")
    assert [(each.proposer, each.outcome, list(each.failures)) for each in result.rounds] == [
        ("ann", "no_quorum", ["ann"]),
        ("ben", "agreed", []),
    ]


async def test_the_rounds_are_bounded(env: Environment) -> None:
    """After the last one the run ends without agreement, with its last proposal."""
    model = env.model({"*Propose*": ["mine"], "*Say whether*": [reject("all of it")]})
    handle = await env.start_pattern(
        "Consensus", ConsensusResult, "go", model=model, peers=peers("ann", "ben"), rounds=2
    )
    result = await handle.result()
    assert (result.success, result.outcome, result.output, len(result.rounds)) == (False, "no_agreement", "mine", 2)
    assert len(env.scripted(model).requests) == 2 * 2


async def test_stopped_it_keeps_its_rounds(env: Environment) -> None:
    """The proposal of the round is what was reached, not what a peer answered last."""
    script = {"You are cid.*objection in round 1*": [call("ask_human", question="?"), "never"]}
    model = env.model({**script, "*Propose*": ["mine"], "*Say whether*": [reject("it")]})
    handle = await env.start_pattern(
        "Consensus", ConsensusResult, "go", model=model, peers=peers("ann", "ben", "cid"), max_concurrent=1
    )
    await env.pending()
    await update(handle, "stop", {"by": "ada"})
    result = await handle.result()
    assert (result.stop_reason, result.output, len(result.rounds), result.outcome) == ("stopped", "mine", 1, None)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"proposer": "eve"}, "'eve' is no peer; say 'rotating' or one of ann, ben"),
        ({"rule": "most"}, "rule"),
        ({"rule": 0.0}, "rule"),
        ({"peers": peers("rotating", "ann")}, "none may be called 'rotating'"),
    ],
)
def test_wrong_input_is_refused_in_words(fields: dict[str, Any], words: str) -> None:
    """Before anything runs."""
    with pytest.raises(ValidationError, match=words):
        ConsensusInput.model_validate({"goal": "go", "peers": peers("ann", "ben"), **fields})


def test_unanimity_needs_everybody_by_default() -> None:
    """A silent peer is then no agreement; a majority needs half of them; what is said counts."""
    given = [{"rule": "unanimous"}, {"rule": 1.0}, {"rule": "majority"}, {"rule": "unanimous", "quorum": 0.2}]
    inputs = [ConsensusInput.model_validate({"goal": "go", "peers": peers("ann", "ben"), **each}) for each in given]
    assert [each.needed for each in inputs] == [1.0, 1.0, 0.5, 0.2]
