"""Chains and trees of thought: what counts as the answer, and which thought is pursued."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.domain.thinking import Thought, conclusion, pursue, read_thoughts

ENDS = [
    ("It is 5.\nAnswer: 5", "5"),
    ("Answer: 4\nno, wrong\n**Answer:** 5\n", "5"),
    ("so\nAnswer:\nfirst line\nsecond line", "first line\nsecond line"),
    ('so\nAnswer:\n```json\n{"n": 5}\n```', '{"n": 5}'),
    ("so\n> answer: yes", "yes"),
    ("Answer:", ""),
]


@pytest.mark.parametrize(("text", "answer"), ENDS)
def test_the_answer_stands_after_the_last_label(text: str, answer: str) -> None:
    """Thoughts before it stay out of the output."""
    assert conclusion(text) == (answer, "")


@given(st.text(max_size=80))
def test_a_text_without_the_label_has_no_answer(text: str) -> None:
    """It is told so, and nothing is guessed."""
    found = conclusion(f"the Answer: {text}".replace("\n", " "))
    assert found[1] == 'no line begins with "Answer:"'


def test_the_best_thought_is_pursued_and_of_equals_the_first() -> None:
    """A score of zero is a score."""
    thoughts = (Thought(thought="a", score=0), Thought(thought="b", score=0.6), Thought(thought="c", score=0.6))
    assert pursue(thoughts, 0).startswith("Thought 2 is pursued (score 0.6): b")
    assert pursue(thoughts[:1], 0).startswith("Thought 1 is pursued (score 0): a")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"thoughts": [{"thought": "a", "score": 0.5}]}, "thoughts"),
        ({"thoughts": [{"thought": "a", "score": 0.5}] * 4}, "thoughts"),
        ({"thoughts": [{"thought": "a", "score": 2}, {"thought": "b", "score": 1}]}, "thoughts.0.score"),
        ({"thoughts": [{"thought": "a"}, {"thought": "b", "score": 1}]}, "thoughts.0.score: required"),
        ({"thoughts": [{"thought": "", "score": 1}, {"thought": "b", "score": 1}]}, "thoughts.0.thought"),
        ({"ideas": []}, "ideas: unknown field"),
        ([], "valid dictionary"),
    ],
)
def test_thoughts_that_do_not_fit_are_named(value: object, words: str) -> None:
    """Two or three thoughts, each with a score from 0 to 1."""
    thoughts, problem = read_thoughts(json.dumps(value))
    assert thoughts == ()
    assert words in problem
