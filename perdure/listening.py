"""Small HTTP servers of ours: a socket to listen on, and an application served until it is told to end."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import ip_address

import uvicorn
from starlette.types import ASGIApp

__all__ = ["address_of", "is_loopback", "listen", "serve_until"]

LAST_WORDS = 5
"""Seconds that open requests have to end once the server is told to."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """Take the port, or any that is free for 0; raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def address_of(host: str, listening: socket.socket) -> str:
    """URL of what listens."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to whoever runs this."""
        yield


async def serve_until(ended: asyncio.Event, app: ASGIApp, listening: socket.socket) -> None:
    """Answer requests on the socket until the event is set.

    Who the peer is, is what the socket says: headers of a proxy are for the application to judge.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=LAST_WORDS,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    server.should_exit = True
    await serving
