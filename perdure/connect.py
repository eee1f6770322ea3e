"""A client for the Temporal server that the environment names, or else for the embedded one."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client, Plugin
from temporalio.envconfig import ClientConfigProfile, ClientConnectConfig
from temporalio.runtime import Runtime
from temporalio.service import ConnectConfig

from perdure.reach import why_unreachable
from perdure.search_attributes import register_search_attributes
from perdure.server import ServerError, ensure_server
from perdure.settings import Settings, SettingsError
from perdure.waiting import Progress

__all__ = ["Connection", "Unreachable", "connect", "register_search_attributes"]

CONNECT_SECONDS = 4.0
ADDRESS = re.compile(r"[^\s:/]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")
DEFAULT_NAMESPACE = "default"


class Unreachable(ServerError):
    """The server that the environment names does not serve us; the message has its address and what to check."""


@dataclass(frozen=True)
class Connection:
    """A connected client and where it leads; `ui` is the address of the Web UI where we know it."""

    client: Client
    namespace: str
    address: str
    ui: str | None
    embedded: bool


async def connect(
    settings: Settings, *, plugins: Sequence[Plugin], on_progress: Progress, runtime: Runtime | None = None
) -> Connection:
    """Connect to the server of TEMPORAL_ADDRESS or of a Temporal profile, else to the embedded one, started if needed.

    `runtime` is where the client and its workers keep their metrics; None: Temporal's default, which keeps none.
    Raises Unreachable within about five seconds when a named server does not answer, ServerError when the
    embedded one does not start, SettingsError for TEMPORAL_ variables that cannot be used.
    """
    config = _configured()
    if "target_host" in config:
        return await _connect(config, plugins, runtime, ui=None, embedded=False)
    if "api_key" in config or "tls" in config:
        on_progress("TEMPORAL_ADDRESS names no server: using the embedded one, without the API key or TLS that are set")
    server = await ensure_server(settings.home, on_progress)
    namespace = config.get("namespace", DEFAULT_NAMESPACE)
    config = ClientConnectConfig(target_host=server.address, namespace=namespace)
    return await _connect(config, plugins, runtime, ui=server.ui, embedded=True)


def _configured() -> ClientConnectConfig:
    try:
        config = ClientConfigProfile.load().to_client_connect_config()
    except (RuntimeError, OSError, ValueError) as error:
        raise SettingsError(f"the Temporal configuration (TEMPORAL_ variables or profile) is wrong: {error}") from error
    address = config.get("target_host")
    if address is not None and not ADDRESS.fullmatch(address):
        raise SettingsError(f"the Temporal address {address!r} is not host:port, for example localhost:7233")
    return config


async def _connect(
    config: ClientConnectConfig, plugins: Sequence[Plugin], runtime: Runtime | None, *, ui: str | None, embedded: bool
) -> Connection:
    address = config.get("target_host", "")
    namespace = config.get("namespace", DEFAULT_NAMESPACE)
    probe = ConnectConfig(
        target_host=address,
        api_key=config.get("api_key"),
        tls=config.get("tls"),
        rpc_metadata=config.get("rpc_metadata", {}),
        runtime=runtime,
    )
    reason = await why_unreachable(probe, namespace=namespace, seconds=CONNECT_SECONDS)
    if reason is not None:
        raise Unreachable(_advice(address, namespace, reason, embedded=embedded))
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            client = await Client.connect(
                **config, plugins=plugins, runtime=runtime, connect_timeout=timedelta(seconds=CONNECT_SECONDS)
            )
    except (TimeoutError, RuntimeError) as error:
        raise Unreachable(_advice(address, namespace, str(error), embedded=embedded)) from error
    return Connection(client, namespace, address, ui, embedded)


def _advice(address: str, namespace: str, reason: str, *, embedded: bool) -> str:
    if reason.startswith("NOT_FOUND"):
        return (
            f"the Temporal server at {address} has no namespace {namespace!r}; set TEMPORAL_NAMESPACE to one it has, "
            f"or create it: temporal operator namespace create --address {address} -n {namespace}"
        )
    if embedded:
        return f"the embedded Temporal server at {address} does not answer: {reason}"
    return (
        f"no Temporal server answers at {address}: {reason}. Check that it runs and that TEMPORAL_ADDRESS, "
        "TEMPORAL_TLS and TEMPORAL_API_KEY fit it; unset TEMPORAL_ADDRESS to use the embedded server"
    )
