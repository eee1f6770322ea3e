"""An HTTP server on loopback in a thread of the test's process."""

import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette

__all__ = ["Served"]


class Served:
    """Serves an application on loopback for as long as the block lasts; `url` is its root."""

    def __init__(self, app: Starlette, port: int = 0) -> None:
        """Take the port, or any that is free; requests queue from here on."""
        self._socket = socket.create_server(("127.0.0.1", port), backlog=128)
        # Killed workers leave requests behind that never end, and some connections are dropped on purpose: there is
        # nothing to wait for, and nothing to log.
        config = uvicorn.Config(app, log_config=None, log_level="critical", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.serve, daemon=True)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def serve(self) -> None:
        """Serve in this thread until told to stop."""
        self._server.run(sockets=[self._socket])

    def close(self) -> None:
        """Give up the port."""
        self._socket.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self.close()
