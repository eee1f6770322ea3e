"""ReAct in words: how tools and calls look as text, and what a model's text asks for; reading never raises."""

import ast
import json
import re
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from perdure.domain.arguments import check_value
from perdure.domain.model import JsonObject, JsonValue, canonical_json
from perdure.domain.tools import ToolSpec

__all__ = ["FINISH", "Step", "action_text", "answer_of", "finish_text", "guide", "parse", "reminder"]

FINISH = "finish"
"""The action that ends the work; no tool may have this name."""
OBSERVATION = "Observation: "
MAX_NAME = 200
MAX_CALL = 20_000
"""Characters of a call in brackets that are looked at; longer arguments belong into Action Input."""

_LABEL = re.compile(
    r"^[ \t>]*(?:\*\*|__)?(Thought|Action Input|Action|Observation|Final Answer)(?:[ \t]*\d+)?[ \t]*"
    r"(?:\*\*|__)?:(?:\*\*|__)?[ \t]*",
    re.MULTILINE | re.IGNORECASE,
)
_FENCE = re.compile(r"\A\s*```[\w-]*[ \t]*\n?|\n?[ \t]*```\s*\Z")
_THINKING = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_IN_BRACKETS = re.compile(r"([\w.:/-]+)\s*\((.*)\)", re.DOTALL)
_JSON_NAMES: dict[str, JsonValue] = {"true": True, "false": False, "null": None}
_lenient = json.JSONDecoder(strict=False)
"""Models write line breaks into strings as they are."""

_GUIDE = """\
You work in steps. In each step you call one tool, by writing text in exactly this form:

Thought: what you know so far and what you do next
Action: the name of one tool
Action Input: {"argument": "value"}

Then stop: the result comes back to you in a message that begins with "Observation:". Never write an observation \
yourself. Action Input is one JSON object that fits the schema of the tool.

When you know the answer, finish in this form, which is the only way to end:

Thought: why this is the answer
Action: finish
Action Input: {"answer": "the whole answer"}"""


class Step(NamedTuple):
    """What a text asks for: the first action in it. `problem` says why there is none; then the rest is empty.

    `raw` is the text of the input, a JSON object when all is well. `ended`: more was said after the action, such as
    an observation that nobody made; it does not count.
    """

    thought: str = ""
    tool: str = ""
    raw: str = ""
    ended: bool = False
    problem: str = ""


def guide(tools: Sequence[ToolSpec], output_schema: JsonObject | None) -> str:
    """What the instructions say of the form and of the tools."""
    parts = [_GUIDE]
    if output_schema is not None:
        parts.append(f"The answer must be a JSON value that fits this JSON Schema:\n{canonical_json(output_schema)}")
    if tools:
        parts.append("The tools, each with the JSON Schema of its input:")
        parts += [f"{spec.name}: {spec.description}\n{canonical_json(spec.parameters)}" for spec in tools]
    else:
        parts.append("There are no tools: finish at once.")
    return "\n\n".join(parts)


def reminder(problem: str) -> str:
    """The answer to text that is not in the form."""
    return (
        f"Your answer could not be read: {problem}. Write exactly one step, and nothing after it:\n"
        "Thought: ...\nAction: the name of one tool, or finish\n"
        'Action Input: one JSON object, for finish {"answer": ...}'
    )


def action_text(thought: str, tool: str, arguments: str) -> str:
    """A step as the model should have written it."""
    words = f"Thought: {thought.strip()}\n" if thought.strip() else ""
    return f"{words}Action: {tool}\nAction Input: {arguments}"


def finish_text(thought: str, answer: JsonValue) -> str:
    """The last step as the model should have written it."""
    return action_text(thought, FINISH, json.dumps({"answer": answer}, ensure_ascii=False))


def parse(text: str) -> Step:
    """The first action of the text. Labels count at the beginning of a line; an observation ends what is read.

    Accepted are `Action:` with `Action Input:`, `Action: tool(name="value")`, and `Final Answer:` for finishing.
    """
    text = _THINKING.sub("", text, count=1)
    labels = list(_LABEL.finditer(text))
    end = next((label.start() for label in labels if _kind(label) == "observation"), len(text))
    ended, text = end < len(text), text[:end]
    labels = [label for label in labels if label.start() < end]
    first = next((place for place, label in enumerate(labels) if _kind(label) in ("action", "final answer")), None)
    if first is None:
        return Step(problem='there is no line that begins with "Action:"')
    thought, label, rest = _thought(text[: labels[first].start()]), labels[first], labels[first + 1 :]
    if _kind(label) == "final answer":
        answer = _unfenced(text[label.end() : rest[0].start() if rest else end])
        return Step(thought, FINISH, json.dumps({"answer": answer}), ended or bool(rest))
    body = text[label.end() : rest[0].start() if rest else end]
    if rest and _kind(rest[0]) == "action input":
        start = rest[0].end()
        raw, used = _input(text[start:], rest[1].start() - start if rest[1:] else len(text) - start)
        tool, ended = _name(body), ended or any(label.start() >= start + used for label in rest[1:])
    else:
        (tool, raw), ended = _bare(body), ended or bool(rest)
    if not tool:
        return Step(problem='the line that begins with "Action:" names no tool')
    return Step(thought, tool, raw, ended)


def answer_of(step: Step, output_schema: JsonObject | None) -> tuple[str, str]:
    """The answer of a finishing step as text, JSON where a schema wants it, and what is wrong (empty: nothing)."""
    try:
        given: JsonValue = json.loads(step.raw)
        if isinstance(given, dict) and given.keys() == {"answer"}:
            answer = given["answer"]
            plain = isinstance(answer, str) and (output_schema is None or bool(check_value(output_schema, answer)))
            return str(answer) if plain else canonical_json(answer), ""
    except (ValueError, RecursionError):
        pass
    return "", 'the input of finish must be one JSON object of the form {"answer": ...}'


def _kind(label: "re.Match[str]") -> str:
    return label[1].lower()


def _thought(text: str) -> str:
    return _unfenced(_LABEL.sub("", text))


def _unfenced(text: str) -> str:
    return _FENCE.sub("", text).strip()


def _name(body: str) -> str:
    """The first line, without what models put around a name."""
    return _unfenced(body).partition("\n")[0].strip(" \t*_`'\"[]()").rstrip(".")[:MAX_NAME]


def _input(text: str, to: int) -> tuple[str, int]:
    """The first JSON value of the text, else all of it up to `to`; and how many characters that took."""
    begin = re.match(r"\s*(?:```[\w-]*\s*)?", text)
    start = begin.end() if begin else 0
    try:
        value, used = _lenient.raw_decode(text, start)
        return json.dumps(value, ensure_ascii=False), used
    except (ValueError, RecursionError):
        return _unfenced(text[:to]), to


def _bare(body: str) -> tuple[str, str]:
    """Tool and input of an action that no Action Input follows: `tool(name="value")`, or a name alone."""
    text = _unfenced(body)
    found = _IN_BRACKETS.fullmatch(text.strip("` \t"))
    if found is None or len(text) > MAX_CALL:
        return _name(body), ""
    return found[1][:MAX_NAME], _arguments(found[2])


def _arguments(inside: str) -> str:
    """Named arguments as a JSON object; anything else as it was written, for the model to be shown again."""
    if not inside.strip():
        return "{}"
    if inside.lstrip().startswith("{"):
        return inside
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in strings
            call = ast.parse(f"f({inside}\n)", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            return inside
        return json.dumps({word.arg: _value(word.value) for word in call.keywords if word.arg or _refuse()})
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return inside


def _value(node: ast.expr) -> Any:  # noqa: ANN401 - a literal of any kind
    if isinstance(node, ast.Name) and node.id in _JSON_NAMES:
        return _JSON_NAMES[node.id]
    return ast.literal_eval(node)


def _refuse() -> bool:
    """Of `**mapping` there is no name."""
    raise ValueError
