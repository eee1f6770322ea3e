"""The context budget, the view, and estimates that learn from the provider's reports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from perdure.domain.agents import AgentSettings
from perdure.domain.context import DEFAULT_WINDOW, ContextBudget, View, budget_for
from perdure.domain.tokens import LEAST, MOST, Calibration


def settings(**context: object) -> AgentSettings:
    """Settings of an agent with these for its context."""
    return AgentSettings.model_validate({"context": context})


@pytest.mark.parametrize(
    ("given_settings", "window", "expected"),
    [
        (settings(), None, (128_000, 8_192, 64_000)),
        (settings(), 1_000_000, (1_000_000, 8_192, 500_000)),
        (settings(window=32_000), 1_000_000, (32_000, 8_000, 11_200)),
        (AgentSettings(max_output_tokens=100_000), 200_000, (200_000, 50_000, 70_000)),
        (settings(shares={"system": 0.6, "memory": 0.3, "conversation": 0.1}), 100_000, (100_000, 8_192, 10_000)),
        (settings(shares={"system": 0.4, "memory": 0, "conversation": 0.6}), 100_000, (100_000, 8_192, 51_808)),
    ],
)
def test_budgets(given_settings: AgentSettings, window: int | None, expected: tuple[int, int, int]) -> None:
    """Window, output reserve and what the conversation may fill, by the formula of `budget_for`."""
    budget = budget_for(given_settings, window)
    assert (budget.window, budget.output_reserve, budget.conversation) == expected


def test_without_a_window_a_common_one_is_assumed() -> None:
    """Documented, and what the agent says about strategy goes with it."""
    budget = budget_for(settings(strategy="sliding_window", keep_turns=3), None)
    assert (budget.window, budget.strategy, budget.keep_turns) == (DEFAULT_WINDOW, "sliding_window", 3)


@given(
    window=st.integers(1_000, 2_000_000),
    output=st.integers(1, 300_000),
    system=st.floats(0.01, 0.5),
    conversation=st.floats(0.01, 0.5),
)
def test_a_budget_always_leaves_room_for_the_answer(
    window: int, output: int, system: float, conversation: float
) -> None:
    """Conversation and reserve fit into the window together, and neither is nothing."""
    shares = {"system": system, "memory": 0, "conversation": conversation}
    given_settings = AgentSettings.model_validate({"max_output_tokens": output, "context": {"shares": shares}})
    budget = budget_for(given_settings, window)
    assert 0 < budget.conversation <= window - budget.output_reserve
    assert 0 < budget.output_reserve <= window // 4


def test_shares_of_more_than_the_window_are_refused_with_their_sum() -> None:
    """Words for whoever wrote the agent."""
    with pytest.raises(ValidationError, match=r"1\.30 of the window together: at most 1 fits"):
        settings(shares={"memory": 0.7})


@pytest.mark.parametrize("wrong", [{"window": 10}, {"keep_turns": 0}, {"strategy": "newest_first"}, {"share": 1}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    """Unknown fields and impossible values are no settings."""
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_a_budget_travels() -> None:
    """It is recorded with the setup of a run."""
    budget = budget_for(settings(), None)
    assert ContextBudget.model_validate_json(budget.wire_json()) == budget


def test_a_view_shows_its_ranges_and_then_what_is_new() -> None:
    """Numbers of the log in the model's order, as many as are asked for."""
    view = View(ranges=((0, 1), (9, 10), (6, 9)), tail=10)
    assert view.head == 5
    assert view.indices(7) == [0, 9, 6, 7, 8, 10, 11]
    assert view.indices(3) == [0, 9, 6]
    assert View().indices(3) == [0, 1, 2]


def test_estimates_begin_with_four_characters_to_a_token() -> None:
    """Rounded up, and the other way round."""
    fresh = Calibration()
    assert [fresh.estimate(size) for size in (0, 1, 4, 5, -3)] == [0, 1, 1, 2, 0]
    assert fresh.fitting(1_000) == 4_000


@pytest.mark.parametrize("ratio", [2.0, 3.1, 4.0, 6.5])
def test_estimates_come_near_what_the_provider_counts(ratio: float) -> None:
    """After a few reports the error is below three percent; instructions and tools, sent every time, do not matter."""
    calibration, characters = Calibration(), 0
    for _ in range(12):
        characters += 3_000
        calibration = calibration.reported(characters, 5_000 + round(characters / ratio))
    assert calibration.ratio == pytest.approx(ratio, rel=0.03)
    assert calibration.estimate(30_000) == pytest.approx(30_000 / ratio, rel=0.03)


def test_the_first_report_teaches_nothing() -> None:
    """It counts instructions and tools too, of which the characters are not known here."""
    assert Calibration().reported(1_000, 90_000).ratio == 4


def test_a_compaction_teaches_nothing_wrong() -> None:
    """A conversation that became shorter is a new beginning."""
    before = Calibration().reported(10_000, 3_500).reported(20_000, 6_000)
    after = before.reported(4_000, 2_000)
    assert (after.characters, after.tokens) == (before.characters, before.tokens)
    assert after.reported(12_000, 4_000).characters > after.characters


def test_a_restart_keeps_what_was_learned_and_compares_no_more() -> None:
    """Dense messages left and sparse ones came: the difference would be nobody's ratio."""
    before = Calibration().reported(10_000, 3_500).reported(20_000, 6_000)
    after = before.restarted().reported(21_000, 20_000)
    assert after.ratio == before.ratio
    assert after.reported(24_000, 21_000).ratio < after.ratio


def test_a_server_that_does_not_count_teaches_nothing() -> None:
    """Stand-ins report the same number for every call, some servers none."""
    calibration = Calibration()
    for characters in range(1_000, 50_000, 1_000):
        calibration = calibration.reported(characters, 10)
    assert calibration.ratio == 4


@given(reports=st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), max_size=20))
def test_estimates_stay_within_reason(reports: list[tuple[int, int]]) -> None:
    """Whatever a server reports, a token has between 1.5 and 8 characters, and the state can be carried."""
    calibration = Calibration()
    for characters, tokens in reports:
        calibration = calibration.reported(characters, tokens)
    assert LEAST <= calibration.ratio <= MOST
    assert 0 <= calibration.estimate(1_000) <= 1_000 / LEAST + 1
    assert Calibration.model_validate_json(calibration.wire_json()) == calibration
