"""The gate between a run and people: a request is opened, waits durably, and takes exactly one decision."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count

from temporalio import workflow

from perdure.domain.approvals import Decide, Decision, DecisionAnswer, Request, SignalDecision, Verdict
from perdure.domain.decisions import refusals
from perdure.domain.model import JsonObject, canonical_json
from perdure.domain.policy import Level, Rule, Ruling
from perdure.domain.run import StopReason
from perdure.domain.tools import call_digest
from workflows.control import Control, RunEndedError

__all__ = ["Approvals", "RulingOf", "expiry", "request_id"]


SHOWN_CHARACTERS = 500_000
"""Of arguments in one answer to a query, which may be 2 MiB, escaped."""

RulingOf = Callable[[JsonObject], Ruling]


class Approvals:
    """Pending requests in the order they were asked, and the decisions that were taken."""

    def __init__(self, control: Control, changed: Callable[[], None]) -> None:
        """Start with nothing asked; `changed` is called whenever what waits has changed."""
        self._control = control
        self._changed = changed
        self._pending: dict[str, Request] = {}
        self._rules: dict[str, Rule | None] = {}
        self._rulings: dict[str, RulingOf] = {}
        self._decided: dict[str, Decision] = {}

    @property
    def pending(self) -> tuple[Request, ...]:
        """Requests that wait, oldest first."""
        return tuple(self._pending.values())

    @property
    def shown(self) -> tuple[Request, ...]:
        """The same for one answer to a query: arguments beyond its size are named, not shown (query `request`)."""
        left, shown = SHOWN_CHARACTERS, list[Request]()
        for request in self._pending.values():
            size = len(canonical_json(request.arguments)) + len(canonical_json(request.answer_schema))
            left -= size
            elided: JsonObject = {"elided": f"{size} characters: ask the query `request` for {request.request_id}"}
            shown.append(request if left >= 0 else request.model_copy(update={"arguments": elided}))
        return tuple(shown)

    def knows(self, request_id: str) -> bool:
        """Whether a request of this id was ever asked."""
        return request_id in self._pending or request_id in self._decided

    def unused(self, request_id: str) -> str:
        """This id, or with the first number behind it that was never asked."""
        if not self.knows(request_id):
            return request_id
        return next(name for n in count(2) if not self.knows(name := f"{request_id}-{n}"))

    async def ask(self, request: Request, rule: Rule | None, ruling_of: RulingOf | None = None) -> Decision:
        """Open the request and wait for its decision, its timeout, or the end of the run.

        `ruling_of` says what the policy thinks of edited arguments: an edit must not get around a rule.
        """
        self._pending[request.request_id] = request
        self._rules[request.request_id] = rule
        if ruling_of is not None:
            self._rulings[request.request_id] = ruling_of
        with self._control.waiting(f"{request.kind}: {request.title}"):
            self._changed()
            try:
                await self._wait(request)
            finally:
                self._pending.pop(request.request_id, None)
        self._changed()
        decision = self._decided.get(request.request_id)
        if decision is None or decision.verdict is Verdict.STOP:
            raise RunEndedError(StopReason.STOPPED)
        return decision

    async def _wait(self, request: Request) -> None:
        expiry = None if request.expires_at is None else request.expires_at - workflow.now()
        deadline = self._control.until_deadline
        timeout = min((length for length in (expiry, deadline) if length is not None), default=None)
        try:
            await workflow.wait_condition(
                lambda: request.request_id in self._decided or self._control.stopping,
                timeout=timeout,
                timeout_summary=f"{request.request_id} expires",
            )
        except TimeoutError:
            if deadline is not None and timeout == deadline:
                raise RunEndedError(StopReason.TIME_LIMIT) from None
            self._expire(request.request_id)

    def by_signal(self, payload: SignalDecision, verdict: Verdict) -> str:
        """Take a decision by signal; returns why it was refused, or an empty string."""
        decide = Decide(verdict=verdict, **payload.model_dump())
        if not self.knows(payload.request_id):
            return f"no request {payload.request_id!r} was asked by this run"
        request = self._pending.get(payload.request_id)
        if request is not None and request.level is Level.REVIEW and verdict is Verdict.APPROVE:
            return "a review needs the update `decide` with the digest of the call: a signal is not enough"
        return self._take(decide, "signal")[1]

    async def by_update(self, payload: Decide) -> DecisionAnswer:
        """Take a decision by update; the answer tells the state that follows from it."""
        code, reason = self._take(payload, "update")
        if not code:
            await workflow.wait_condition(lambda: payload.request_id not in self._pending)
        return DecisionAnswer(
            accepted=not code,
            request_id=payload.request_id,
            verdict=payload.verdict,
            state=self._control.state,
            code=code,
            reason=reason,
        )

    def _take(self, payload: Decide, via: str) -> tuple[str, str]:
        code, reason = self._refusal(payload)
        if code:
            return code, reason
        self._decided[payload.request_id] = Decision(
            verdict=payload.verdict,
            by=payload.approver,
            reason=payload.reason,
            arguments=payload.arguments,
            response=payload.response,
            via="signal" if via == "signal" else "update",
        )
        return "", ""

    def _refusal(self, payload: Decide) -> tuple[str, str]:
        """Code and reason why this decision does not count; both empty when it does."""
        earlier = self._decided.get(payload.request_id)
        if earlier is not None:
            return "already_decided", f"{payload.request_id} was already decided: {earlier.verdict} by {earlier.by}"
        request = self._pending.get(payload.request_id)
        if request is None:
            return "unknown_request", f"no request {payload.request_id!r} waits"
        ruling_of = self._rulings.get(payload.request_id)
        edited = None if ruling_of is None or payload.arguments is None else ruling_of(payload.arguments)
        return next(refusals(request, payload, edited), ("", ""))

    def _expire(self, request_id: str) -> None:
        rule = self._rules.get(request_id)
        verdict = Verdict.STOP if rule is not None and rule.on_timeout == "stop" else Verdict.REJECT
        self._decided[request_id] = Decision(
            verdict=verdict, by="timeout", reason="nobody decided in time", via="timer"
        )


def request_id(number: int, tool: str, arguments: JsonObject) -> str:
    """Id of the request about one call: `req-<call number>-<8 hex of its digest>`."""
    return f"req-{number}-{call_digest(tool, arguments)[:8]}"


def expiry(rule: Rule | None) -> timedelta | None:
    """How long a request may wait."""
    return None if rule is None or rule.timeout is None else timedelta(seconds=rule.timeout)
