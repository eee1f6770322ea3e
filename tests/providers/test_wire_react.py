"""ReAct in text form on the three wires: no tools are sent, calls come back, and results go out as observations."""

import json

import pytest

from perdure.domain.messages import (
    AssistantMessage,
    CallPart,
    Message,
    OpaquePart,
    TextPart,
    ToolResultMessage,
    UserMessage,
)
from perdure.domain.ports import Conversation, ProviderReply
from perdure.providers import Providers
from perdure.providers.react import reply_in_text
from tests.providers.conftest import Serve
from tests.providers.helpers import MODELS, asked, nothing, request, result

every_protocol = pytest.mark.parametrize("model", MODELS)

ACTION = 'Thought: I add them.\nAction: add\nAction Input: {"a": 2, "b": 3}'
FINISH = 'Thought: That is it.\nAction: finish\nAction Input: {"answer": "5"}'
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


async def in_text(model: str, conversation: Conversation, *, closing: bool = False, **fields: object) -> ProviderReply:
    """One answer of a model in text form."""
    providers = Providers(read_timeout=5)
    provider, name = providers.resolve(model)
    call = request(conversation, model=name, **fields)
    reply = await reply_in_text(provider, call, nothing, closing=closing)
    await providers.close()
    return reply


@every_protocol
async def test_a_call_is_asked_for_and_answered_in_words(serve: Serve, model: str) -> None:
    """The model reads tools, its own action and the observation as text, and its text becomes a call and an answer."""
    server = serve([{"text": ACTION + "\nObservation: 6\nThought: made up"}, {"text": FINISH}])
    talk: list[Message] = [UserMessage(text="What is 2 + 3?")]
    conversation = Conversation(talk)
    first = await in_text(model, conversation)
    (call,) = first.message.calls
    assert (first.stop, first.message.text) == ("calls", "I add them.")
    assert (call.tool, call.arguments) == ("add", {"a": 2, "b": 3})
    talk += [first.message, result(call.id)]
    second = await in_text(model, conversation, turn=1)
    assert (second.stop, second.message.text, second.message.calls) == ("end", "5", ())
    for body in server.bodies:
        assert not body.keys() & {"tools", "tool_choice", "functions", "response_format", "output_config", "text"}
        assert '\\"required\\":[\\"a\\",\\"b\\"]' in json.dumps(body)
    sent = json.dumps(server.bodies[1])
    assert "Observation: 5" in sent
    assert "made up" not in sent
    assert json.dumps('Action: add\nAction Input: {"a":2,"b":3}')[1:-1] in sent
    assert "tool_use" not in sent
    assert "function_call" not in sent
    assert "tool_calls" not in sent


@every_protocol
async def test_a_schema_is_said_in_words_and_its_answer_is_json(serve: Serve, model: str) -> None:
    """A native structured output would forbid the form."""
    server = serve([{"text": 'Action: finish\nAction Input: {"answer": {"n": 5}}'}])
    reply = await in_text(model, asked(), output_schema=SCHEMA)
    assert json.loads(reply.message.text) == {"n": 5}
    assert "JSON Schema" in json.dumps(server.bodies[0])
    assert not server.bodies[0].keys() & {"response_format", "output_config", "text"}


@every_protocol
async def test_text_out_of_form_is_kept_and_told(serve: Serve, model: str) -> None:
    """What was said stays the message; the problem comes along for whoever asks again."""
    serve([{"text": "It is 5."}])
    reply = await in_text(model, asked())
    assert reply.message.text == "It is 5."
    assert "Action:" in reply.malformed


@every_protocol
async def test_an_answer_that_is_cut_off_is_no_action(serve: Serve, model: str) -> None:
    """Half an action is not run; one that was whole before the model went on inventing is."""
    cut = {"anthropic": "max_tokens", "openai": "max_output_tokens", "openai-chat": "length"}[model.partition(":")[0]]
    serve([{"text": ACTION, "stop": cut}, {"text": f"{ACTION}\nObservation: 6", "stop": cut}])
    half = await in_text(model, asked())
    whole = await in_text(model, asked(UserMessage(text="again"), AssistantMessage(content=(TextPart(text="hm"),))))
    assert (half.stop, half.message.calls, half.malformed) == ("max_tokens", (), "")
    assert (whole.stop, len(whole.message.calls)) == ("calls", 1)


@every_protocol
async def test_a_last_word_needs_no_form(serve: Serve, model: str) -> None:
    """Nothing is said of actions, and an action in the answer is not run."""
    server = serve([{"text": ACTION}, {"text": FINISH}])
    words = await in_text(model, asked(), closing=True)
    assert (words.message.text, words.message.calls, words.malformed) == (ACTION, (), "")
    again = asked(UserMessage(text="again"), AssistantMessage(content=(TextPart(text="hm"),)))
    assert (await in_text(model, again, closing=True)).message.text == "5"
    assert "Action Input" not in json.dumps(server.bodies[0])


@every_protocol
async def test_what_a_native_model_did_before_goes_out_as_text(serve: Serve, model: str) -> None:
    """Several calls, broken arguments, errors and thoughts of a provider: all of it can be said in words."""
    server = serve([{"text": "one"}, {"text": FINISH}])
    provider = model.partition(":")[0]
    calls = (CallPart(id="c1", tool="add", arguments={"a": 1}), CallPart(id="c2", tool="add", malformed="{a"))
    before = AssistantMessage(
        content=(OpaquePart(provider=provider, item={"type": "thinking"}), TextPart(text="Both."), *calls),
        provider=provider,
    )
    failed = ToolResultMessage(call_id="c2", tool="add", text="no object", error="INVALID_ARGUMENTS")
    await in_text(model, asked(UserMessage(text="go"), before, UserMessage(text="hurry"), result("c1"), failed))
    sent = json.dumps(server.bodies[0])
    order = ["Thought: Both.", "Action Input: {a", "Observation: 5", "Error INVALID_ARGUMENTS: no object", "hurry"]
    places = [sent.index(words) for words in order]
    assert places == sorted(places)
    assert '"thinking"' not in sent


async def test_only_new_messages_are_converted_and_stand_ins_are_not_kept(serve: Serve) -> None:
    """A call without a result gets one for this request alone."""
    server = serve([{"text": ACTION}, {"text": FINISH}, {"text": FINISH}])
    talk: list[Message] = [UserMessage(text="go")]
    conversation = Conversation(talk)
    first = await in_text("openai-chat:some-model", conversation)
    talk.append(first.message)
    await in_text("openai-chat:some-model", conversation, turn=1)
    assert "not run" in json.dumps(server.bodies[1])
    talk.append(result(first.message.calls[0].id))
    await in_text("openai-chat:some-model", conversation, turn=1)
    assert "not run" not in json.dumps(server.bodies[2])
    assert "Observation: 5" in json.dumps(server.bodies[2])
