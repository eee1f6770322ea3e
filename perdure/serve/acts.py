"""What callers do to runs: start, ask, decide, control; in their own name, signed where there is a key."""

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol, TypeVar

from temporalio.client import Client, RPCError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCStatusCode

from perdure.contact import ANSWER, MAX_ID, is_id, send_update, update_id
from perdure.domain.approvals import Decide, DecisionAnswer
from perdure.domain.control import ControlPayload, SteerAnswer, SteerPayload
from perdure.domain.identity import Role
from perdure.domain.run import AgentInput
from perdure.serve.people import Person
from perdure.serve.problems import Problem, ended
from perdure.serve.runs import Runs

__all__ = ["CONTROLS", "Acts", "Signs", "Started"]

AGENT = "Agent"
SUMMARY_CHARACTERS = 95
"""The server takes 400 bytes of summary."""
CONTROLS = ("pause", "resume", "interrupt", "stop")
TOKEN_SECONDS = 120
"""How long a token of ours is good: the way from here to the worker."""

T = TypeVar("T")


class Signs(Protocol):
    """Signs tokens in the name of people whom the page has identified."""

    def sign(  # noqa: PLR0913 - what a token is bound to
        self,
        subject: str,
        roles: Iterable[str],
        *,
        workflow_id: str,
        act: str,
        request_id: str = "",
        digest: str = "",
        content: str = "",
        seconds: int = 300,
    ) -> str:
        """The token."""
        ...


@dataclass(frozen=True)
class Started:
    """A run that was started."""

    workflow_id: str
    run_id: str


@dataclass(frozen=True)
class Acts:
    """Acts on runs. `signer` is None where decisions carry no token."""

    client: Client
    runs: Runs
    task_queue: str
    signer: Signs | None = field(default=None, repr=False)

    async def start(self, person: Person, given: AgentInput, workflow_id: str) -> Started:
        """Start a run; raises Problem: 409 when one with this id is open, 422 for an id that cannot be one."""
        if not is_id(workflow_id):
            words = f"id: 1 to {MAX_ID} printable characters"
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "InvalidInput", words, fields=["id"])
        person.must(Role.OPERATOR)
        try:
            handle = await self.client.start_workflow(
                AGENT,
                given,
                id=workflow_id,
                task_queue=self.task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                static_summary=" ".join(given.goal.split())[:SUMMARY_CHARACTERS],
                rpc_timeout=ANSWER,
            )
        except WorkflowAlreadyStartedError as error:
            words = f"a run with the id {workflow_id!r} is open already; nothing was started"
            raise Problem(HTTPStatus.CONFLICT, "AlreadyRunning", words) from error
        return Started(workflow_id, handle.result_run_id or "")

    async def decide(
        self, person: Person, workflow_id: str, decision: Decide, *, digest: str, salt: str = ""
    ) -> DecisionAnswer:
        """Send a decision on a request in this person's name; the answer says whether it counts.

        `digest` is that of the call which the person has seen. `salt` tells two equal decisions of the same person
        apart on purpose, like two forms.
        """
        person.must(Role.APPROVER)
        identity = update_id(decision, salt)
        if decision.token is None and self.signer is not None:
            token = self.signer.sign(
                person.name,
                person.roles,
                workflow_id=workflow_id,
                act=decision.verdict,
                request_id=decision.request_id,
                digest=digest,
                content=decision.content,
                seconds=TOKEN_SECONDS,
            )
            decision = decision.model_copy(update={"token": token})
        handle = self.runs.handle(workflow_id)
        return await self._on_open(
            workflow_id, send_update(handle, "decide", decision, DecisionAnswer, identity=identity)
        )

    async def control(self, person: Person, workflow_id: str, verb: str, reason: str, identity: str) -> str:
        """Pause, resume, interrupt or stop a run; returns its new state."""
        person.must(Role.OPERATOR)
        token = self._control_token(person, workflow_id, verb)
        payload = ControlPayload(by=person.name, reason=reason, token=token)
        handle = self.runs.handle(workflow_id)
        return await self._on_open(workflow_id, send_update(handle, verb, payload, str, identity=identity))

    async def steer(self, person: Person, workflow_id: str, given: SteerPayload, identity: str) -> int:
        """Put a message into a run; returns its position in the queue."""
        person.must(Role.OPERATOR)
        token = self._control_token(person, workflow_id, "steer", given.content)
        given = given.model_copy(update={"by": person.name, "token": given.token or token})
        handle = self.runs.handle(workflow_id)
        sent = send_update(handle, "steer", given, SteerAnswer, identity=identity)
        return (await self._on_open(workflow_id, sent)).position

    def _control_token(self, person: Person, workflow_id: str, verb: str, content: str = "") -> str | None:
        if self.signer is None:
            return None
        return self.signer.sign(
            person.name, person.roles, workflow_id=workflow_id, act=verb, content=content, seconds=TOKEN_SECONDS
        )

    async def _on_open(self, workflow_id: str, sent: Awaitable[T]) -> T:
        """What an open run answers; raises Problem: 404 when there never was one, 410 when it has ended."""
        try:
            return await sent
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            run = await self.runs.run(workflow_id)
            raise ended(run.workflow_id, run.status) from error
