"""What is sent of conversations whose beginning has left: valid requests of every protocol."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, cast

import pytest

from perdure.domain.messages import AssistantMessage, CallPart, Message, SystemMessage, TextPart, UserMessage
from perdure.domain.ports import Conversation, ProviderRequest
from perdure.providers import anthropic_wire, openai_chat_wire, openai_wire
from perdure.providers.text import NOT_RUN
from tests.providers.helpers import called, request, result

BODIES: dict[str, Callable[[ProviderRequest], dict[str, Any]]] = {
    "anthropic": anthropic_wire.body,
    "openai": openai_wire.body,
    "openai-chat": partial(openai_chat_wire.body, compatible=False),
    "openai-chat:compatible": partial(openai_chat_wire.body, compatible=True),
}
every_wire = pytest.mark.parametrize("wire", BODIES)

GOAL = UserMessage(text="the goal")
RECEIPT = SystemMessage(text="[context receipt] left out")
AGAIN = called("c1")
"""A call whose id an earlier turn had too, as servers give them that count anew in each answer."""


def items(wire: str, messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The conversation as it is sent."""
    sent = BODIES[wire](request(Conversation(messages), instructions=""))
    return sent.get("messages") or sent["input"]


def called_ids(sent: object) -> list[str]:
    """Ids of all calls in a request, in order."""
    return [found for each in walk(sent) if (found := call_id(each))]


def answered_ids(sent: object) -> list[str]:
    """Ids of all results in a request, in order."""
    return [found for each in walk(sent) if (found := result_id(each))]


def call_id(item: dict[str, Any]) -> str:
    """The id of a call on any wire, empty for other things."""
    wires = {"tool_use": "id", "function_call": "call_id", "function": "id"}
    return item.get(wires.get(item.get("type", ""), ""), "")


def result_id(item: dict[str, Any]) -> str:
    """The id that a result answers on any wire, empty for other things."""
    output = item["call_id"] if item.get("type") == "function_call_output" else ""
    return item.get("tool_use_id") or item.get("tool_call_id") or output


def walk(value: object) -> list[dict[str, Any]]:
    """All objects in a JSON value, outer ones first."""
    match value:
        case dict():
            found = cast("dict[str, Any]", value)
            return [found, *(inner for each in found.values() for inner in walk(each))]
        case list():
            return [inner for each in cast("list[object]", value) for inner in walk(each)]
        case _:
            return []


VIEWS: dict[str, list[Message]] = {
    "receipt behind the goal": [GOAL, RECEIPT, called("c7"), result("c7"), UserMessage(text="go on")],
    "receipt first": [RECEIPT, called("c7"), result("c7")],
    "results whose call has left": [result("c1"), result("c2"), GOAL, called("c3"), result("c3")],
    "a call whose result has left": [GOAL, called("c1"), called("c2"), result("c2")],
    "notes in the middle": [GOAL, called("c1"), result("c1"), RECEIPT, SystemMessage(text="note"), GOAL],
    "an id used again": [GOAL, called("c1"), result("c1"), AGAIN, result("c1", "second")],
    "an id twice in one answer": [
        GOAL,
        AssistantMessage(content=(CallPart(id="x", tool="add"), CallPart(id="x", tool="add"))),
        result("x", "first"),
        result("x", "second"),
    ],
    "no id at all": [
        GOAL,
        AssistantMessage(content=(CallPart(id="", tool="add"), CallPart(id="", tool="add"))),
        result("", "first"),
        result("", "second"),
    ],
}


@every_wire
@pytest.mark.parametrize("name", VIEWS)
def test_every_call_has_its_own_id_and_exactly_one_result(wire: str, name: str) -> None:
    """Whatever of a conversation is left, calls and results pair one to one, and ids are unique."""
    sent = items(wire, VIEWS[name])
    calls, answers = called_ids(sent), answered_ids(sent)
    assert calls
    assert sorted(calls) == sorted(answers)
    assert len(set(calls)) == len(calls)
    assert all(calls)


@every_wire
@pytest.mark.parametrize("name", ["an id used again", "an id twice in one answer", "no id at all"])
def test_results_of_equal_ids_keep_their_calls(wire: str, name: str) -> None:
    """They are told apart by their order; none is lost or called not run."""
    sent = str(items(wire, VIEWS[name]))
    assert "second" in sent
    assert NOT_RUN not in sent


def test_ids_that_only_look_different_are_told_apart_for_anthropic() -> None:
    """The characters that this API refuses are all replaced by the same one."""
    talk = [GOAL, called("a:b"), result("a:b"), called("a.b"), result("a.b")]
    assert len(set(called_ids(items("anthropic", talk)))) == 2


@pytest.mark.parametrize("name", VIEWS)
def test_anthropic_begins_with_the_user_and_never_has_two_users_in_a_row(name: str) -> None:
    """Goal and receipt share a message, as do all results of a turn and the note after them."""
    roles = [each["role"] for each in items("anthropic", VIEWS[name])]
    assert roles[0] == "user"
    assert all(one == "assistant" or one != next_one for one, next_one in pairwise(roles))


@pytest.mark.parametrize("name", VIEWS)
def test_compatible_servers_get_no_system_message_in_the_middle(name: str) -> None:
    """Their templates know one, the first, and want the sides to alternate."""
    sent = items("openai-chat:compatible", VIEWS[name])
    assert "system" not in [each["role"] for each in sent]
    spoken = [each["role"] for each in sent if each["role"] != "tool"]
    assert ("user", "user") not in list(pairwise(spoken))


def test_compatible_servers_get_what_one_side_said_in_a_row_as_one_message() -> None:
    """Text is joined; an answer with calls stays by itself."""
    said = AssistantMessage(content=(TextPart(text="one"),))
    sent = items("openai-chat:compatible", [GOAL, RECEIPT, said, said, called("c1"), result("c1")])
    assert [(each["role"], each["content"]) for each in sent[:3]] == [
        ("user", "the goal\n\n<system-note>\n[context receipt] left out\n</system-note>"),
        ("assistant", "one\n\none"),
        ("assistant", "Let me add."),
    ]


@pytest.mark.parametrize(
    ("wire", "role"), [("openai", "developer"), ("openai-chat", "system"), ("openai-chat:compatible", "user")]
)
def test_where_a_receipt_stands(wire: str, role: str) -> None:
    """Between the goal and what is left, in the role that each protocol has for it."""
    sent = items(wire, [GOAL, called("c0"), result("c0"), RECEIPT])
    assert sent[-1]["role"] == role
    assert "[context receipt]" in str(sent[-1])


@every_wire
def test_new_messages_are_joined_without_changing_what_was_converted(wire: str) -> None:
    """A conversation that grows sends the same as one that is converted at once."""
    talk = Conversation([GOAL])
    given = request(talk, instructions="")
    build = BODIES[wire]
    build(given)
    talk.messages = [GOAL, RECEIPT, AGAIN, result("c1"), AGAIN]
    build(given)
    talk.messages = [*talk.messages, result("c1"), RECEIPT]
    assert build(given) == build(request(Conversation(talk.messages), instructions=""))
