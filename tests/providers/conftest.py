"""Servers for provider tests, with the environment leading to them."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

import pytest

from tests.providers.helpers import close_all
from tests.wire import WireServer

Serve = Callable[[Sequence[Mapping[str, object]]], WireServer]


@pytest.fixture(scope="session", autouse=True)
async def clients() -> AsyncIterator[None]:
    """Close the SDK clients of all tests at the end."""
    yield
    await close_all()


@pytest.fixture(scope="session")
def wire() -> Iterator[WireServer]:
    """One server for the session: starting and stopping it for each test would take most of their time."""
    with WireServer([{"text": "no script yet"}]) as server:
        yield server


@pytest.fixture
def serve(wire: WireServer, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """A function that makes the wire server play these steps and points the SDKs at it."""

    def start(steps: Sequence[Mapping[str, object]]) -> WireServer:
        wire.play(steps)
        for name, value in wire.env().items():
            monkeypatch.setenv(name, value)
        return wire

    return start


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no key and no server."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
