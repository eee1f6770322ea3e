"""The gate between a run and people: a request is opened, waits durably, and takes exactly one decision."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Literal

from temporalio import workflow

from perdure.domain.approvals import (
    Decide,
    Decision,
    DecisionAnswer,
    Request,
    RequestKind,
    SignalDecision,
    Verdict,
)
from perdure.domain.decisions import refusals
from perdure.domain.identity import Identity, Unsigned
from perdure.domain.model import JsonObject
from perdure.domain.moments import Moment, next_moment
from perdure.domain.policy import Level, Rule, Ruling
from perdure.domain.run import StopReason
from perdure.domain.state import ApprovalsState, Waiting
from perdure.domain.tools import Effect
from perdure.domain.votes import COUNTED, said, settled, voted
from workflows.control import Control, RolloverError, RunEndedError
from workflows.grants import Grants
from workflows.metrics import count_decision

__all__ = ["Approvals", "Occasion", "RulingOf", "Witness"]


REMEMBERED = 1_000
"""Closed requests that a continued run still knows by their id."""
SOON = timedelta(milliseconds=1)

RulingOf = Callable[[str, Effect, JsonObject], Ruling]
Occasion = Literal["asked", "reminder", "escalation", "vote", "decided", "expired", "closed"]
Witness = Callable[[Occasion, Request, str, JsonObject], None]
"""Hears of everything that happens to a request: what, to which, by whom, and the details."""


class Approvals:
    """Pending requests in the order they were asked, and the decisions that were taken."""

    def __init__(
        self, control: Control, changed: Callable[[], None], ruling: RulingOf, unsigned: Callable[[], Unsigned]
    ) -> None:
        """Start with nothing asked; `changed` is called whenever what waits has changed.

        `ruling` says what the policy thinks of a call with edited arguments: an edit must not get around a rule.
        `unsigned` says whether decisions without a token count.
        """
        self._ruling = ruling
        self._unsigned = unsigned
        self._control = control
        self._changed = changed
        self._pending: dict[str, Request] = {}
        self._rules: dict[str, Rule | None] = {}
        self._decided: dict[str, Decision] = {}
        self._carried = set[str]()
        """Requests of the run before this one that nobody waits for yet."""
        self.grants = Grants()
        self.witness: Witness = lambda _occasion, _request, _by, _details: None

    def restore(self, state: ApprovalsState) -> None:
        """Go on with the requests of the run that this one continues."""
        self._pending = {waiting.request.request_id: waiting.request for waiting in state.waiting}
        self._rules = {waiting.request.request_id: waiting.rule for waiting in state.waiting}
        self._decided = dict(state.decided)
        self._carried = set(self._pending)
        self.grants.restore(state.standing)

    def snapshot(self) -> ApprovalsState:
        """What a run that continues this one needs; closed requests are known by id, not in full."""
        waiting = tuple(Waiting(request=request, rule=self._rules[name]) for name, request in self._pending.items())
        closed = [(name, decision) for name, decision in self._decided.items() if name not in self._pending]
        slim = {
            name: decision.model_copy(update={"arguments": None, "response": None, "reason": ""})
            for name, decision in closed[-REMEMBERED:]
        }
        taken = {name: self._decided[name] for name in self._pending if name in self._decided}
        return ApprovalsState(waiting=waiting, decided={**slim, **taken}, standing=self.grants.standing)

    def close(self) -> None:
        """Forget what still waits: the run has ended."""
        for name in list(self._pending):
            self._forget(name)
        self._carried.clear()

    @property
    def pending(self) -> tuple[Request, ...]:
        """Requests that wait, oldest first."""
        return tuple(self._pending.values())

    def find(self, request_id: str) -> Request | None:
        """The waiting request of this id."""
        return self._pending.get(request_id)

    def knows(self, request_id: str) -> bool:
        """Whether a request of this id was ever asked."""
        return request_id in self._pending or request_id in self._decided

    def unused(self, request_id: str) -> str:
        """This id, or with the first number behind it, that was never asked or waits from the run before."""
        names = (request_id if n == 1 else f"{request_id}-{n}" for n in count(1))
        return next(name for name in names if name in self._carried or not self.knows(name))

    def carries(self, request_id: str) -> bool:
        """Whether a request of this id, or with a number behind it, waits from the run before and is to be asked on."""
        return self.unused(request_id) in self._carried

    async def ask(self, request: Request, rule: Rule | None) -> Decision:
        """Open the request and wait for its decision, its timeout, or the end of the run.

        A request that waits from the run before goes on waiting as it was asked.
        """
        name = request.request_id
        if name in self._carried:
            self._carried.discard(name)
        else:
            self._pending[name] = request
            self._rules[name] = rule
            self.witness("asked", request, request.agent, {})
        with self._control.waiting(f"{request.kind}: {request.title}"):
            self._changed()
            try:
                await self._wait(name)
            except (RolloverError, GeneratorExit):  # it stays open: it is waited for elsewhere, see `Control.waiting`
                raise
            except BaseException:
                self._forget(name)
                raise
            self._forget(name)
        self._changed()
        decision = self._decided.get(name)
        if decision is None or decision.verdict is Verdict.STOP:
            raise RunEndedError(StopReason.STOPPED)
        return decision

    def _forget(self, name: str) -> None:
        request, decision = self._pending.pop(name, None), self._decided.get(name)
        if request is not None and decision is None:
            self.witness("closed", request, "", {})
        elif request is not None and decision is not None:
            count_decision(request, decision)

    async def _wait(self, name: str) -> None:
        told = workflow.now()
        while not (name in self._decided or self._control.stopping):
            moment, deadline = next_moment(self._pending[name], self._rules[name], told), self._control.until_deadline
            due = None if moment is None else max(moment.at - workflow.now(), SOON)
            timeout = min((length for length in (due, deadline) if length is not None), default=None)
            try:
                await workflow.wait_condition(
                    lambda: name in self._decided or self._control.stopping or self._control.rolling(),
                    timeout=timeout,
                    timeout_summary=f"{name}: {'deadline of the run' if moment is None else moment.kind}",
                )
            except TimeoutError:
                if moment is None or timeout == deadline:
                    raise RunEndedError(StopReason.TIME_LIMIT) from None
                told = workflow.now()
                self._due(name, moment)
                continue
            if name not in self._decided and not self._control.stopping:
                raise RolloverError

    def _due(self, name: str, moment: Moment) -> None:
        if moment.kind == "expiry":
            self._expire(name)
        elif moment.kind == "escalation":
            self._escalate(name, "timer")
        else:
            self.witness("reminder", self._pending[name], "timer", {})

    def _expire(self, name: str) -> None:
        rule, request = self._rules.get(name), self._pending[name]
        verdict = Verdict.STOP if rule is not None and rule.on_timeout == "stop" else Verdict.REJECT
        late = Decision(verdict=verdict, by="timeout", reason="nobody decided in time", via="timer")
        self._decided.setdefault(name, late)
        self.witness("expired", request, "timeout", {"verdict": verdict})

    def _escalate(self, name: str, by: str, reason: str = "") -> None:
        """Let those decide too to whom the rule escalates; a second time changes nothing."""
        request, rule = self._pending[name], self._rules.get(name)
        if request.escalated or rule is None:
            return
        approvers = (*request.approvers, *rule.escalate_to) if request.approvers else ()
        request = request.model_copy(update={"escalated": True, "approvers": approvers})
        self._pending[name] = request
        self.witness("escalation", request, by, {"to": list(rule.escalate_to), "reason": reason})
        self._changed()

    def by_signal(self, payload: SignalDecision, verdict: Verdict, who: Identity | None) -> str:
        """Take a decision by signal; returns why it was refused, or an empty string."""
        decide = Decide(verdict=verdict, **payload.model_dump())
        if not self.knows(payload.request_id):
            return f"no request {payload.request_id!r} was asked by this run"
        request = self._pending.get(payload.request_id)
        if request is not None and request.level is Level.REVIEW and verdict is Verdict.APPROVE:
            return "a review needs the update `decide` with the digest of the call: a signal is not enough"
        return self._take(decide, "signal", who)[1]

    async def by_update(self, payload: Decide, who: Identity | None) -> DecisionAnswer:
        """Take a decision by update; the answer tells the state that follows from it."""
        name = payload.request_id
        code, reason = self._take(payload, "update", who)
        if not code and name in self._decided:
            await workflow.wait_condition(
                lambda: name not in self._pending or name in self._carried or self._control.draining
            )
        return DecisionAnswer(
            accepted=not code,
            request_id=payload.request_id,
            verdict=payload.verdict,
            state=self._control.state,
            code=code,
            reason=reason or self._progress(name),
        )

    def _progress(self, name: str) -> str:
        """What is still missing of a request that was not decided."""
        request = self._pending.get(name)
        if request is None or name in self._decided:
            return ""
        return f"{len(request.votes)} of {request.quorum} approvals" if request.quorum > 1 else "it waits on"

    def withdraw(self, kind: RequestKind) -> None:
        """Forget the requests of this kind that wait from the run before: they are not asked again."""
        for name in [name for name in self._carried if self._pending[name].kind is kind]:
            self._carried.discard(name)
            self._forget(name)

    def settle(self, kind: RequestKind, decision: Decision) -> None:
        """Decide every waiting request of this kind: what it asked for was done in another way."""
        for name, request in self._pending.items():
            if request.kind is kind and name not in self._decided:
                self._decided[name] = decision
                self.witness("decided", request, decision.by, {"verdict": decision.verdict, "via": "configure"})

    def _take(self, payload: Decide, via: Literal["signal", "update"], who: Identity | None) -> tuple[str, str]:
        code, reason = self._refusal(payload, who)
        if code:
            return code, reason
        name, request = payload.request_id, self._pending[payload.request_id]
        if payload.verdict is Verdict.ESCALATE:
            self._escalate(name, payload.approver, payload.reason)
            return "", ""
        details = said(payload, who)
        if request.quorum > 1 and payload.verdict in COUNTED:
            edited = self._edited(request, payload)
            request = self._pending[name] = voted(request, payload, who, workflow.now(), edited)
            self.witness("vote", request, payload.approver, details)
            self._changed()
            if len(request.votes) < request.quorum:
                return "", ""
        decision = self._decided[name] = settled(request, payload, who, via)
        self.grants.give(request, payload, who)
        self.witness("decided", request, decision.by, {**details, "verdict": decision.verdict, "via": via})
        return "", ""

    def _refusal(self, payload: Decide, who: Identity | None) -> tuple[str, str]:
        """Code and reason why this decision does not count; both empty when it does."""
        earlier = self._decided.get(payload.request_id)
        if earlier is not None:
            return "already_decided", f"{payload.request_id} was already decided: {earlier.verdict} by {earlier.by}"
        request = self._pending.get(payload.request_id)
        if request is None:
            return "unknown_request", f"no request {payload.request_id!r} waits"
        edited = self._edited(request, payload)
        return next(refusals(request, payload, who, self._unsigned(), edited), ("", ""))

    def _edited(self, request: Request, payload: Decide) -> Ruling | None:
        """What the policy says of the call with the arguments of this decision; None when it has none."""
        if request.kind is not RequestKind.TOOL_CALL or payload.arguments is None:
            return None
        return self._ruling(request.tool, request.effect, payload.arguments)
