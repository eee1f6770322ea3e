"""The price table: data that is well formed, ordered, and honest about what it does not know."""

from datetime import date
from pathlib import Path

import pytest
import yaml

from perdure.domain.errors import ConfigurationError
from perdure.domain.ports import Price, TokenUsage
from perdure.providers import prices


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("anthropic:claude-opus-5-5", Price(input=4, output=20, cache_read=0.2, cache_write=5)),
        ("anthropic:claude-opus-5-5-20261001", Price(input=4, output=20, cache_read=0.2, cache_write=5)),
        ("anthropic:claude-opus-5", Price(input=5, output=25, cache_read=0.5, cache_write=6.25)),
        ("openai:gpt-5.4-mini", Price(input=0.75, output=4.5, cache_read=0.075)),
        ("openai-chat:gpt-5.4", Price(input=2.5, output=15, cache_read=0.25)),
        ("scripted:demo.yaml", Price(input=0, output=0)),
        ("openai-chat:llama3", None),
        ("anthropic:claude-unheard-of", None),
    ],
)
def test_prices(model: str, price: Price | None) -> None:
    """The first glob that matches wins; what is not there has no price."""
    assert prices.price_for(model) == price


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("anthropic:claude-opus-5-5", 1_000_000),
        ("anthropic:claude-opus-4-8", 1_000_000),
        ("anthropic:claude-opus-4-5", 200_000),
        ("anthropic:claude-sonnet-4-5-20250929", 200_000),
        ("openai:gpt-5.4-mini", 400_000),
        ("openai-chat:gpt-5.4", 1_050_000),
        ("openai-chat:llama3", None),
        ("scripted:demo.yaml", None),
    ],
)
def test_windows(model: str, window: int | None) -> None:
    """Tokens of the context window, None where nobody has said."""
    assert prices.window_for(model) == window


def test_an_own_table_names_windows(tmp_path: Path) -> None:
    """Asked first; a row without a window leaves it to later ones."""
    own = tmp_path / "prices.yaml"
    own.write_text(
        "prices: [{model: 'openai-chat:llama*', input: 0, output: 0, window: 32768},"
        " {model: 'openai:gpt-5.4*', input: 1, output: 1}]"
    )
    assert prices.window_for("openai-chat:llama3", own) == 32_768
    assert prices.window_for("openai:gpt-5.4-mini", own) == 400_000


def test_an_own_table_is_asked_first(tmp_path: Path) -> None:
    """It overrides single models and leaves the rest."""
    own = tmp_path / "prices.yaml"
    own.write_text(
        "prices: [{model: 'openai-chat:llama*', input: 0, output: 0}, {model: '*opus-5-5', input: 1, output: 2}]"
    )
    assert prices.price_for("openai-chat:llama3", own) == Price(input=0, output=0)
    assert prices.price_for("anthropic:claude-opus-5-5", own) == Price(input=1, output=2)
    assert prices.price_for("openai:gpt-5.4", own) == prices.price_for("openai:gpt-5.4")


def test_every_row_can_be_reached_and_the_table_has_a_date() -> None:
    """A row that an earlier glob hides would be a price nobody gets."""
    table = yaml.safe_load(Path(prices.__file__).with_name("prices.yaml").read_text())
    assert date.fromisoformat(table["as_of"])
    for row in table["prices"]:
        sample = row["model"].replace("[678]", "6").replace("openai*", "openai").rstrip("*")
        found = prices.price_for(sample)
        assert found is not None
        assert (found.input, found.output) == (row["input"], row["output"]), row["model"]


def test_cached_tokens_cost_their_own_price() -> None:
    """Reading what is cached is cheap, writing it is dear, the rest is plain input."""
    price = prices.price_for("anthropic:claude-opus-5-5")
    assert price is not None
    usage = TokenUsage(input=1_000_000, output=100_000, cache_read=600_000, cache_write=200_000)
    assert price.cost(usage) == pytest.approx(0.2 * 4 + 0.6 * 0.2 + 0.2 * 5 + 0.1 * 20)


@pytest.mark.parametrize(
    ("text", "words"),
    [("prices: [{model: x, input: -1, output: 1}]", "prices.0.input"), ("prices: [", "is not YAML"), ("{}", "prices")],
)
def test_a_wrong_table_says_where(tmp_path: Path, text: str, words: str) -> None:
    """File and field."""
    own = tmp_path / "prices.yaml"
    own.write_text(text)
    with pytest.raises(ConfigurationError, match=words) as caught:
        prices.price_for("x:y", own)
    assert str(own) in caught.value.message


def test_a_missing_table_says_so(tmp_path: Path) -> None:
    """No traceback for a wrong path."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        prices.price_for("x:y", tmp_path / "nowhere.yaml")
