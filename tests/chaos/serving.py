"""A small HTTP server in a thread of the test's process, which holds back what it is told to."""

import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette

__all__ = ["Served"]


class Served:
    """Serves an application on loopback for as long as the block lasts; `url` is its root."""

    def __init__(self, app: Starlette) -> None:
        """Take a port; requests queue from here on."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        # Killed workers leave requests behind that never end: there is nothing to wait for, and nothing to log.
        config = uvicorn.Config(app, log_config=None, log_level="critical", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()
