"""The verb serve: the approver's page and the HTTP facade."""
# ruff: noqa: PLC0415 - what a verb needs is imported when it runs: `--help` must not pay for Temporal

import os
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from perdure.cli.cli import Cli
from perdure.cli.errors import CliError, ExitCode

if TYPE_CHECKING:
    from perdure.cli.session import Session
    from perdure.domain.identity import Role
    from perdure.serve.people import People
    from perdure.settings import Settings

__all__ = ["serve"]

LOOK_SECONDS = 5.0
"""How long a worker that was seen counts as there."""
ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not listened on


async def serve(  # noqa: PLR0913, PLR0917 - typer calls it by keyword
    cli: Cli,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any.", min=0, max=65535)] = 8080,
    user: Annotated[
        str | None, typer.Option(help="Name of the one person that uses this page, on loopback; default: yours.")
    ] = None,
    user_header: Annotated[
        str, typer.Option(help="Header in which a reverse proxy names the user it has checked.")
    ] = "",
    roles_header: Annotated[str, typer.Option(help="Header in which it names the user's roles, with commas.")] = "",
    role: Annotated[
        list[str] | None,
        typer.Option(help="NAME=ROLE,ROLE with viewer, operator, approver, admin; repeat for more."),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None, typer.Option(help="Address or network of the proxy; repeat for more.")
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="Name by which people reach this page, besides that of PERDURE_PUBLIC_URL; repeat for more."),
    ] = None,
) -> None:
    """Serve the inbox of approvals and the JSON endpoints, until Ctrl-C.

    On loopback it is for one person, who may do everything. Elsewhere a reverse proxy has to say who is calling.
    """
    from perdure.cli.session import open_session
    from perdure.observability import configure_logging
    from perdure.settings import load_settings

    settings = load_settings()
    people = _people(host, user, user_header, roles_header, role or [], trusted_proxy or [])
    hosts = _hosts(settings, host, allowed_host or [])
    session = await open_session(cli)
    listening = _listen(host, port)
    configure_logging(json=not cli.out.is_text)
    await _serve(session, people, hosts, host, listening)


async def _serve(
    session: "Session", people: "People", hosts: Sequence[str], host: str, listening: socket.socket
) -> None:
    from perdure.identity import Signer
    from perdure.listening import address_of, serve_until
    from perdure.process import end_signal
    from perdure.serve.app import create_app
    from perdure.streams import streams_from

    cli, settings = session.cli, session.settings
    signer = Signer(settings.signing_key) if settings.signing_key else None
    streams, ended = streams_from(settings), end_signal()
    app = create_app(
        session.client,
        settings,
        people=people,
        hosts=hosts,
        streams=streams,
        signer=signer,
        kinds=[info.name for info in cli.workflows()],
        ui=session.connection.ui or "",
        ready=_ready(session),
        ended=ended,
    )
    _announce(cli, address_of(host, listening), people, signed=signer is not None)
    try:
        await serve_until(ended, app, listening)
    finally:
        await streams.close()


def _people(  # noqa: PLR0913, PLR0917 - the options
    host: str, user: str | None, user_header: str, roles_header: str, roles: list[str], proxies: list[str]
) -> "People":
    from perdure.cli.deciding import me
    from perdure.domain.identity import MAX_NAME
    from perdure.listening import is_loopback
    from perdure.serve.people import People, networks

    if user_header:
        if user is not None:
            raise _usage("give --user or --user-header, not both")
        if not proxies:
            hint = "the address from which its requests come, for example --trusted-proxy 127.0.0.1"
            raise _usage("--user-header needs --trusted-proxy: anybody else could name themselves", hint)
        try:
            trusted = networks(proxies)
        except ValueError as error:
            raise _usage(f"--trusted-proxy: {error}") from None
        return People(user_header=user_header, roles_header=roles_header, roles=_roles(roles), proxies=trusted)
    if roles_header or proxies or roles:
        raise _usage("--role, --roles-header and --trusted-proxy only go with --user-header")
    if not is_loopback(host):
        hint = "put a proxy before it that checks who calls: --user-header NAME --trusted-proxy ADDRESS"
        raise _usage(f"whoever reaches {host} could approve everything: listen on 127.0.0.1, or say who calls", hint)
    name = me() if user is None else user
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise _usage(f"--user: a name has 1 to {MAX_NAME} printable characters")
    return People(user=name)


def _roles(given: Sequence[str]) -> "dict[str, tuple[Role, ...]]":
    from perdure.domain.identity import Role
    from perdure.serve.people import parse_roles

    found = dict[str, tuple[Role, ...]]()
    for item in given:
        name, _, names = item.partition("=")
        roles = parse_roles(names)
        if not name or len(roles) != len(names.split(",")):
            valid = ", ".join(Role)
            raise _usage(f"--role: {item!r} is not NAME=ROLE,ROLE", f"roles: {valid}; for example --role ada=approver")
        found[name] = (*found.get(name, ()), *roles)
    return found


def _hosts(settings: "Settings", host: str, given: Sequence[str]) -> list[str]:
    """Names under which requests may be sent here: others are web sites whose name leads to this machine."""
    from perdure.listening import is_loopback
    from perdure.serve.app import LOCAL_HOSTS

    public = urlsplit(settings.public_url or "").hostname
    named = [*given, *([public] if public else [])]
    if "*" in named:
        raise _usage("--allowed-host: name the hosts, * would let every web site in")
    if is_loopback(host):
        return [*LOCAL_HOSTS, *named]
    if not named and host in ANYWHERE:
        raise _usage(
            "say under which name people reach this page: --allowed-host NAME, or PERDURE_PUBLIC_URL",
            "for example --allowed-host approvals.example.com",
        )
    return [*named, *([] if host in ANYWHERE else [host])]


def _ready(session: "Session") -> Callable[[], Awaitable[None]]:
    """Sees to it that a worker runs on the embedded server, whose worker leaves when nothing happens."""
    seen = -LOOK_SECONDS

    async def ready() -> None:
        nonlocal seen
        if time.monotonic() - seen >= LOOK_SECONDS:
            seen = time.monotonic()
            await session.worker()

    return ready


def _announce(cli: Cli, address: str, people: "People", *, signed: bool) -> None:
    who = (
        f"everybody on this machine is {people.user!r}" if people.user else f"users of the header {people.user_header}"
    )
    tokens = "signed" if signed else "not signed: PERDURE_SIGNING_KEY is not set"
    if cli.out.is_text:
        cli.out.text(f"serve {address}  ({who}; decisions are {tokens}; Ctrl-C ends it)")
    else:
        about = {"address": address, "user": people.user or None, "user_header": people.user_header or None}
        cli.out.document({**about, "signed": signed, "pid": os.getpid()})


def _listen(host: str, port: int) -> socket.socket:
    from perdure.listening import listen

    try:
        return listen(host, port)
    except OSError as error:
        message = f"cannot listen on {host}, port {port}: {error.strerror}"
        raise _usage(message, "choose another --port or --host") from None


def _usage(message: str, hint: str = "") -> CliError:
    return CliError(ExitCode.USAGE, "InvalidInput", message, hint)
