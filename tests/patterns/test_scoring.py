"""The rules by which outputs are scored, and how people name them."""

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from perdure.domain.arguments import check_arguments, check_output_schema, check_value
from perdure.domain.explain import explain
from perdure.domain.patterns.iterative import IterativeInput
from perdure.domain.patterns.scoring import RULES, VERDICT, Rule, Verdict, measure, rule

if TYPE_CHECKING:
    from perdure.domain.model import JsonObject

WORDS = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=6)


def scored(output: Any, **score: Any) -> Verdict:
    """What a rule says of an output."""
    return measure(Rule.model_validate(score), output)


@given(WORDS, st.text("abc ", max_size=30))
def test_contains_is_the_part_that_is_there(phrases: list[str], text: str) -> None:
    """One issue for each phrase that is missing, and a score of 1 exactly when none is."""
    verdict = scored(text, kind="contains", all=phrases)
    missing = [phrase for phrase in phrases if phrase not in text]
    assert verdict.score == pytest.approx(1 - len(missing) / len(phrases))
    assert (len(verdict.issues), len(verdict.suggestions)) == (len(missing), len(missing))


def test_contains_does_not_mind_case_and_spaces() -> None:
    """Also an output that is an object is looked through."""
    assert scored({"say": "GOOD morning"}, kind="contains", all=["good  morning"]).score == 1
    assert scored("Good\n Morning, Ann", kind="contains", all=["good morning", "ann"]).score == 1


@given(st.integers(0, 40), st.integers(0, 20), st.integers(0, 20))
def test_length_is_one_only_within_its_bounds(length: int, low: int, more: int) -> None:
    """Outside it is less than one, and says by which bound."""
    high = low + more + 1
    verdict = scored("x" * length, kind="length", min=low, max=high)
    assert 0 <= verdict.score <= 1
    assert (verdict.score == 1) == (low <= length <= high) == (verdict.issues == ())


def test_length_is_better_the_nearer() -> None:
    """So the best of several attempts that are all too long is the shortest."""
    assert scored("x" * 12, kind="length", max=10).score > scored("x" * 20, kind="length", max=10).score == 0.5
    assert scored("", kind="length", min=5).score == 0


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize(
    ("output", "score", "issue"),
    [
        ({"n": 1}, 1, ""),
        ('{"n": 1}', 1, ""),
        ({"n": "one"}, 0, "answer.n: must be integer"),
        ('{"m": 1}', 0, "missing required field 'n'"),
        ("one", 0, "it is not JSON"),
    ],
)
def test_schema_is_all_or_nothing(output: Any, score: float, issue: str) -> None:
    """An output that is the text of JSON is read; what is wrong is an issue."""
    verdict = scored(output, kind="schema", schema=SCHEMA)
    assert verdict.score == score
    assert issue in "".join(verdict.issues)
    assert bool(verdict.issues) == bool(issue)


def test_a_text_may_fit_as_it_is() -> None:
    """A schema of texts is not about the JSON in them."""
    assert scored("42", kind="schema", schema={"type": "string"}).score == 1


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (
            {"kind": "contians", "all": ["a"]},
            "score: unknown kind 'contians'. Did you mean 'contains'? Valid: contains",
        ),
        ({"kind": "contains"}, "score.all: required"),
        ({"kind": "contains", "all": []}, "score.all: "),
        ({"kind": "length", "min": 9, "max": 3}, "score: min is 9 and max 3"),
        ({"kind": "length", "least": 9}, "score.least: unknown field"),
        ({"kind": "schema", "schema": {"type": "objekt"}}, "score: type: 'objekt' is not valid"),
        ({"kind": "judge", "agnt": "x"}, "score.agnt: unknown field"),
        ("judge", 'score: it must be an object such as {"kind": "judge"}'),
    ],
)
def test_mistakes_are_found_before_anything_runs(score: Any, words: str) -> None:
    """Each is told where it is, and what would be valid."""
    with pytest.raises(ValidationError) as caught:
        IterativeInput.model_validate({"goal": "go", "score": score})
    assert explain(caught.value).startswith(words)


def test_a_rule_travels_as_it_was_written() -> None:
    """What is read again from the payload of an input is the same."""
    given = IterativeInput.model_validate({"goal": "go", "score": {"kind": "length", "max": 9}})
    assert IterativeInput.model_validate_json(given.wire_json()) == given
    assert '"score":{"kind":"length","max":9}' in given.wire_json()


def test_the_schema_of_the_input_knows_every_rule() -> None:
    """What `list workflows -o json` shows lets an editor complete and check a score."""
    schema = IterativeInput.model_json_schema()
    assert check_output_schema(schema) == ""
    assert not check_arguments(schema, {"goal": "go", "score": {"kind": "contains", "all": ["a"]}})
    assert not check_arguments(schema, {"goal": "go", "score": {"kind": "judge", "criteria": "short"}})
    assert check_arguments(schema, {"goal": "go", "score": {"kind": "contains"}})
    assert check_arguments(schema, {"goal": "go", "score": {"kind": "guess"}})


def test_another_rule_is_one_function() -> None:
    """Its name is the kind, its keyword-only parameters are the fields."""

    def by_vowels(output: Any, *, least: int = 1) -> Verdict:
        """Whether there are enough vowels."""
        return Verdict(score=float(sum(letter in "aeiou" for letter in output) >= least))

    rule(by_vowels)
    try:
        assert scored("aloe", kind="vowels", least=3).score == 1
        assert scored("xyz", kind="vowels").score == 0
    finally:
        del RULES["vowels"]


@given(st.floats(0, 1), st.lists(st.text(max_size=5), max_size=3))
def test_what_fits_the_schema_of_a_verdict_is_one(score: float, issues: list[str]) -> None:
    """A judge whose answer passed the agent's check never breaks the pattern."""
    answer: JsonObject = {"score": score, "issues": [*issues], "suggestions": []}
    assert check_value(VERDICT, answer) == ""
    assert Verdict.model_validate(answer).score == score
