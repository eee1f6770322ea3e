"""Modes of reasoning that need no tools: a chain of thought before the answer, and a small tree of thoughts."""

import re
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from perdure.domain.answer import parse_answer
from perdure.domain.explain import explain
from perdure.domain.model import JsonObject, Model, canonical_json

__all__ = [
    "LEVELS",
    "THOUGHTS",
    "Thinking",
    "Thought",
    "chain_guide",
    "conclusion",
    "next_guide",
    "pursue",
    "read_thoughts",
]

LEVELS = 2
"""Depth of the tree: the thoughts of each level build on the best one of the level before."""
BREADTH = 3

_ANSWER = re.compile(r"^[ \t>]*(?:\*\*|__)?Answer[ \t]*(?:\*\*|__)?:(?:\*\*|__)?[ \t]*", re.MULTILINE | re.IGNORECASE)
_FENCED = re.compile(r"\A```[\w-]*[ \t]*\n(.*?)\n?```\Z", re.DOTALL)


class Thinking(Model, frozen=True):
    """How far a run has come in its mode: answers in a row that were not in its form, and levels of thought so far."""

    malformed: int = 0
    levels: int = 0


class Thought(Model, frozen=True):
    """A way to go on, and how likely it leads to the goal by the model's own judgement (0 to 1)."""

    thought: Annotated[str, StringConstraints(min_length=1)]
    score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Thoughts(Model, frozen=True):
    """Thoughts of one level."""

    thoughts: Annotated[tuple[Thought, ...], Field(min_length=2, max_length=BREADTH)]


THOUGHTS: JsonObject = _Thoughts.model_json_schema()
"""What a level of the tree must look like."""


def chain_guide(output_schema: JsonObject | None) -> str:
    """What the instructions say to a model that thinks in a chain."""
    what = "nothing but the answer itself"
    if output_schema is not None:
        what = f"nothing but one JSON value that fits this JSON Schema:\n{canonical_json(output_schema)}"
    return (
        "Before you answer, think step by step, in writing: what is asked, what is known, each step that follows, and "
        "a check of the result. You may call tools in between. "
        f'Then write a line that begins with "Answer:", and after it {what}'
    )


def conclusion(text: str) -> tuple[str, str]:
    """What stands after the last "Answer:" at the beginning of a line, and what is wrong (empty: nothing)."""
    labels = list(_ANSWER.finditer(text))
    if not labels:
        return "", 'no line begins with "Answer:"'
    answer = text[labels[-1].end() :].strip()
    fenced = _FENCED.match(answer)
    return (fenced[1] if fenced else answer).strip(), ""


def next_guide(level: int) -> str:
    """What the instructions say while thoughts are collected; `level` counts from 0."""
    what = "ways to go about the task" if level == 0 else "next steps that build on the thought that was chosen"
    return (
        f"Do not answer the task yet. Propose {BREADTH} {what}, which really differ from each other, and score each "
        "from 0 to 1 by how likely it leads to a correct and complete result; look for what could go wrong with it. "
        'Answer only with JSON: {"thoughts": [{"thought": "...", "score": 0.7}, ...]}'
    )


def read_thoughts(text: str) -> tuple[tuple[Thought, ...], str]:
    """The thoughts of a level, and what is wrong (empty: nothing)."""
    value, problem = parse_answer(text)
    if problem:
        return (), problem
    try:
        return _Thoughts.model_validate(value).thoughts, ""
    except ValidationError as error:
        return (), explain(error)


def pursue(thoughts: tuple[Thought, ...], level: int) -> str:
    """What the model is told: the best thought (of equals the first) is pursued. `level` counts from 0."""
    number, best = max(enumerate(thoughts, start=1), key=lambda each: (each[1].score, -each[0]))
    then = "Go on from there." if level + 1 < LEVELS else "Now do the task on this way."
    return f"Thought {number} is pursued (score {best.score:g}): {best.thought}\n{then}"
