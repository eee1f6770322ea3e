"""The size of results: cut in the middle, measured as they lie in a payload."""

from hypothesis import given
from hypothesis import strategies as st

from perdure.domain.tools import CallOutcome
from perdure.tools.results import MAX_RESULT, bounded

any_text = st.text(alphabet=st.characters(codec=None, categories=None) | st.sampled_from('\0"\\\n\x1b\ud800\udc00ü😀'))


def test_a_short_result_stays() -> None:
    """Quotes and line ends are no reason to cut."""
    assert bounded('a "b"\n' * 100) == 'a "b"\n' * 100


def test_a_long_result_keeps_head_and_tail() -> None:
    """With a note of the original size between them."""
    text = bounded("a" * 2_000_000 + "z" * 2_000_000)
    assert text.startswith("aaaa")
    assert text.endswith("zzzz")
    assert "the result has 4,000,000 characters" in text
    assert len(CallOutcome(text=text).wire_json()) < MAX_RESULT + 100


def test_escapes_count() -> None:
    """A control character has six bytes in JSON: a result of them is cut although it looks short."""
    text = bounded("\x1b" * 500_000)
    assert len(CallOutcome(text=text).wire_json().encode()) < MAX_RESULT + 100
    assert len(text) > 170_000


@given(any_text.map(lambda text: text * 40))
def test_every_text_fits_and_can_be_sent(text: str) -> None:
    """Whatever it holds: bounded, and equal after its way through JSON."""
    outcome = CallOutcome(text=bounded(text, 300))
    wire = outcome.wire_json()
    assert len(wire.encode()) <= 300 + len('{"text":""}')
    assert CallOutcome.model_validate_json(wire) == outcome
    assert "\0" not in outcome.text
