"""Expressions of definitions: what they refer to, what texts become, what is refused."""

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.domain.definition.expressions import problem_of, references, render, render_text
from perdure.domain.definition.needs import ancestors, cycle

if TYPE_CHECKING:
    from perdure.domain.model import JsonObject


@pytest.mark.parametrize(
    ("expression", "paths"),
    [
        ("stages.a.output[0].x", [("stages", "a", "output", "[]", "x")]),
        ("stages.a.output == 'yes' && inputs.b", [("stages", "a", "output"), ("inputs", "b")]),
        ('stages."a-b".output[?x==`1`].y | [0]', [("stages", "a-b", "output", "[]")]),
        ("{a: stages.b.output, c: item}", [("stages", "b", "output"), ("item",)]),
        ("max_by(stages.a.output, &n)", [("stages", "a", "output")]),
        ("stages.a.[output, success]", [("stages", "a")]),
    ],
)
def test_references_are_found(expression: str, paths: list[tuple[str, ...]]) -> None:
    """Of the scope only: what is looked at inside a value is not one."""
    assert references(expression) == paths


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("a ==", "not valid JMESPath"),
        ("", "empty"),
        ("nofunc(a)", "no function"),
        ("!a.b", "negates"),
        ("a" * 2_001, "at most"),
    ],
)
def test_what_is_no_expression_is_refused(expression: str, words: str) -> None:
    """Also what JMESPath reads otherwise than people mean it."""
    assert words in problem_of(expression)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_a_text_that_is_one_piece_keeps_its_value(value: object) -> None:
    """Whatever it is; in a longer text it is put into words."""
    assert render("{{ inputs.x }}", {"inputs": {"x": value}}) == value  # pyright: ignore[reportArgumentType]


def test_pieces_in_texts() -> None:
    """Texts as they are, values as JSON, nothing for what is not there; braces of JMESPath are no end."""
    scope: JsonObject = {"inputs": {"a": "x", "n": [1, 2]}}
    assert render_text("{{ inputs.a }}-{{inputs.n}}-{{ inputs.z }}-{{ {k: inputs.a} }}", scope) == 'x-[1,2]--{"k":"x"}'


@given(st.lists(st.lists(st.integers(0, 9), max_size=3), min_size=1, max_size=10))
def test_a_circle_is_found_exactly_when_there_is_one(links: list[list[int]]) -> None:
    """Without one everything that comes before is known, and nothing comes before itself."""
    needs = {str(n): [str(each) for each in link] for n, link in enumerate(links)}
    circle = cycle(needs)
    steps = list(zip(circle, [*circle[1:], *circle[:1]], strict=True))
    assert all(after in needs[before] for before, after in steps)
    before = {} if circle else ancestors(needs)
    assert all(name not in found for name, found in before.items())
    assert bool(circle) == (not before)
