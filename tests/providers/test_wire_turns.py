"""How the wire server of the tests knows which step to play, also for conversations whose beginning has left."""

import pytest

from perdure.domain.errors import ContextOverflow
from perdure.domain.messages import Message, SystemMessage, UserMessage
from perdure.domain.ports import Conversation
from perdure.domain.summary import INSTRUCTIONS
from tests.providers.conftest import Serve
from tests.providers.helpers import MODELS, asked, reply, result

every_protocol = pytest.mark.parametrize("model", MODELS)

GOAL = UserMessage(text="the goal")
RECEIPT = SystemMessage(text="[context receipt] left out")
STEPS: list[dict[str, object]] = [
    *({"calls": [{"tool": "add", "arguments": {"a": number, "b": 1}}]} for number in range(5)),
    {"text": "sixth"},
    {"text": "seventh"},
    {"text": "eighth"},
]


@every_protocol
async def test_ids_of_the_last_answers_say_where_a_script_stands(serve: Serve, model: str) -> None:
    """A view that begins in the middle plays on, by call ids and then by what was said."""
    server = serve(STEPS)
    talk: list[Message] = [GOAL]
    for _ in range(3):
        answer = (await reply(model, asked(*talk))).message
        talk += [answer, *(result(call.id) for call in answer.calls)]
    view: list[Message] = [GOAL, RECEIPT, *talk[-2:]]
    for _ in range(5):
        answer = (await reply(model, Conversation(view))).message
        view = [GOAL, RECEIPT, answer, *(result(call.id) for call in answer.calls), UserMessage(text="go on")]
    assert [entry["turn"] for entry in server.log] == list(range(8))


@every_protocol
async def test_a_view_without_answers_plays_on(serve: Serve, model: str) -> None:
    """When even the newest turn has left, the server remembers; an overflow is not answered twice."""
    overflow = {"error": {"status": 400, "code": "context_length_exceeded", "message": "too long"}}
    server = serve([*STEPS[:2], overflow, *STEPS[2:]])
    talk: list[Message] = [GOAL]
    for _ in range(2):
        answer = (await reply(model, asked(*talk))).message
        talk += [answer, *(result(call.id) for call in answer.calls)]
    with pytest.raises(ContextOverflow):
        await reply(model, asked(*talk))
    answer = (await reply(model, asked(GOAL, RECEIPT))).message
    assert answer.calls[0].arguments == {"a": 2, "b": 1}
    assert [entry["turn"] for entry in server.log] == [0, 1, 2, 2]


@every_protocol
async def test_a_summary_plays_no_step(serve: Serve, model: str) -> None:
    """It is known by its instructions, and the log says so."""
    server = serve(STEPS)
    summary = await reply(model, instructions=INSTRUCTIONS, tools=(), purpose="summary")
    first = await reply(model)
    assert summary.message.text.startswith("[wire summary of ")
    assert first.message.calls[0].arguments == {"a": 0, "b": 1}
    assert [entry["summary"] for entry in server.log] == [True, False]
