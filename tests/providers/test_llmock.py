"""The three protocols against llmock, a mock server that others wrote: our reading of the formats is not our own."""

import pytest
from llmock.pytest_plugin import LLMock

from perdure.domain.errors import Overloaded, ProviderTimeout, RateLimited, TruncatedStream
from perdure.domain.messages import UserMessage
from perdure.domain.ports import Conversation
from tests.providers.helpers import MODELS, called, reply, result

every_protocol = pytest.mark.parametrize("model", MODELS)


@every_protocol
async def test_text(llmock: LLMock, model: str) -> None:
    """A streamed answer with usage."""
    llmock.reply("The sum is 5.")
    answer = await reply(model)
    assert (answer.message.text, answer.stop) == ("The sum is 5.", "end")
    assert answer.usage.input > 0
    assert answer.usage.output > 0


@every_protocol
async def test_a_tool_turn(llmock: LLMock, model: str) -> None:
    """A call, its result sent back, and the final answer."""
    llmock.call_tool("add", {"a": 2, "b": 3}).reply("5")
    first = await reply(model)
    (call,) = first.message.calls
    assert (first.stop, call.tool, call.arguments) == ("calls", "add", {"a": 2, "b": 3})
    talk = Conversation((UserMessage(text="?"), first.message, result(call.id)))
    assert (await reply(model, talk)).message.text == "5"


@every_protocol
async def test_a_conversation_from_elsewhere_is_accepted(llmock: LLMock, model: str) -> None:
    """Messages of another provider are valid requests."""
    llmock.reply("5")
    assert (await reply(model, Conversation((UserMessage(text="?"), called(), result())))).message.text == "5"


@every_protocol
async def test_malformed_arguments(llmock: LLMock, model: str) -> None:
    """Argument text that is not JSON is kept, not raised."""
    llmock.call_tool("add", {"a": 2, "b": 3}).break_tool_call("malformed_arguments")
    (call,) = (await reply(model)).message.calls
    assert call.malformed
    assert call.arguments == {}


@every_protocol
async def test_rate_limit_with_retry_after(llmock: LLMock, model: str) -> None:
    """429 says when to come back."""
    llmock.rate_limit(retry_after=3)
    with pytest.raises(RateLimited) as caught:
        await reply(model)
    assert caught.value.retry_after == 3
    assert len(llmock.requests) == 1


@every_protocol
async def test_overload(llmock: LLMock, model: str) -> None:
    """529 is an overload that passes."""
    llmock.fail(529)
    with pytest.raises(Overloaded):
        await reply(model)


@every_protocol
@pytest.mark.parametrize("fault", ["disconnect", "truncate", "corrupt"])
@pytest.mark.parametrize("after", [0, 1, 3])  # event 2 of Anthropic is a ping, which nobody reads
async def test_broken_streams(llmock: LLMock, model: str, fault: str, after: int) -> None:
    """Wherever a stream breaks, there is no answer."""
    llmock.reply("one two three four five six")
    getattr(llmock, fault)(after_chunks=after)
    with pytest.raises(TruncatedStream):
        await reply(model)


@every_protocol
async def test_a_stalled_stream(llmock: LLMock, model: str) -> None:
    """Silence in the middle of an answer is noticed."""
    llmock.reply("one two three four five six").stall(after_chunks=1, seconds=2)
    with pytest.raises(ProviderTimeout):
        await reply(model, read_timeout=0.2)
