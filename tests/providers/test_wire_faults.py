"""Failures over the wire: statuses, broken streams, silence, dead addresses, cancellation."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from perdure.domain.errors import (
    AuthenticationFailed,
    ConfigurationError,
    ContextOverflow,
    Overloaded,
    PerdureError,
    PermissionDenied,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    TruncatedStream,
    UnknownModel,
    Waitable,
)
from tests.providers.conftest import Serve
from tests.providers.helpers import MODELS, ended, reply
from tests.wire import WireServer

every_protocol = pytest.mark.parametrize("model", MODELS)

STATUSES: list[tuple[int, str, str, type[PerdureError]]] = [
    (400, "", "tools: wrong", ProviderRefused),
    (400, "", "prompt is too long: 250000 tokens > 200000 maximum", ContextOverflow),
    (400, "context_length_exceeded", "too many tokens", ContextOverflow),
    (400, "", "Your credit balance is too low to access the API.", QuotaExhausted),
    (401, "", "invalid key", AuthenticationFailed),
    (402, "", "pay", QuotaExhausted),
    (403, "", "not yours", PermissionDenied),
    (404, "", "model: no-such", UnknownModel),
    (404, "model_not_found", "no such model", UnknownModel),
    (408, "", "slow", ProviderTimeout),
    (409, "", "conflict", ProviderUnavailable),
    (413, "", "too large", ContextOverflow),
    (422, "", "wrong", ProviderRefused),
    (429, "", "slow down", RateLimited),
    (429, "insufficient_quota", "You exceeded your current quota", QuotaExhausted),
    (500, "", "oops", ProviderUnavailable),
    (503, "", "busy", Overloaded),
    (529, "", "busy", Overloaded),
]

OVERFLOWS = [
    (400, "", "prompt is too long: 213462 tokens > 200000 maximum"),
    (400, "", "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000, decrease input length"),
    (413, "request_too_large", "Request exceeds the maximum size"),
    (400, "context_length_exceeded", "Your input exceeds the context window of this model."),
    (400, "", "This model's maximum context length is 16384 tokens. However, you requested 122946 tokens."),
    (400, "BadRequestError", "You passed 25 input tokens, but the model's context length is only 24 tokens."),
    (400, "exceed_context_size_error", "request (4390 tokens) exceeds the available context size (4096 tokens)"),
    (500, "server_error", "Context size has been exceeded."),
    (400, "", "Requested tokens (2285) exceed context window of 2048"),
    (400, "", "The model is loaded with context length of only 32768 tokens, which is not enough."),
    (400, "", "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575)."),
    (400, "", "This model's maximum prompt length is 131072 but the request contains 537812 tokens."),
    (400, "", "Please reduce the length of the messages or completion."),
    (400, "", "Input is too long for requested model."),
    (400, "", "Your request exceeded model token limit: 262144 (requested: 291351)"),
    (400, "", "invalid params, context window exceeds limit"),
    (400, "", "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"),
    (400, "", "prompt too long; exceeded max context length by 2133 tokens"),
    (429, "rate_limit_exceeded", "Request too large: Limit 30000. The input or output tokens must be reduced."),
]
"""Status, code and words in which vendors and servers say that a conversation is too long."""

NO_OVERFLOWS = [
    (400, "max_tokens: 200000 > 128000, which is the maximum allowed number of output tokens"),
    (429, "Rate limit reached: Limit 30000 tokens per min, Used 29000. Please try again in 4s."),
    (429, "This request would exceed your organization's rate limit of 40,000 input tokens per minute"),
    (400, "messages.1.content: the context management field is not permitted"),
    (500, "Internal error while reading the request"),
]


@every_protocol
@pytest.mark.parametrize("case", STATUSES, ids=lambda case: f"{case[0]}-{case[3].__name__}")
async def test_statuses(serve: Serve, model: str, case: tuple[int, str, str, type[PerdureError]]) -> None:
    """Every status is one error of the domain that says what the provider said, and the request's id."""
    status, code, message, kind = case
    serve([{"error": {"status": status, "code": code, "message": message}}])
    with pytest.raises(PerdureError) as caught:
        await reply(model)
    assert type(caught.value) is kind
    assert message.rstrip(".") in caught.value.message
    assert "req_wire" in caught.value.message
    assert caught.value.details["status"] == status


@every_protocol
async def test_errors_say_what_to_do_and_never_show_the_key(serve: Serve, model: str) -> None:
    """A provider that echoes the key is quoted without it; the variable to set is named."""
    server = serve([{"error": {"status": 401, "message": "bad: wire-anthropic-key wire-openai-key sk-abcdef123456"}}])
    with pytest.raises(AuthenticationFailed) as caught:
        await reply(model)
    message = caught.value.message
    variable = "ANTHROPIC_API_KEY" if model.startswith("anthropic") else "OPENAI_API_KEY"
    key = server.env()[variable]
    assert f"Set a valid {variable} in the worker's environment" in message
    assert key not in message
    assert "sk-abcdef" not in message


@every_protocol
async def test_retry_after_reaches_the_error(serve: Serve, model: str) -> None:
    """What the provider says about when to come back is kept in seconds."""
    serve([{"error": {"status": 429, "retry_after": 2.5}}])
    with pytest.raises(RateLimited) as caught:
        await reply(model)
    assert caught.value.retry_after == 2.5


@every_protocol
@pytest.mark.parametrize("fault", ["truncate", "disconnect", "malformed"])
async def test_broken_streams_are_truncated(serve: Serve, model: str, fault: str) -> None:
    """However a stream breaks, half an answer is never taken for a whole one."""
    server = serve([{"text": "one two three four", "fault": fault}])
    with pytest.raises(TruncatedStream):
        await reply(model)
    assert len(server.log) == 1


@every_protocol
async def test_an_error_inside_the_stream_is_the_providers_error(serve: Serve, model: str) -> None:
    """A stream that began with 200 can still turn out overloaded."""
    serve([{"text": "one two three four", "fault": "error"}])
    with pytest.raises(Overloaded, match="too much to do"):
        await reply(model)


@every_protocol
async def test_silence_ends_by_the_read_timeout(serve: Serve, model: str) -> None:
    """A connection that says nothing more counts as dead after the time given."""
    server = serve([{"text": "one two three four", "fault": "stall"}])
    with pytest.raises(ProviderTimeout):
        await reply(model, read_timeout=0.2)
    await ended(server)


@every_protocol
async def test_nothing_is_retried_by_the_sdks(serve: Serve, model: str) -> None:
    """One call is one request: retries belong to Temporal."""
    server = serve([{"error": {"status": 500}}])
    with pytest.raises(ProviderUnavailable):
        await reply(model)
    assert len(server.log) == 1


@every_protocol
async def test_cancellation_closes_the_stream_at_once(serve: Serve, model: str) -> None:
    """Whoever stops a run stops paying: the server sees the connection close."""
    server = serve([{"text": "one two three four", "fault": "stall"}])
    started = asyncio.Event()
    call = asyncio.create_task(reply(model, progress=lambda _: started.set(), read_timeout=60))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await ended(server)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of loopback where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield unused.getsockname()[1]


@every_protocol
async def test_an_address_where_nobody_listens_is_waited_out(
    monkeypatch: pytest.MonkeyPatch, closed_port: int, model: str
) -> None:
    """A provider that is down may come back: the error can be waited out and names the setting."""
    server = WireServer([{"text": "unused"}])
    for name, value in server.env().items():
        monkeypatch.setenv(name, value.replace(server.url, f"http://127.0.0.1:{closed_port}"))
    server.close()
    with pytest.raises(ProviderUnavailable, match="BASE_URL") as caught:
        await reply(model)
    assert isinstance(caught.value, Waitable)


@pytest.mark.parametrize("model", ["anthropic:some-model", "openai-chat:some-model"])
async def test_a_full_context_window_is_an_overflow(serve: Serve, model: str) -> None:
    """Anthropic, and servers that pass its models on, say so with a stop reason instead of a status."""
    serve([{"text": "half", "stop": "model_context_window_exceeded"}])
    with pytest.raises(ContextOverflow):
        await reply(model)


@every_protocol
@pytest.mark.parametrize(("status", "code", "message"), OVERFLOWS)
async def test_overflows_in_the_words_of_many_servers(
    serve: Serve, model: str, status: int, code: str, message: str
) -> None:
    """However a server says it, a conversation that is too long is one thing, which can be made smaller."""
    serve([{"error": {"status": status, "code": code, "message": message}}])
    with pytest.raises(ContextOverflow):
        await reply(model)


@every_protocol
@pytest.mark.parametrize(("status", "message"), NO_OVERFLOWS)
async def test_other_complaints_about_tokens_are_no_overflow(
    serve: Serve, model: str, status: int, message: str
) -> None:
    """Leaving out messages would not cure them."""
    serve([{"error": {"status": status, "message": message}}])
    with pytest.raises(PerdureError) as caught:
        await reply(model)
    assert not isinstance(caught.value, ContextOverflow)


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("anthropic:m", "ANTHROPIC_API_KEY"),
        ("openai:m", "OPENAI_API_KEY"),
        ("openai-chat:m", "OPENAI_API_KEY"),
    ],
)
async def test_a_missing_key_names_its_variable(model: str, variable: str) -> None:
    """Known before any call, and not something that waiting would cure."""
    with pytest.raises(AuthenticationFailed, match=variable):
        await reply(model)


@every_protocol
@pytest.mark.parametrize("key", ["sk-abcdefgh\n", "sk-abc defgh", "sk-abcdefgh\N{EN DASH}"])
async def test_a_key_with_impossible_characters_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, model: str, key: str
) -> None:
    """A line end copied along with the key is no outage to wait for; the key is not shown."""
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, key)
    with pytest.raises(AuthenticationFailed, match="API_KEY") as caught:
        await reply(model)
    assert "abc" not in caught.value.message


@every_protocol
@pytest.mark.parametrize("address", ["localhost:8080", "ftp://x", "http://"])
async def test_an_impossible_address_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, model: str, address: str
) -> None:
    """A setting that can never work is said to be wrong, not waited for."""
    for name in ("ANTHROPIC", "OPENAI"):
        monkeypatch.setenv(f"{name}_API_KEY", "some-key")
        monkeypatch.setenv(f"{name}_BASE_URL", address)
    with pytest.raises(ConfigurationError, match="BASE_URL"):
        await reply(model)


@pytest.mark.parametrize("model", ["openai:m", "openai-chat:m"])
async def test_a_server_of_ones_own_needs_no_key(
    monkeypatch: pytest.MonkeyPatch, no_keys: None, serve: Serve, model: str
) -> None:
    """With OPENAI_BASE_URL set and no key, nothing is sent as one."""
    assert no_keys is None
    server = serve([{"text": "hello"}])
    monkeypatch.delenv("OPENAI_API_KEY")
    assert (await reply(model)).message.text == "hello"
    assert server.log[0]["authorization"] == ""
