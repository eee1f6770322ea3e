"""The verb codec-server: shows the Web UI and the `temporal` CLI what is encrypted, compressed or stored outside."""
# ruff: noqa: PLC0415 - what a verb needs is imported when it runs: `--help` must not pay for Temporal

import socket
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perdure.cli.cli import Cli
from perdure.cli.errors import CliError, ExitCode

if TYPE_CHECKING:
    from perdure.codec_server import Guard
    from perdure.settings import Settings

__all__ = ["codec_server"]

DEFAULT_UI_PORT = 8233


async def codec_server(  # noqa: PLR0913, PLR0917 - typer calls it by keyword
    cli: Cli,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any.", min=0, max=65535)] = 8081,
    origin: Annotated[
        list[str] | None, typer.Option(help="Web UI that may ask, like https://temporal.example.com; repeat for more.")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with the token that requests must bear.")] = None,
    user_header: Annotated[
        str, typer.Option(help="Header in which the proxy in front of this server names the user it has checked.")
    ] = "",
) -> None:
    """Decode payloads for the Web UI and the `temporal` CLI, until Ctrl-C.

    Requests need the token of --token-file or PERDURE_CODEC_TOKEN; on loopback they need none unless one is set.
    """
    from perdure.codec_server import codec_app, serve_until
    from perdure.observability import configure_logging
    from perdure.process import end_signal
    from perdure.settings import load_settings
    from perdure.storage import storage_from

    settings = load_settings()
    guard = _guard(settings, token_file, user_header, host)
    storage = storage_from(settings)
    origins = [item.rstrip("/") for item in origin or _own_origins(settings)]
    listening = _listen(host, port)
    configure_logging(json=not cli.out.is_text)
    address = f"http://{_shown(host)}:{listening.getsockname()[1]}"
    access = "token" if guard.token else f"header {guard.user_header}" if guard.user_header else "none"
    if cli.out.is_text:
        for line in _words(address, origins, access, encrypted=storage.keyring is not None):
            cli.out.text(line)
    else:
        cli.out.document({"address": address, "origins": origins, "authentication": access})
    await serve_until(end_signal(), codec_app(storage, origins, guard), listening)


def _guard(settings: "Settings", token_file: Path | None, user_header: str, host: str) -> "Guard":
    from perdure.codec_server import Guard

    if user_header and token_file:
        raise _usage("give --token-file or --user-header, not both")
    if user_header:
        return Guard(user_header=user_header)
    token = settings.codec_token.get_secret_value() if settings.codec_token is not None else ""
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise _usage(f"the token file {token_file} cannot be read ({type(error).__name__})") from None
        if not token:
            raise _usage(f"the token file {token_file} is empty")
    if not token and not _is_loopback(host):
        raise _usage(
            f"whoever reaches {host} could read every run: give --token-file, --user-header or PERDURE_CODEC_TOKEN, "
            "or listen on 127.0.0.1"
        )
    return Guard(token=token)


def _usage(message: str) -> CliError:
    return CliError(ExitCode.USAGE, "InvalidInput", message)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _own_origins(settings: "Settings") -> list[str]:
    """The Web UI of the embedded server, under both names that a browser may know it by."""
    from perdure.server_record import last_ports

    ports = last_ports(settings.home)
    port = ports[1] if ports is not None else DEFAULT_UI_PORT
    return [f"http://{name}:{port}" for name in ("127.0.0.1", "localhost")]


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        message = f"cannot listen on {host}, port {port}: {error.strerror}"
        raise CliError(ExitCode.USAGE, "InvalidInput", message, "choose another --port or --host") from None


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _words(address: str, origins: list[str], access: str, *, encrypted: bool) -> list[str]:
    auth = ' --codec-auth "Bearer TOKEN"' if access == "token" else ""
    return [
        f"codec server   {address}",
        f"access         {'no token asked: whoever is on this machine may read' if access == 'none' else access}",
        f"web UIs        {', '.join(origins)}",
        f"keys           {'set' if encrypted else 'none: PERDURE_ENCRYPTION_KEYS is not set'}",
        f"temporal CLI   temporal workflow show -w ID --codec-endpoint {address}{auth}",
        "Ctrl-C ends it",
    ]
