"""Runs that ask before they pay, each brought to its point of an approval: then their worker is killed once for all."""

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from perdure.stores.audit import AuditLog
from perdure.testing import eventually
from tests.chaos.looking import effects_of, lines_of
from tests.serving import Served
from tests.wire_formats import STREAMS
from tests.wire_script import WireCall, WireStep

__all__ = ["Death", "PayModel", "Run"]

SECONDS = 90.0
PATH = "/v1/chat/completions"
STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED


class PayModel(Served):
    """A model that wants to pay the number that its goal is; the first question of `silent` is never answered."""

    def __init__(self, silent: int) -> None:
        """Serve Chat Completions."""
        super().__init__(Starlette(routes=[Route(PATH, self._answer, methods=["POST"])]))
        self._silent = silent
        self.asked: list[tuple[int, int]] = []
        """Goal and turn (from 0) of each question."""

    def env(self) -> dict[str, str]:
        """Environment variables that lead the SDK here."""
        return {"OPENAI_API_KEY": "chaos", "OPENAI_BASE_URL": f"{self.url}/v1"}

    async def _answer(self, request: Request) -> StreamingResponse:
        body: dict[str, Any] = await request.json()
        goal = next(message["content"] for message in body["messages"] if message["role"] == "user")
        n = int(goal if isinstance(goal, str) else goal[0]["text"])
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        self.asked.append((n, turn))
        if n == self._silent and self.asked.count((n, 0)) == 1:
            await asyncio.Event().wait()
        steps = WireStep(calls=(WireCall(tool="pay", arguments={"n": n}),)), WireStep(text="paid")
        return StreamingResponse(_stream(steps[turn], turn), media_type="text/event-stream")


async def _stream(step: WireStep, turn: int) -> AsyncIterator[str]:
    for _, data in STREAMS[PATH](step, "pay", turn):
        yield f"data: {json.dumps(data)}\n\n"
    yield "data: [DONE]\n\n"


@dataclass
class Death:
    """The one death of the worker: who is ready for it, and whether it has come."""

    ready: int = 0
    come: asyncio.Event = field(default_factory=asyncio.Event)

    async def count(self) -> int:
        """How many runs are at their point."""
        return self.ready


@dataclass(frozen=True)
class Run:
    """A run that pays `n`, and the folder with everything that is written."""

    handle: WorkflowHandle[Any, Any]
    n: int
    folder: Path
    model: PayModel
    death: Death

    @property
    def audit(self) -> AuditLog:
        """The audit log of the worker."""
        return AuditLog(self.folder / "home" / "audit")

    @property
    def log_name(self) -> str:
        """Name of the run's audit log."""
        return f"{self.handle.id}/{self.handle.first_execution_run_id}"

    @property
    def payments(self) -> int:
        """How often it has paid."""
        return sum(line["n"] == self.n for line in effects_of(self.folder / "log"))

    async def killed(self) -> None:
        """Say that the run is at its point, and return when the worker is dead."""
        self.death.ready += 1
        await self.death.come.wait()

    async def others(self, count: int) -> None:
        """Return when at least so many runs are at their point."""
        await eventually(self.death.count, lambda ready: ready >= count, SECONDS)

    def plan(self, point: str) -> None:
        """Let the tool stay, or die, at this point."""
        (self.folder / "plan" / f"pay-{self.n}-{point}").touch()

    async def stays(self, point: str) -> None:
        """Return when the tool is there."""

        async def look() -> bool:
            return any((line["n"], line["kind"]) == (self.n, point) for line in lines_of(self.folder / "log"))

        await eventually(look, bool, SECONDS)

    async def asked(self, votes: int = 0) -> str:
        """Id of the request, once it waits with so many votes."""

        async def look() -> list[dict[str, Any]]:
            try:
                return (await self.handle.query("pending_approvals"))["requests"]
            except RPCError:  # no worker is there to answer just now
                return []

        (request,) = await eventually(look, lambda found: [len(each["votes"]) for each in found] == [votes], SECONDS)
        return request["request_id"]

    async def approve(self, by: str, request_id: str = "") -> None:
        """Say yes by signal; the request is known by its id, or looked up."""
        name = request_id or await self.asked()
        await self.handle.signal("approve", {"request_id": name, "approver": by})

    async def turns(self, count: int) -> None:
        """Return when the model has been asked for so many turns."""

        async def look() -> int:
            return len({turn for n, turn in self.model.asked if n == self.n})

        await eventually(look, lambda found: found == count, SECONDS)

    async def at_work(self, *activities: str) -> None:
        """Return when these activities, and no others, have been started and have not ended."""

        async def look() -> list[tuple[str, int]]:
            pending = (await self.handle.describe()).raw_description.pending_activities
            return [(each.activity_type.name, each.state) for each in pending]

        await eventually(look, lambda found: found == [(name, STARTED) for name in activities], SECONDS)

    @contextmanager
    def audit_held(self) -> Generator[None]:
        """Hold the run's audit log, so that whoever writes an entry waits."""
        path = self.audit.path(self.log_name)
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)
