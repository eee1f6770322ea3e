"""Answers over the three wire protocols, by the real SDKs against a server with the real formats."""

import pytest

from perdure.domain.messages import OpaquePart, UserMessage
from perdure.domain.ports import Conversation, TokenUsage
from tests.providers.conftest import Serve
from tests.providers.helpers import MODELS, called, reply, result

every_protocol = pytest.mark.parametrize("model", MODELS)


@every_protocol
async def test_text_is_gathered_from_the_stream(serve: Serve, model: str) -> None:
    """Pieces become one text, with the provider's name, the model that served it and an end."""
    serve([{"text": "The sum is 5 \N{BIRD}."}])
    answer = await reply(model)
    assert answer.message.text == "The sum is 5 \N{BIRD}."
    assert answer.message.provider == model.split(":", maxsplit=1)[0]
    assert (answer.stop, answer.model, answer.message.calls) == ("end", "some-model", ())


@every_protocol
async def test_parallel_calls_keep_ids_order_and_arguments(serve: Serve, model: str) -> None:
    """Two calls of one turn come back whole and in order, beside the text before them."""
    calls = [{"tool": "add", "arguments": {"a": 1, "b": 2}}, {"tool": "add", "arguments": {"a": 3, "b": 4}}]
    serve([{"text": "Adding.", "calls": calls}])
    answer = await reply(model)
    assert answer.stop == "calls"
    assert [call.arguments for call in answer.message.calls] == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert len({call.id for call in answer.message.calls}) == 2
    assert answer.message.text == "Adding."


@every_protocol
@pytest.mark.parametrize("raw", ['{"a": 1', "[1, 2]", '{"a": NaN}', '{"a": "\\ud83d"}', '{"a": 1e999}'])
async def test_arguments_that_are_no_object_are_kept_as_malformed(serve: Serve, model: str, raw: str) -> None:
    """Nothing is guessed and nothing is raised: the raw text is there for the model to be told."""
    serve([{"calls": [{"tool": "add", "raw": raw}]}])
    (call,) = (await reply(model)).message.calls
    assert (call.malformed, call.arguments, call.tool) == (raw, {}, "add")


@every_protocol
async def test_a_call_without_arguments_has_an_empty_object(serve: Serve, model: str) -> None:
    """No argument text at all means no arguments, not malformed ones."""
    serve([{"calls": [{"tool": "add", "raw": ""}]}])
    (call,) = (await reply(model)).message.calls
    assert (call.malformed, call.arguments) == ("", {})


@every_protocol
async def test_usage_counts_cached_tokens_within_input(serve: Serve, model: str) -> None:
    """Input is everything sent; what was read from and written to the cache is told apart."""
    serve([{"text": "5", "usage": {"input": 100, "output": 7, "cache_read": 30, "cache_write": 20}}])
    answer = await reply(model)
    assert answer.usage == TokenUsage(input=150, output=7, cache_read=30, cache_write=20)


@every_protocol
async def test_reasoning_goes_back_unchanged_and_in_order(serve: Serve, model: str) -> None:
    """What the first answer held besides text and calls is in the second request exactly as it came."""
    steps = [{"text": "Adding.", "thinking": "hm, two", "redacted": "xyz", "calls": [{"tool": "add"}]}, {"text": "5"}]
    server = serve(steps)
    first = await reply(model)
    opaque = [part for part in first.message.content if isinstance(part, OpaquePart)]
    assert opaque
    assert {part.provider for part in opaque} == {first.message.provider}
    talk = (UserMessage(text="?"), first.message, result(first.message.calls[0].id))
    await reply(model, Conversation(talk))
    assert _assistant_side(server.bodies[1]) == SENT_BACK[first.message.provider]


SENT_BACK: dict[str, object] = {
    "anthropic": [
        {"type": "thinking", "thinking": "hm, two", "signature": "signed-0"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "Adding."},
        {"type": "tool_use", "id": "toolu_0_0", "name": "add", "input": {}},
    ],
    "openai": [
        {
            "type": "reasoning",
            "id": "rs_0",
            "summary": [{"type": "summary_text", "text": "hm, two"}],
            "encrypted_content": "sealed-0",
        },
        {
            "type": "message",
            "id": "msg_0",
            "role": "assistant",
            "status": "completed",
            "phase": "commentary",
            "content": [{"type": "output_text", "text": "Adding.", "annotations": []}],
        },
        {
            "type": "function_call",
            "id": "fc_0_0",
            "status": "completed",
            "call_id": "call_0_0",
            "name": "add",
            "arguments": "{}",
        },
    ],
    "openai-chat": [
        {
            "role": "assistant",
            "content": "Adding.",
            "reasoning_content": "hm, two",
            "tool_calls": [{"id": "call_0_0", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
        }
    ],
}


def _assistant_side(body: dict[str, list[dict[str, object]]]) -> object:
    messages = body.get("messages")
    if messages is None:
        return body["input"][1:-1]
    (message,) = [each for each in messages if each["role"] == "assistant"]
    return [message] if "system" not in body else message["content"]


@every_protocol
async def test_another_providers_reasoning_is_left_out(serve: Serve, model: str) -> None:
    """A conversation moves between providers: text and calls go along, opaque parts and extras do not."""
    server = serve([{"text": "unused"}, {"text": "5"}])
    foreign = called(provider="elsewhere")
    part = OpaquePart(provider="elsewhere", item={"type": "secret-item"})
    marked = foreign.content[1].model_copy(update={"extra": {"foreign_field": 1}})
    message = foreign.model_copy(update={"content": (part, foreign.content[0], marked)})
    await reply(model, Conversation((UserMessage(text="?"), message, result())))
    sent = str(server.bodies[0])
    assert "secret-item" not in sent
    assert "foreign_field" not in sent
    assert "Let me add." in sent


STOPS = {
    "anthropic": {"max_tokens": "max_tokens", "refusal": "refused", "stop_sequence": "end", "brand_new": "end"},
    "openai": {"max_output_tokens": "max_tokens", "content_filter": "refused"},
    "openai-chat": {"length": "max_tokens", "content_filter": "refused", "brand_new": "end"},
}


@pytest.mark.parametrize(
    ("provider", "said", "meant"), [(name, *each) for name, stops in STOPS.items() for each in stops.items()]
)
async def test_stop_reasons(serve: Serve, provider: str, said: str, meant: str) -> None:
    """Each protocol's reason to stop has its meaning for the loop."""
    serve([{"text": "so far", "stop": said}])
    answer = await reply(f"{provider}:some-model")
    assert (answer.stop, answer.message.text) == (meant, "so far")


@every_protocol
async def test_a_refusal_carries_its_words(serve: Serve, model: str) -> None:
    """What the provider says when it refuses reaches whoever reads the run."""
    serve([{"text": "", "refusal": "I will not.", "calls": [{"tool": "add"}]}])
    answer = await reply(model)
    assert (answer.stop, answer.message.text) == ("refused", "I will not.")


@every_protocol
async def test_progress_gets_the_text_piece_by_piece(serve: Serve, model: str) -> None:
    """A reader sees the answer as it comes, and in the end has its text, without thinking or arguments of calls."""
    serve([{"text": "one two thr\u00e9e", "calls": [{"tool": "add", "arguments": {"a": 2, "b": 3}}]}])
    pieces: list[str] = []
    answer = await reply(model, progress=pieces.append)
    assert len(pieces) > 1
    assert "".join(pieces) == answer.message.text == "one two thr\u00e9e"


@every_protocol
async def test_progress_gets_a_refusal(serve: Serve, model: str) -> None:
    """What a reader has seen at the end of a refusal is no more than its words."""
    serve([{"text": "", "refusal": "I will not.", "calls": [{"tool": "add"}]}])
    pieces: list[str] = []
    answer = await reply(model, progress=pieces.append)
    assert answer.message.text.startswith("".join(pieces))


async def test_a_paused_turn_is_sent_back_and_continued(serve: Serve) -> None:
    """Anthropic may pause a turn: what it has said goes back as it is, and both halves make one answer."""
    pause = {"text": "First half, ", "stop": "pause_turn", "usage": {"input": 10, "output": 3}}
    server = serve([pause, {"text": "second half.", "usage": {"input": 13, "output": 4}}])
    answer = await reply("anthropic:some-model")
    assert answer.message.text == "First half, second half."
    assert answer.usage == TokenUsage(input=23, output=7)
    assert server.bodies[1]["messages"][-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "First half, "}],
    }
