"""Which server a process talks to, and what the user reads when it cannot."""

import os
import socket
import time
from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from perdure.connect import Connection, Unreachable, connect, register_search_attributes
from perdure.domain.search import SEARCH_ATTRIBUTES
from perdure.server import stop_server
from perdure.settings import Settings, SettingsError
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def _plain_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))


@pytest.fixture
async def settings(tmp_path: Path) -> AsyncGenerator[Settings]:
    """Settings with a home of their own; a server that was started there is stopped."""
    yield Settings(home=tmp_path / "home")
    await stop_server(tmp_path / "home")


@pytest.fixture
def silent() -> Iterator[str]:
    """Address of something that accepts connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def address_of(client: Client) -> str:
    """Where the session's server listens."""
    return client.service_client.config.target_host


async def connected(settings: Settings) -> Connection:
    """Connect without plugins or progress."""
    return await connect(settings, plugins=[], on_progress=lambda _: None)


async def test_a_named_server_is_used_and_nothing_is_started(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TEMPORAL_ADDRESS wins over the embedded default."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", address_of(client))
    connection = await connected(settings)
    assert (connection.address, connection.ui, connection.embedded) == (address_of(client), None, False)
    assert connection.client.namespace == connection.namespace == "default"
    assert not exists(settings.home)


async def test_a_profile_names_a_server_too(
    settings: Settings, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configuration file of the Temporal CLI, with TEMPORAL_PROFILE choosing in it."""
    write(tmp_path / "temporal.toml", f'[profile.staging]\naddress = "{address_of(client)}"\n')
    monkeypatch.setenv("TEMPORAL_PROFILE", "staging")
    assert (await connected(settings)).address == address_of(client)


def exists(path: Path) -> bool:
    """Whether there is such a file or folder."""
    return path.exists()


def write(path: Path, text: str) -> None:
    """Write a file."""
    path.write_text(text)


async def test_without_a_named_server_the_embedded_one_is_started(settings: Settings) -> None:
    """It has a Web UI, and runs can use the search attributes at once."""
    connection = await connected(settings)
    assert connection.embedded
    assert connection.ui is not None
    assert (await connection.client.count_workflows("PerdurePending = 1")).count == 0


async def test_a_key_without_a_server_is_said_not_to_be_used(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who set TEMPORAL_API_KEY expects another server."""
    monkeypatch.setenv("TEMPORAL_API_KEY", "very-secret")
    lines: list[str] = []
    assert (await connect(settings, plugins=[], on_progress=lines.append)).embedded
    assert any("TEMPORAL_ADDRESS names no server" in line for line in lines)
    assert "very-secret" not in "".join(lines)


async def test_a_closed_port_is_unreachable_at_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the address and what to do."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    began = time.monotonic()
    with pytest.raises(
        Unreachable, match=r"127.0.0.1:1: tcp connect error: Connection refused. .*unset TEMPORAL_ADDRESS"
    ):
        await connected(settings)
    assert time.monotonic() - began < 2


async def test_a_server_that_never_answers_is_given_up_within_six_seconds(
    settings: Settings, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after the thirty and more of the defaults."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", silent)
    began = time.monotonic()
    with pytest.raises(Unreachable, match="no answer within 4 seconds"):
        await connected(settings)
    assert time.monotonic() - began < 6


async def test_tls_against_a_plain_server_is_unreachable(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables that decide about TLS are named."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", address_of(client))
    monkeypatch.setenv("TEMPORAL_API_KEY", "very-secret")
    with pytest.raises(Unreachable, match="TEMPORAL_API_KEY fit it") as caught:
        await connected(settings)
    assert "very-secret" not in str(caught.value)


async def test_an_unknown_namespace_is_named(
    settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typing error in the namespace must not look like a server that is down."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", address_of(client))
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "prodution")
    with pytest.raises(Unreachable, match="no namespace 'prodution'"):
        await connected(settings)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TEMPORAL_ADDRESS", "localhost", "is not host:port"),
        ("TEMPORAL_ADDRESS", "http://localhost:7233", "is not host:port"),
        ("TEMPORAL_PROFILE", "nobody", "nobody"),
        ("TEMPORAL_TLS_CLIENT_CERT_PATH", "/nowhere/cert.pem", "cert"),
    ],
)
async def test_a_wrong_variable_is_explained(
    name: str, value: str, words: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong, before anything is tried."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=words):
        await connected(settings)


async def fresh_namespace(client: Client) -> Client:
    """A client of a namespace that has no search attributes of ours."""
    name = f"test-{uuid4()}"
    request = RegisterNamespaceRequest(namespace=name)
    request.workflow_execution_retention_period.FromTimedelta(timedelta(days=1))
    await client.workflow_service.register_namespace(request)
    fresh = await Client.connect(address_of(client), namespace=name)

    async def known() -> bool:
        try:
            await fresh.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=name))
        except RPCError:
            return False
        return True

    await eventually(known, bool)
    return fresh


async def test_missing_search_attributes_are_registered(client: Client) -> None:
    """All names with their types, and registering again changes nothing."""
    fresh = await fresh_namespace(client)
    assert await register_search_attributes(fresh)
    assert await register_search_attributes(fresh)
    listed = await fresh.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=fresh.namespace))
    types = {name: IndexedValueType.Name(kind) for name, kind in listed.custom_attributes.items()}
    wanted = {name: f"INDEXED_VALUE_TYPE_{kind.upper()}" for name, kind in SEARCH_ATTRIBUTES.items()}
    assert types.items() >= wanted.items()


async def test_a_name_with_another_type_means_no(client: Client) -> None:
    """The server would answer OK and change nothing, and every run would fail on it."""
    fresh = await fresh_namespace(client)
    kind = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    await fresh.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace=fresh.namespace, search_attributes={"PerdurePending": kind})
    )
    assert not await register_search_attributes(fresh)


class Refusing:
    """A client whose server answers every operator call with one status."""

    namespace = "default"

    def __init__(self, status: RPCStatusCode) -> None:
        self.operator_service = self
        self.status = status

    async def list_search_attributes(self, _request: object, timeout: timedelta) -> None:  # noqa: ASYNC109 - the SDK's
        """Refuse."""
        raise RPCError("no", self.status, timeout.__repr__().encode())


@pytest.mark.parametrize("status", [RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED])
async def test_a_server_that_does_not_let_us_means_no(status: RPCStatusCode) -> None:
    """Runs work without search attributes there."""
    assert not await register_search_attributes(cast("Client", Refusing(status)))


async def test_a_lost_server_is_not_taken_for_a_refusal() -> None:
    """The worker must not decide for ever on an answer that never came."""
    with pytest.raises(RPCError):
        await register_search_attributes(cast("Client", Refusing(RPCStatusCode.UNAVAILABLE)))
