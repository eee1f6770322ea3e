"""The signals, updates and queries by which people steer and see a run: every workflow of an agent answers them."""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from perdure.domain.approvals import (
    ChildRequest,
    Decide,
    Decision,
    DecisionAnswer,
    Request,
    RequestId,
    RequestKind,
    SignalDecision,
    Verdict,
    fitting,
)
from perdure.domain.control import (
    ConfigureAnswer,
    ConfigurePayload,
    ControlPayload,
    PageRequest,
    SteerAnswer,
    SteerPayload,
)
from perdure.domain.machine import Verb
from perdure.domain.messages import MessagePage
from perdure.domain.model import JsonValue
from perdure.domain.results import WorkflowResult
from perdure.domain.run import Basis, RunState, RunStatus, Setup
from workflows import calls, report, visibility
from workflows.configure import changed_input, differences, with_limits
from workflows.desk import Desk
from workflows.payloads import answer, parse
from workflows.run import AgentRun
from workflows.witness import Witness

__all__ = ["Handlers"]


M = TypeVar("M", bound=BaseModel)


class Handlers:
    """What all workflows of an agent answer.

    Handlers take any JSON and validate inside, so that a mistake in a payload is an answer or a notice, never a
    workflow task that fails.
    """

    def __init__(self) -> None:
        """Start idle."""
        self._view = visibility.View()
        self._run = AgentRun(self._show)
        self._witness = Witness(self._run)
        self._desk = Desk(self._run)
        self._configuring = asyncio.Lock()

    def _show(self) -> None:
        self._view.show(self._run)

    @workflow.signal(name="approve")
    async def approve(self, *payload: JsonValue) -> None:
        """Say yes to one request: `{"request_id", "approver", "reason"?, "token"?}`."""
        if decision := self._signalled(SignalDecision, payload, "approve"):
            await self._desk.decide_by_signal(decision, Verdict.APPROVE)

    @workflow.signal(name="reject")
    async def reject(self, *payload: JsonValue) -> None:
        """Say no to one request: `{"request_id", "approver", "reason"?, "token"?}`."""
        if decision := self._signalled(SignalDecision, payload, "reject"):
            await self._desk.decide_by_signal(decision, Verdict.REJECT)

    def _signalled(self, model: type[M], payload: tuple[JsonValue, ...], name: str) -> M | None:
        """The payload of a signal, or None and a notice: a signal cannot be refused."""
        try:
            return parse(model, payload, f"signal {name}")
        except ApplicationError as error:
            self._run.notice("signal.ignored", error.message)
            return None

    @workflow.update(name="decide")
    async def decide(self, *payload: JsonValue) -> DecisionAnswer:
        """Decide one request; a decision that does not count changes nothing and says why."""
        return await self._desk.decide(parse(Decide, payload, "update decide"))

    @decide.validator
    def _check_decide(self, *payload: JsonValue) -> None:
        self._desk.check(parse(Decide, payload, "update decide"))

    @workflow.signal(name="child_request")
    def child_request(self, *payload: JsonValue) -> None:
        """Hear of a request of a run below this one; runs send it, not people."""
        if told := self._signalled(ChildRequest, payload, "child_request"):
            self._run.elsewhere.take(told)
            self._show()

    @workflow.signal(name="steer")
    async def steer_signal(self, *payload: JsonValue) -> None:
        """Put a message into the running loop: `{"text", "mode"?, "id"?, "by"?, "token"?}`."""
        steer = self._signalled(SteerPayload, payload, "steer")
        if steer is None:
            return
        refused = self._run.control.refusal(steer) or (self._too_old if steer.mode == "interrupt" else "")
        if refused:
            self._run.notice("signal.ignored", f"signal steer: {refused}")
            return
        try:
            await self._desk.steer(steer)
        except ApplicationError as error:
            self._run.notice("signal.ignored", error.message)

    @workflow.update(name="steer")
    async def steer(self, *payload: JsonValue) -> SteerAnswer:
        """Put a message into the running loop; returns its position in the queue."""
        return SteerAnswer(position=await self._desk.steer(parse(SteerPayload, payload, "update steer")))

    @steer.validator
    def _check_steer(self, *payload: JsonValue) -> None:
        refused = self._run.control.refusal(parse(SteerPayload, payload, "update steer"))
        if refused:
            raise ApplicationError(refused, type="InvalidInput", non_retryable=True)

    @property
    def _too_old(self) -> str:
        """Why this run cannot be interrupted: one that began before there was such a verb goes on as it did then."""
        old = self._run.is_prepared and not self._run.setup.recorded
        return "this run began before it could be interrupted" if old else ""

    @workflow.signal(name="pause")
    async def pause_signal(self, *payload: JsonValue) -> None:
        """Hold the run before its next step: `{"by"?, "reason"?}`."""
        await self._control_by_signal("pause", payload)

    @workflow.update(name="pause")
    async def pause(self, *payload: JsonValue) -> RunState:
        """Hold the run before its next step; returns the new state."""
        return await self._desk.control("pause", parse(ControlPayload, payload, "update pause"))

    @pause.validator
    def _check_pause(self, *payload: JsonValue) -> None:
        parse(ControlPayload, payload, "update pause")

    @workflow.signal(name="resume")
    async def resume_signal(self, *payload: JsonValue) -> None:
        """Let a paused run go on: `{"by"?, "reason"?}`."""
        await self._control_by_signal("resume", payload)

    @workflow.update(name="resume")
    async def resume(self, *payload: JsonValue) -> RunState:
        """Let a paused run go on; returns the new state."""
        return await self._desk.control("resume", parse(ControlPayload, payload, "update resume"))

    @resume.validator
    def _check_resume(self, *payload: JsonValue) -> None:
        parse(ControlPayload, payload, "update resume")

    @workflow.signal(name="interrupt")
    async def interrupt_signal(self, *payload: JsonValue) -> None:
        """Break off the model call in flight and hold the run: `{"by"?, "reason"?, "token"?}`."""
        if self._too_old:
            self._run.notice("signal.ignored", f"signal interrupt: {self._too_old}")
        else:
            await self._control_by_signal("interrupt", payload)

    @workflow.update(name="interrupt")
    async def interrupt(self, *payload: JsonValue) -> RunState:
        """Break off the model call in flight and hold the run; returns the new state."""
        return await self._desk.control("interrupt", parse(ControlPayload, payload, "update interrupt"))

    @interrupt.validator
    def _check_interrupt(self, *payload: JsonValue) -> None:
        parse(ControlPayload, payload, "update interrupt")

    @workflow.signal(name="stop")
    async def stop_signal(self, *payload: JsonValue) -> None:
        """End the run with what it has reached: `{"by"?, "reason"?}`."""
        await self._control_by_signal("stop", payload)

    @workflow.update(name="stop")
    async def stop(self, *payload: JsonValue) -> RunState:
        """End the run with what it has reached; returns the new state."""
        return await self._desk.control("stop", parse(ControlPayload, payload, "update stop"))

    @stop.validator
    def _check_stop(self, *payload: JsonValue) -> None:
        parse(ControlPayload, payload, "update stop")

    @workflow.update(name="configure")
    async def configure(self, *payload: JsonValue) -> ConfigureAnswer:
        """Change limits, model, tools or policy; in the middle of a turn from its end on."""
        change, run = parse(ConfigurePayload, payload, "update configure"), self._run
        by = await self._desk.authorise("configure", change.by, change.token, change.content, signed_only=True)
        async with self._configuring:
            await workflow.wait_condition(lambda: run.is_prepared or run.control.ended)
            if run.control.ended:
                msg = "the run has ended"
                raise ApplicationError(msg, type="InvalidInput", non_retryable=True)
            given, before = run.latest
            wanted = changed_input(given, change)
            setup = await calls.prepare(wanted)
            run.configured(*with_limits(wanted, setup, given, run.latest[0], change))
        changed = differences(before, setup, change)
        run.notice("control.configure", f"by {by}: {', '.join(changed)} {change.reason}".rstrip())
        run.journal.add("control", by, {"verb": "configure", "changed": {**changed}, "reason": change.reason})
        if change.limits is not None:
            arguments = change.limits.model_dump(mode="json", exclude_unset=True)
            run.approvals.settle(
                RequestKind.LIMIT, Decision(verdict=Verdict.EDIT, by=by, arguments=arguments, via="update")
            )
        self._show()
        return ConfigureAnswer(changed=changed, state=run.control.state)

    @configure.validator
    def _check_configure(self, *payload: JsonValue) -> None:
        parse(ConfigurePayload, payload, "update configure")

    @workflow.signal(dynamic=True)
    def unknown_signal(self, name: str, _args: Sequence[RawValue]) -> None:
        """Leave a notice of a signal that no one handles."""
        self._run.notice("signal.ignored", f"signal {name}: no such signal")

    async def _control_by_signal(self, verb: Verb, payload: tuple[JsonValue, ...]) -> None:
        try:
            await self._desk.control(verb, parse(ControlPayload, payload, f"signal {verb}"))
        except ApplicationError as error:
            self._run.notice("signal.ignored", error.message)

    @workflow.query(name="status")
    def status(self) -> RunStatus:
        """Where the run stands."""
        return report.status(self._run)

    @workflow.query(name="transcript")
    def transcript(self, *payload: JsonValue) -> MessagePage | RawValue:
        """Messages of the whole chain of runs, a page at a time: `{"offset": 0, "limit": 100}`."""
        page = parse(PageRequest, payload, "query transcript")
        return answer(self._run.log.page(page.offset, page.limit))

    @workflow.query(name="pending_approvals")
    def pending_approvals(self) -> dict[str, Any]:
        """Answer what waits for a person: `{"requests": [...]}`."""
        return {"requests": tuple(fitting(self._run.pending))}

    @workflow.query(name="request")
    def request(self, *payload: JsonValue) -> Request:
        """Return one pending request whole, however large its arguments are: `{"request_id"}`."""
        identity = parse(RequestId, payload, "query request").request_id
        found = next((request for request in self._run.pending if request.request_id == identity), None)
        if found is None:
            msg = f"no request {identity!r} waits"
            raise ApplicationError(msg, type="UnknownRequest")
        return found

    @workflow.query(name="ledger")
    def ledger(self, *payload: JsonValue) -> dict[str, Any] | RawValue:
        """Every tool call of the run and what became of it, a page at a time: `{"offset": 0, "limit": 100}`."""
        page = parse(PageRequest, payload, "query ledger")
        return answer(self._run.ledger.page(page.offset, page.limit))

    @workflow.query(name="steps")
    def steps(self, *payload: JsonValue) -> WorkflowResult | RawValue:
        """Turns of the run as step results, with totals: `{"offset": 0, "limit": 100}`."""
        return answer(self._run.steps.report(self._run, parse(PageRequest, payload, "query steps")))

    @workflow.query(name="setup")
    def setup(self) -> Setup:
        """What the run is made of: agent, model, tools, policy, limits, as resolved or configured last."""
        return self._basis().setup

    @workflow.query(name="audit")
    def audit(self) -> dict[str, Any]:
        """How far the audit log goes, how far it is known to be written, and what may not be written yet."""
        journal = self._run.journal
        return {"head": journal.head, "written": journal.written, "unwritten": journal.unwritten}

    @workflow.query(name="basis")
    def basis(self) -> Basis:
        """What the next model call builds on: setup and view, under the name that its request has."""
        return self._basis()

    def _basis(self) -> Basis:
        if not self._run.is_prepared:
            msg = "the run is not prepared yet"
            raise ApplicationError(msg, type="NotPrepared")
        return self._run.basis
