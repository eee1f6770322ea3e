"""The line to a provider: one SDK client, its streams as plain JSON events, its failures as errors of the domain."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from types import ModuleType
from typing import Any, Protocol, cast

import httpx2

from perdure.domain.errors import AuthenticationFailed, ConfigurationError, PerdureError
from perdure.domain.model import JsonObject
from perdure.providers.faults import Vendor, scrub
from perdure.providers.sdk_errors import SdkErrors, truncated

__all__ = ["CONNECT_SECONDS", "Client", "Line", "timeouts"]

CONNECT_SECONDS = 5.0
_KEYS = ("api_key", "auth_token", "admin_api_key")


class Client(Protocol):
    """What both SDKs' asynchronous clients have in common; `post` sends a body as it is."""

    @property
    def base_url(self) -> httpx2.URL:
        """Where requests go."""
        ...

    @property
    def post(self) -> Callable[..., Any]:
        """The low-level request method."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class _Stream(Protocol):
    """What both SDKs' streams have in common."""

    def __aiter__(self) -> AsyncIterator[object]: ...

    async def close(self) -> None: ...


class Line:
    """A client of one SDK, made when first used, that never retries by itself.

    `connect` makes the client from the environment and raises a domain error when a key is missing.
    """

    def __init__(self, vendor: Vendor, sdk: ModuleType, connect: Callable[[], Client]) -> None:
        self.vendor = vendor
        self._sdk = sdk
        self._connect = connect
        self._client: Client | None = None
        self._errors = SdkErrors(sdk, vendor)

    def client(self) -> Client:
        """The client; raises AuthenticationFailed or ConfigurationError."""
        if self._client is None:
            try:
                client = self._connect()
            except PerdureError:
                raise
            except Exception as error:
                raise self._unusable(f"{type(error).__name__}: {scrub(str(error))}") from error
            self._accept(client)
            self._client = client
        return self._client

    def _accept(self, client: Client) -> None:
        """Refuse what could never work: waiting would not cure it."""
        keys = [key for name in _KEYS if isinstance(key := getattr(client, name, None), str)]
        if any(not key.isascii() or not key.isprintable() or " " in key for key in keys):
            message = f"{self.vendor.name}: the key holds a space, a line end or another character that no key has"
            raise AuthenticationFailed(f"{message}. Set a valid {self.vendor.key} in the worker's environment.")
        url = client.base_url
        if url.scheme not in ("http", "https") or not url.host:
            raise self._unusable("the address must begin with http:// or https:// and name a host")
        # A stand-in such as "none" is no secret, and replacing it would garble messages.
        secrets = [key for key in keys if len(key) > len("none")]
        self._errors = replace(self._errors, secrets=secrets)

    def _unusable(self, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.vendor.name} cannot be set up: {why}. Check {self.vendor.base_url} in the worker's environment."
        )

    async def close(self) -> None:
        """Release connections; a later call makes a new client."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def events(self, path: str, body: JsonObject) -> AsyncGenerator[JsonObject, None]:
        """POST a body in wire form and yield the events of the answer; leaving early closes the connection at once."""
        client, model, started = self.client(), str(body.get("model", "")), False
        async with AsyncExitStack() as stack:
            try:
                answer: object = await client.post(
                    path, body=body, cast_to=object, stream=True, stream_cls=self._sdk.AsyncStream[object]
                )
                stream, started = cast("_Stream", answer), True
                stack.push_async_callback(stream.close)
                async for event in stream:
                    yield self._object(event, model)
            except PerdureError:
                raise
            except Exception as error:
                raise self._errors.translate(error, model, started=started) from error

    def _object(self, event: object, model: str) -> JsonObject:
        if not isinstance(event, dict):
            raise truncated(self.vendor, model, "an event is not a JSON object")
        return cast("JsonObject", event)


def timeouts(read: float) -> httpx2.Timeout:
    """Seconds: `CONNECT_SECONDS` to connect, `read` without a byte."""
    return httpx2.Timeout(read, connect=CONNECT_SECONDS)
