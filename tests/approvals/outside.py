"""What a person outside has: worker processes, the plain `temporal` CLI, and the served HTTP endpoints."""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import jwt
from temporalio.client import Client, WorkflowHandle

from perdure.server_process import find_binary
from perdure.stores.audit import AuditLog
from tests.cli.shell import ROOT, Answer, Shell
from tests.keys import Pair
from tests.waiting import eventually, update

__all__ = ["OPEN", "SIGNED", "Json", "Outside", "Run", "first_line", "process", "worker"]

Json = dict[str, Any]

OPEN, SIGNED = "approvals-open", "approvals-signed"
"""Task queues of the worker that takes decisions without a token and of the one that does not."""
NUMBERS = count(1)


@contextmanager
def process(shell: Shell, *command: str, **env: str) -> "Generator[subprocess.Popen[str]]":
    """A process in the shell's folder that has said its first line; it is ended by force afterwards."""
    with (shell.folder / "processes.log").open("a", encoding="utf-8") as log:
        child = subprocess.Popen(
            [sys.executable, *command],
            cwd=shell.folder,
            env={**shell.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def worker(shell: Shell, queue: str, **env: str) -> "AbstractContextManager[subprocess.Popen[str]]":
    """A worker process for this queue."""
    return process(shell, str(ROOT / "worker.py"), PERDURE_TASK_QUEUE=queue, **env)


def first_line(child: "subprocess.Popen[str]") -> Json:
    """The JSON object that a process says when it is ready; tool modules may print before it."""
    assert child.stdout is not None
    return json.loads(next(line for line in child.stdout if line.startswith("{")))


@dataclass(frozen=True)
class Outside:
    """A server with workers, the application at `site`, and the keys that workers believe and that they do not."""

    shell: Shell
    client: Client
    site: str
    pair: Pair
    stranger: Pair
    http: httpx2.AsyncClient = field(repr=False)

    @contextmanager
    def worker(self, queue: str, **env: str) -> "Generator[subprocess.Popen[str]]":
        """A worker process that is ready for this queue."""
        with worker(self.shell, queue, **env) as child:
            assert first_line(child)["event"] == "worker.ready"
            yield child

    async def temporal(self, *arguments: str) -> Answer:
        """Run the plain `temporal` CLI."""
        command = (str(find_binary()), *arguments, "--address", self.client.service_client.config.target_host)
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        out, err = await asyncio.wait_for(child.communicate(), 60)
        return Answer(child.returncode or 0, out.decode(), err.decode())

    async def start(self, queue: str, name: str, rules: Sequence[Json], **given: Any) -> "Run":
        """A run that sends `NAME pays`, then `NAME waits`; who decides the second one does not matter."""
        run = f"{name}-{next(NUMBERS)}"
        texts = [{"tool": "send", "arguments": {"text": f"{run} {word}"}} for word in ("pays", "waits")]
        model = self.shell.script(run, *({"calls": [one]} for one in texts), {"text": "done"})
        return await self.start_agent(queue, run, {"goal": "send", "model": model, "policy": {"rules": rules}, **given})

    async def start_agent(self, queue: str, run: str, given: Json) -> "Run":
        """Start `Agent`."""
        return Run(self, await self.client.start_workflow("Agent", given, id=run, task_queue=queue))

    def token(self, request: Json, verdict: str, pair: Pair | None = None, **claims: Any) -> str:
        """A token for one verdict on a request, but for these claims; signed with the key that counts unless said."""
        now = int(time.time())
        good = {"sub": "ada", "roles": ["approver"], "jti": f"jti-{next(NUMBERS)}", "iat": now, "exp": now + 300}
        good |= {"wid": request["workflow_id"], "act": verdict, "req": request["request_id"], "dig": request["digest"]}
        return jwt.encode(good | claims, (pair or self.pair).key, algorithm="EdDSA")


@dataclass(frozen=True)
class Run:
    """One run as it is seen from outside."""

    outside: Outside
    handle: WorkflowHandle[Any, Any]

    @property
    def name(self) -> str:
        """Its id."""
        return self.handle.id

    async def waiting(self, *, other_than: str = "") -> Json:
        """The only request, once there is one of another id."""

        async def look() -> list[Json]:
            found = (await self.handle.query("pending_approvals"))["requests"]
            return [request for request in found if request["request_id"] != other_than]

        return (await eventually(look, lambda requests: len(requests) == 1))[0]

    async def by_update(self, payload: Json) -> str:
        """Decide with `temporal workflow update execute`: "accepted", or the code, or why the update failed."""
        about = ("-w", self.name, "--name", "decide", "--input", json.dumps(payload), "-o", "json")
        answer = await self.outside.temporal("workflow", "update", "execute", *about)
        failed = re.search(r"\(type: (\w+), ", answer.err)
        return _outcome(answer.json["result"]) if answer.code == 0 else failed[1] if failed else answer.err

    async def by_http(self, payload: Json) -> str:
        """Decide with `POST /api/runs/ID/decide`, as the approver himself: "accepted", or code, or type of error."""
        answer = await self.post(payload, payload["approver"])
        return _outcome(answer.json()) if answer.status_code == 200 else answer.json()["error"]["type"]

    async def post(self, payload: Json, user: str, roles: str = "approver", **headers: str) -> httpx2.Response:
        """The answer to a decision by HTTP; the proxy says who it is."""
        url, named = f"{self.outside.site}/api/runs/{self.name}/decide", {"X-User": user, "X-Roles": roles}
        return await self.outside.http.post(url, json=payload, headers=named | headers)

    async def by_signal(self, payload: Json) -> str:
        """Decide with `temporal workflow signal`, which cannot be refused."""
        kept = {name: value for name, value in payload.items() if name not in ("verdict", "digest")}
        about = ("-w", self.name, "--name", payload["verdict"], "--input", json.dumps(kept))
        answer = await self.outside.temporal("workflow", "signal", *about)
        return "sent" if answer.code == 0 else answer.err

    async def end(self) -> Json:
        """Stop the run, whatever it does, and return its result."""
        await update(self.handle, "stop", {"by": "test"})
        return await self.handle.result()

    @property
    def sent(self) -> list[str]:
        """What the tool has done for this run, by its own log."""
        path = self.outside.shell.folder / "sent.txt"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [line.removeprefix(f"{self.name} ") for line in lines if line.startswith(f"{self.name} ")]

    @property
    def log(self) -> Path:
        """File of its audit log."""
        name = f"{self.name}/{self.handle.first_execution_run_id}"
        return AuditLog(self.outside.shell.folder / "home" / "audit").path(name)

    async def entries(self) -> list[Json]:
        """The audit log, read from its file; empty while there is none."""
        return [json.loads(line) for line in self.log.read_bytes().splitlines()] if self.log.exists() else []

    async def refused(self) -> list[Json]:
        """Entries about decisions that did not count."""
        return [entry for entry in await self.entries() if entry["kind"] == "refused"]

    async def entry(self, kind: str, **data: Any) -> Json:
        """The newest entry of this kind with these data, once it is written."""

        async def look() -> list[Json]:
            entries = await self.entries()
            return [entry for entry in entries if entry["kind"] == kind and _holds(entry["data"], data)]

        return (await eventually(look, bool))[-1]


def _holds(data: Json, wanted: Json) -> bool:
    return all(data.get(name) == value for name, value in wanted.items())


def _outcome(answer: Json) -> str:
    return "accepted" if answer["accepted"] else answer["code"]
