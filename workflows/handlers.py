"""The signals, updates and queries by which people steer and see a run: every workflow of an agent answers them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from perdure.domain.approvals import (
    Decide,
    Decision,
    DecisionAnswer,
    Request,
    RequestId,
    RequestKind,
    SignalDecision,
    Verdict,
)
from perdure.domain.control import (
    ConfigureAnswer,
    ConfigurePayload,
    ControlPayload,
    PageRequest,
    SteerAnswer,
    SteerPayload,
)
from perdure.domain.messages import MessagePage
from perdure.domain.model import JsonValue
from perdure.domain.results import WorkflowResult
from perdure.domain.run import Basis, RunState, RunStatus, Setup
from workflows import calls, visibility
from workflows.configure import changed_input, differences, with_limits
from workflows.payloads import answer, parse
from workflows.run import AgentRun

__all__ = ["Handlers"]


class Handlers:
    """What all workflows of an agent answer.

    Handlers take any JSON and validate inside, so that a mistake in a payload is an answer or a notice, never a
    workflow task that fails.
    """

    def __init__(self) -> None:
        """Start idle."""
        self._view = visibility.View()
        self._run = AgentRun(self._show)
        self._configuring = asyncio.Lock()

    def _show(self) -> None:
        self._view.show(self._run)

    @workflow.signal(name="approve")
    def approve(self, *payload: JsonValue) -> None:
        """Say yes to one request: `{"request_id", "approver", "reason"?}`."""
        self._decide_by_signal(Verdict.APPROVE, payload)

    @workflow.signal(name="reject")
    def reject(self, *payload: JsonValue) -> None:
        """Say no to one request: `{"request_id", "approver", "reason"?}`."""
        self._decide_by_signal(Verdict.REJECT, payload)

    def _decide_by_signal(self, verdict: Verdict, payload: tuple[JsonValue, ...]) -> None:
        try:
            decision = parse(SignalDecision, payload, f"signal {verdict}")
        except ApplicationError as error:
            self._run.notice("signal.ignored", error.message)
            return
        if refused := self._run.approvals.by_signal(decision, verdict):
            self._run.notice("signal.ignored", f"signal {verdict}: {refused}")

    @workflow.update(name="decide")
    async def decide(self, *payload: JsonValue) -> DecisionAnswer:
        """Decide one request; a decision that does not count changes nothing and says why."""
        answer = await self._run.approvals.by_update(parse(Decide, payload, "update decide"))
        if not answer.accepted:
            self._run.notice("decision.refused", f"{answer.request_id}: {answer.reason}")
        return answer

    @decide.validator
    def _check_decide(self, *payload: JsonValue) -> None:
        decide = parse(Decide, payload, "update decide")
        if not self._run.approvals.knows(decide.request_id):
            waiting = ", ".join(request.request_id for request in self._run.approvals.pending) or "none"
            msg = f"unknown request {decide.request_id!r}; waiting: {waiting}"
            raise ApplicationError(msg, type="UnknownRequest", non_retryable=True)

    @workflow.signal(name="steer")
    def steer_signal(self, *payload: JsonValue) -> None:
        """Put a message into the running loop: `{"text", "mode"?, "id"?}`."""
        try:
            steer = parse(SteerPayload, payload, "signal steer")
        except ApplicationError as error:
            self._run.notice("signal.ignored", error.message)
            return
        if refused := self._run.control.refusal(steer):
            self._run.notice("signal.ignored", f"signal steer: {refused}")
        else:
            self._run.control.steer(steer)

    @workflow.update(name="steer")
    def steer(self, *payload: JsonValue) -> SteerAnswer:
        """Put a message into the running loop; returns its position in the queue."""
        return SteerAnswer(position=self._run.control.steer(parse(SteerPayload, payload, "update steer")))

    @steer.validator
    def _check_steer(self, *payload: JsonValue) -> None:
        refused = self._run.control.refusal(parse(SteerPayload, payload, "update steer"))
        if refused:
            raise ApplicationError(refused, type="InvalidInput", non_retryable=True)

    @workflow.signal(name="pause")
    async def pause_signal(self, *payload: JsonValue) -> None:
        """Hold the run before its next step: `{"by"?, "reason"?}`."""
        await self._control_by_signal("pause", payload)

    @workflow.update(name="pause")
    async def pause(self, *payload: JsonValue) -> RunState:
        """Hold the run before its next step; returns the new state."""
        return await self._control("pause", parse(ControlPayload, payload, "update pause"))

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
        return await self._control("resume", parse(ControlPayload, payload, "update resume"))

    @resume.validator
    def _check_resume(self, *payload: JsonValue) -> None:
        parse(ControlPayload, payload, "update resume")

    @workflow.signal(name="stop")
    async def stop_signal(self, *payload: JsonValue) -> None:
        """End the run with what it has reached: `{"by"?, "reason"?}`."""
        await self._control_by_signal("stop", payload)

    @workflow.update(name="stop")
    async def stop(self, *payload: JsonValue) -> RunState:
        """End the run with what it has reached; returns the new state."""
        return await self._control("stop", parse(ControlPayload, payload, "update stop"))

    @stop.validator
    def _check_stop(self, *payload: JsonValue) -> None:
        parse(ControlPayload, payload, "update stop")

    @workflow.update(name="configure")
    async def configure(self, *payload: JsonValue) -> ConfigureAnswer:
        """Change limits, model, tools or policy; in the middle of a turn from its end on."""
        change, run = parse(ConfigurePayload, payload, "update configure"), self._run
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
        run.notice("control.configure", f"by {change.by}: {', '.join(changed)} {change.reason}".rstrip())
        if change.limits is not None:
            arguments = change.limits.model_dump(mode="json", exclude_unset=True)
            run.approvals.settle(
                RequestKind.LIMIT, Decision(verdict=Verdict.EDIT, by=change.by, arguments=arguments, via="update")
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

    async def _control_by_signal(self, verb: str, payload: tuple[JsonValue, ...]) -> None:
        try:
            await self._control(verb, parse(ControlPayload, payload, f"signal {verb}"))
        except ApplicationError as error:
            self._run.notice("signal.ignored", error.message)

    async def _control(self, verb: str, payload: ControlPayload) -> RunState:
        """Carry out a control verb here and in the runs that this one has started."""
        state = self._run.control.apply(verb)
        self._run.notice(f"control.{verb}", f"by {payload.by or 'unknown'}: {payload.reason}".rstrip(": "))
        for identity in self._run.open_children:
            with suppress(ApplicationError):  # it has not started or has closed: there is nothing to tell it
                # By id alone: the child may have continued as new, and its handle names its first run.
                await workflow.get_external_workflow_handle(identity).signal(verb, payload)
        return state

    @workflow.query(name="status")
    def status(self) -> RunStatus:
        """Where the run stands."""
        return self._run.status()

    @workflow.query(name="transcript")
    def transcript(self, *payload: JsonValue) -> MessagePage | RawValue:
        """Messages of the whole chain of runs, a page at a time: `{"offset": 0, "limit": 100}`."""
        page = parse(PageRequest, payload, "query transcript")
        return answer(self._run.log.page(page.offset, page.limit))

    @workflow.query(name="pending_approvals")
    def pending_approvals(self) -> dict[str, Any]:
        """Answer what waits for a person: `{"requests": [...]}`."""
        return {"requests": self._run.approvals.shown}

    @workflow.query(name="request")
    def request(self, *payload: JsonValue) -> Request:
        """Return one pending request whole, however large its arguments are: `{"request_id"}`."""
        identity = parse(RequestId, payload, "query request").request_id
        found = next((request for request in self._run.approvals.pending if request.request_id == identity), None)
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

    @workflow.query(name="basis")
    def basis(self) -> Basis:
        """What the next model call builds on: setup and view, under the name that its request has."""
        return self._basis()

    def _basis(self) -> Basis:
        if not self._run.is_prepared:
            msg = "the run is not prepared yet"
            raise ApplicationError(msg, type="NotPrepared")
        return self._run.basis
