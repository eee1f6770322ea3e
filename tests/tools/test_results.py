"""Results as clean text, cut in the middle when they are long, measured as they lie in a payload."""

from hypothesis import given
from hypothesis import strategies as st

from perdure.domain.tools import CallOutcome
from perdure.tools.results import MAX_TEXT, as_text, bounded, excerpt

any_text = st.text(alphabet=st.characters(codec=None, categories=None) | st.sampled_from('\0"\\\n\x1b\ud800\udc00ü😀'))


def test_a_short_result_stays() -> None:
    """Quotes and line ends are no reason to cut."""
    assert bounded('a "b"\n' * 100) == 'a "b"\n' * 100


def test_a_long_result_keeps_head_and_tail() -> None:
    """With a note of the original size between them."""
    text = bounded("a" * 2_000_000 + "z" * 2_000_000)
    assert text.startswith("aaaa")
    assert text.endswith("zzzz")
    assert "the text has 4,000,000 characters" in text
    assert len(CallOutcome(text=text).wire_json()) < MAX_TEXT + 100


def test_escapes_count() -> None:
    """A control character has six bytes in JSON: a result of them is cut although it looks short."""
    text = bounded("\x1b" * 500_000)
    assert len(CallOutcome(text=text).wire_json().encode()) < MAX_TEXT + 100
    assert len(text) > MAX_TEXT / 7


@given(any_text.map(lambda text: text * 40))
def test_every_text_fits_and_can_be_sent(text: str) -> None:
    """Whatever it holds: bounded, and equal after its way through JSON."""
    outcome = CallOutcome(text=bounded(text, 300))
    wire = outcome.wire_json()
    assert len(wire.encode()) <= 300 + len('{"text":""}')
    assert CallOutcome.model_validate_json(wire) == outcome
    assert "\0" not in outcome.text


def test_an_excerpt_is_whole_lines() -> None:
    """Beginning and end, where lines are short enough."""
    head, tail = excerpt("".join(f"line {number}\n" for number in range(1000)), 100)
    assert head.endswith("\n")
    assert head.startswith("line 0\n")
    assert tail.startswith("line ")
    assert tail.endswith("line 999\n")
    assert 80 < len(head) <= 100
    assert 80 < len(tail) <= 100


def test_an_excerpt_of_one_long_line_is_characters() -> None:
    """A line end near the wrong end does not make it short."""
    head, tail = excerpt("a\n" + "b" * 1000 + "\nc", 100)
    assert (head, tail) == ("a\n" + "b" * 98, "b" * 98 + "\nc")


@given(any_text)
def test_every_text_becomes_clean(text: str) -> None:
    """It can be written as UTF-8 and holds no NUL; what was clean stays."""
    clean = as_text(text)
    assert clean.encode().decode() == clean
    assert "\0" not in clean
    assert as_text(clean) == clean
