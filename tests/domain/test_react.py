"""The text form of ReAct: what is written is read back, and whatever a model says is read without an error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.domain.model import JsonValue
from perdure.domain.react import FINISH, Step, action_text, answer_of, finish_text, guide, parse
from tests.providers.helpers import ADD

NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_-]{0,20}", fullmatch=True)
WORDS = st.text(st.characters(blacklist_categories=("Cs",)), max_size=60)
PLAIN = st.from_regex(r"[a-z ,.\n]{0,60}", fullmatch=True)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
NOISE = st.sampled_from([
    "Thought:", "Action:", "Action Input:", "Observation:", "Final Answer:", "finish", "add", "(", ")", "{", "}", '"',
    "a=", "\n", " ", "```json", "```", "**", "<think>", "</think>", '{"a": 1}', "[" * 300, "-" * 300, "\\d", "\x00",
    "9" * 5_000,
])  # fmt: skip


@given(st.lists(NOISE | st.text(max_size=10), max_size=25).map("".join))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    """Whatever a model says is a step or a problem, never both, and finishing with it never fails."""
    step = parse(text)
    assert bool(step.tool) != bool(step.problem)
    answer, problem = answer_of(step, None)
    assert not (answer and problem)


@given(
    PLAIN, NAMES, st.dictionaries(WORDS, VALUES, max_size=4), st.sampled_from(["", "\nObservation: 7", "\nAction: x"])
)
def test_an_action_is_read_back(thought: str, tool: str, arguments: dict[str, JsonValue], more: str) -> None:
    """Thought, tool and arguments survive writing and reading, and what is said after them does not count."""
    step = parse(action_text(thought, tool, json.dumps(arguments)) + more)
    assert (step.thought, step.tool, json.loads(step.raw)) == (thought.strip(), tool, arguments)
    assert step.ended == bool(more)


@given(VALUES)
def test_an_answer_is_read_back(answer: JsonValue) -> None:
    """A text is the answer itself; any other value is its JSON."""
    text, problem = answer_of(parse(finish_text("so it is", answer)), None)
    assert not problem
    assert (text if isinstance(answer, str) else json.loads(text)) == answer


FORMS: list[tuple[str, Step]] = [
    ('Thought: hm\nAction: add\nAction Input: {"a": 1}', Step("hm", "add", '{"a": 1}')),
    ('```\nThought: hm\nAction: add\nAction Input: {"a": 1}\n```', Step("hm", "add", '{"a": 1}')),
    ('Action: `add`\nAction Input:\n```json\n{"a": 1}\n```\n', Step("", "add", '{"a": 1}')),
    ('**Thought:** hm\n**Action:** add\n**Action Input:** {"a": 1}', Step("hm", "add", '{"a": 1}')),
    ('Thought 2: hm\nAction 2: add\nAction Input 2: {"a": 1}', Step("hm", "add", '{"a": 1}')),
    ('so\nThought: hm\nAction: add(a=1, b="x", c=true)', Step("so\nhm", "add", '{"a": 1, "b": "x", "c": true}')),
    ("Action: add()", Step("", "add", "{}")),
    ("Action: add(1, 2)", Step("", "add", "1, 2")),
    ("Action: add(a=b)", Step("", "add", "a=b")),
    ("Action: add(a=1)+g(b=2)", Step("", "add", "a=1)+g(b=2")),
    ('Action: add({"a": 1})', Step("", "add", '{"a": 1}')),
    ("Action: add", Step("", "add", "")),
    ("Action: add\nAction Input:", Step("", "add", "")),
    ("Action: add\nAction Input: {a: 1}", Step("", "add", "{a: 1}")),
    ('Action: add\nAction Input: {"a": "two\nlines"}', Step("", "add", '{"a": "two\\nlines"}')),
    ('Action: add\nAction Input: {"a": 1} and so on', Step("", "add", '{"a": 1}')),
    ('Action: add\nAction Input: {"a": 1}\nAction: sub\nAction Input: {}', Step("", "add", '{"a": 1}', ended=True)),
    ('Action: add\nAction Input: {"a": 1}\nObservation: 3\nAction: sub', Step("", "add", '{"a": 1}', ended=True)),
    ('<think>Action: no</think>\nAction: add\nAction Input: {"a": 1}', Step("", "add", '{"a": 1}')),
    ("Thought: I know\nFinal Answer: 5", Step("I know", FINISH, '{"answer": "5"}')),
    ('Action: finish(answer="5")', Step("", FINISH, '{"answer": "5"}')),
    ("5", Step(problem='there is no line that begins with "Action:"')),
    ("", Step(problem='there is no line that begins with "Action:"')),
    ("Observation: 5\nAction: add", Step(problem='there is no line that begins with "Action:"')),
    ("Action:\nAction Input: {}", Step(problem='the line that begins with "Action:" names no tool')),
]  # fmt: skip


@pytest.mark.parametrize(("text", "step"), FORMS)
def test_forms_that_models_write(text: str, step: Step) -> None:
    """What is near enough is taken, only the first action counts, and nothing is guessed."""
    assert parse(text) == step


@pytest.mark.parametrize("raw", ["", "5", "five", '{"result": 5}', '{"answer": 5, "more": 1}', '{"answer": '])
def test_an_answer_in_another_form_is_a_problem(raw: str) -> None:
    """Finishing takes exactly one field."""
    assert answer_of(Step("", FINISH, raw), None) == (
        "",
        'the input of finish must be one JSON object of the form {"answer": ...}',
    )


def test_a_schema_decides_whether_a_text_is_json() -> None:
    """A text that must be a string becomes JSON; JSON in a text stays as it is."""
    assert answer_of(Step("", FINISH, '{"answer": "yes"}'), {"type": "string"}) == ('"yes"', "")
    assert answer_of(Step("", FINISH, '{"answer": "{\\"n\\": 1}"}'), {"type": "object"}) == ('{"n": 1}', "")
    assert answer_of(Step("", FINISH, '{"answer": {"n": 1}}'), {"type": "object"}) == ('{"n":1}', "")


def test_the_guide_has_every_tool_and_the_schema() -> None:
    """Name, description, schema of the arguments, and what the answer must be."""
    words = guide([ADD], {"type": "object", "title": "Sum"})
    assert "add: Add two numbers." in words
    assert '"required":["a","b"]' in words
    assert '"title":"Sum"' in words
    assert "no tools" in guide([], None)
