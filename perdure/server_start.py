"""Bringing the embedded server up, so that there is never a second one on the same database."""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from temporalio.client import Client
from temporalio.service import ConnectConfig

from perdure.reach import why_unreachable
from perdure.search_attributes import register_search_attributes
from perdure.server_process import ServerError, choose_ports, command_line, launch, port_is_free
from perdure.server_record import ServerInfo, database_of, last_ports, log_tail, server_at, write_record
from perdure.waiting import Progress, exclusive, try_lock, until

__all__ = ["Start", "serves"]

ATTEMPTS = 3
RELEASE_SECONDS = 5.0


async def serves(info: ServerInfo) -> bool:
    """Whether the server answers its health question within two seconds."""
    return await why_unreachable(ConnectConfig(target_host=info.address), seconds=2) is None


@dataclass(frozen=True)
class Start:
    """One attempt to have a server in `home` (a resolved path); each of its waits takes at most `seconds`."""

    home: Path
    on_progress: Progress
    seconds: float

    @asynccontextmanager
    async def only_one(self) -> AsyncGenerator[None]:
        """Keep other commands from starting or stopping the server of this home meanwhile. Raises ServerError."""
        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise self._unusable(error) from error
        async with self._holding(self.home / "server.lock", "another command that is starting the embedded server"):
            yield

    @asynccontextmanager
    async def _holding(self, lock: Path, whom: str) -> AsyncGenerator[None]:
        notice = f"waiting for {whom}"
        async with AsyncExitStack() as stack:
            held = exclusive(lock, seconds=self.seconds, notice=notice, on_progress=self.on_progress)
            try:
                await stack.enter_async_context(held)
            except TimeoutError:
                raise ServerError(f"{notice} took {self.seconds:g} s; end it (it holds {lock}) and try again") from None
            except OSError as error:
                raise self._unusable(error) from error
            yield

    def _unusable(self, error: OSError) -> ServerError:
        return ServerError(
            f"PERDURE_HOME {self.home} cannot be used ({error.strerror}); set it to a folder you can write"
        )

    async def adopt(self, info: ServerInfo) -> ServerInfo:
        """Wait for a process that is there already to answer. Raises ServerError when it does not."""

        async def answers() -> bool:
            return await serves(info)

        notice = f"waiting for the Temporal server at {info.address} to answer"
        if not await until(answers, seconds=self.seconds, notice=notice, on_progress=self.on_progress):
            raise ServerError(
                f"the Temporal server of {self.home} (process {info.pid}) runs and does not answer at {info.address}; "
                f"stop it with `kill -9 {info.pid}` and try again{log_tail(self.home)}"
            )
        write_record(self.home, info)
        return info

    async def fresh(self, binary: Path) -> ServerInfo:
        """Start a process, on other ports when somebody took ours between looking and listening. Raises ServerError."""
        pairs = choose_ports(last_ports(self.home))
        code = 0
        for _ in range(ATTEMPTS):
            # Two homes that look for ports at once would find the same ones free, hence one lock for all of them.
            async with self._holding(Path(sys.prefix), "another embedded server that is starting"):
                ports = next(pairs)
                process = await self._launch(binary, ports)
                info = server_at(ports, process.pid, database_of(self.home))
                if await self._comes_up(info, process):
                    await _register(info)
                    write_record(self.home, info)
                    return info
            code = process.returncode
            if all(map(port_is_free, ports)):
                break
        raise ServerError(f"the Temporal server ended with code {code} while starting{log_tail(self.home)}")

    async def _launch(self, binary: Path, ports: tuple[int, int]) -> Popen[bytes]:
        database = database_of(self.home)
        held: list[int] = []

        async def free() -> bool:
            descriptor = try_lock(self.home / "temporal.lock")
            held.extend([] if descriptor is None else [descriptor])
            return descriptor is not None

        # The server inherits this lock: it tells of one that we cannot see, in a container or of another user.
        if not await until(free, seconds=min(self.seconds, RELEASE_SECONDS)):
            raise ServerError(
                f"{database} is in use by a server of another user or container; stop it or set another PERDURE_HOME"
            )
        try:
            arguments = command_line(binary, database, ports)
            return launch(arguments, folder=self.home, log=self.home / "server.log", keep_open=held[0])
        except OSError as error:
            raise ServerError(f"{binary} cannot be started: {error.strerror}") from error
        finally:
            os.close(held[0])

    async def _comes_up(self, info: ServerInfo, process: Popen[bytes]) -> bool:
        """Whether it answers; false when it ended. Raises ServerError when it does neither in time."""

        async def decided() -> bool:
            return process.poll() is not None or await serves(info)

        notice = "starting the embedded Temporal server; the first time takes longest, its binary has 156 MB"
        if await until(decided, seconds=self.seconds, notice=notice, on_progress=self.on_progress):
            return process.poll() is None
        process.kill()
        raise ServerError(f"the Temporal server did not answer within {self.seconds:g} seconds{log_tail(self.home)}")


async def _register(info: ServerInfo) -> None:
    # The server's own flag only works on a new database, not on one of an older release.
    client = await Client.connect(info.address)
    await register_search_attributes(client)
