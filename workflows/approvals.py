"""The gate between a run and people: a request is opened, waits durably, and takes exactly one decision."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count

from temporalio import workflow

from perdure.domain.approvals import Decide, Decision, DecisionAnswer, Request, RequestKind, SignalDecision, Verdict
from perdure.domain.decisions import refusals
from perdure.domain.model import JsonObject, canonical_json
from perdure.domain.policy import Level, Rule, Ruling
from perdure.domain.run import StopReason
from perdure.domain.state import ApprovalsState, Waiting
from perdure.domain.tools import Effect, call_digest
from workflows.control import Control, RolloverError, RunEndedError

__all__ = ["Approvals", "RulingOf", "expiry", "request_id"]


REMEMBERED = 1_000
"""Closed requests that a continued run still knows by their id."""
SHOWN_CHARACTERS = 500_000
"""Of arguments in one answer to a query, which may be 2 MiB, escaped."""

SOON = timedelta(milliseconds=1)

RulingOf = Callable[[str, Effect, JsonObject], Ruling]


class Approvals:
    """Pending requests in the order they were asked, and the decisions that were taken."""

    def __init__(self, control: Control, changed: Callable[[], None], ruling: RulingOf) -> None:
        """Start with nothing asked; `changed` is called whenever what waits has changed.

        `ruling` says what the policy thinks of a call with edited arguments: an edit must not get around a rule.
        """
        self._ruling = ruling
        self._control = control
        self._changed = changed
        self._pending: dict[str, Request] = {}
        self._rules: dict[str, Rule | None] = {}
        self._decided: dict[str, Decision] = {}
        self._carried = set[str]()
        """Requests of the run before this one that nobody waits for yet."""

    def restore(self, state: ApprovalsState) -> None:
        """Go on with the requests of the run that this one continues."""
        self._pending = {waiting.request.request_id: waiting.request for waiting in state.waiting}
        self._rules = {waiting.request.request_id: waiting.rule for waiting in state.waiting}
        self._decided = dict(state.decided)
        self._carried = set(self._pending)

    def snapshot(self) -> ApprovalsState:
        """What a run that continues this one needs; closed requests are known by id, not in full."""
        waiting = tuple(Waiting(request=request, rule=self._rules[name]) for name, request in self._pending.items())
        closed = [(name, decision) for name, decision in self._decided.items() if name not in self._pending]
        slim = {
            name: decision.model_copy(update={"arguments": None, "response": None, "reason": ""})
            for name, decision in closed[-REMEMBERED:]
        }
        taken = {name: self._decided[name] for name in self._pending if name in self._decided}
        return ApprovalsState(waiting=waiting, decided={**slim, **taken})

    def close(self) -> None:
        """Forget what still waits: the run has ended."""
        self._pending.clear()
        self._carried.clear()

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
        if request.request_id in self._carried:
            self._carried.discard(request.request_id)
            request = self._pending[request.request_id]
        else:
            self._pending[request.request_id] = request
            self._rules[request.request_id] = rule
        with self._control.waiting(f"{request.kind}: {request.title}"):
            self._changed()
            try:
                await self._wait(request)
            except RolloverError:  # it stays open: the next run goes on waiting
                raise
            except BaseException:
                self._pending.pop(request.request_id, None)
                raise
            self._pending.pop(request.request_id, None)
        self._changed()
        decision = self._decided.get(request.request_id)
        if decision is None or decision.verdict is Verdict.STOP:
            raise RunEndedError(StopReason.STOPPED)
        return decision

    async def _wait(self, request: Request) -> None:
        expiry = None if request.expires_at is None else max(request.expires_at - workflow.now(), SOON)
        deadline = self._control.until_deadline
        timeout = min((length for length in (expiry, deadline) if length is not None), default=None)
        try:
            await workflow.wait_condition(
                lambda: request.request_id in self._decided or self._control.stopping or self._control.rolling(),
                timeout=timeout,
                timeout_summary=f"{request.request_id} expires",
            )
        except TimeoutError:
            if deadline is not None and timeout == deadline:
                raise RunEndedError(StopReason.TIME_LIMIT) from None
            self._expire(request.request_id)
        if request.request_id not in self._decided and not self._control.stopping:
            raise RolloverError

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
        name = payload.request_id
        code, reason = self._take(payload, "update")
        if not code:
            await workflow.wait_condition(
                lambda: name not in self._pending or name in self._carried or self._control.draining
            )
        return DecisionAnswer(
            accepted=not code,
            request_id=payload.request_id,
            verdict=payload.verdict,
            state=self._control.state,
            code=code,
            reason=reason,
        )

    def withdraw(self, kind: RequestKind) -> None:
        """Forget the requests of this kind that wait from the run before: they are not asked again."""
        for name in [name for name in self._carried if self._pending[name].kind is kind]:
            self._carried.discard(name)
            del self._pending[name]

    def settle(self, kind: RequestKind, decision: Decision) -> None:
        """Decide every waiting request of this kind: what it asked for was done in another way."""
        for name, request in self._pending.items():
            if request.kind is kind:
                self._decided.setdefault(name, decision)

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
        judged = request.kind is RequestKind.TOOL_CALL and payload.arguments is not None
        edited = self._ruling(request.tool, request.effect, payload.arguments or {}) if judged else None
        return next(refusals(request, payload, edited), ("", ""))

    def _expire(self, request_id: str) -> None:
        rule = self._rules.get(request_id)
        verdict = Verdict.STOP if rule is not None and rule.on_timeout == "stop" else Verdict.REJECT
        late = Decision(verdict=verdict, by="timeout", reason="nobody decided in time", via="timer")
        self._decided.setdefault(request_id, late)


def request_id(number: int, tool: str, arguments: JsonObject) -> str:
    """Id of the request about one call: `req-<call number>-<8 hex of its digest>`."""
    return f"req-{number}-{call_digest(tool, arguments)[:8]}"


def expiry(rule: Rule | None) -> timedelta | None:
    """How long a request may wait."""
    return None if rule is None or rule.timeout is None else timedelta(seconds=rule.timeout)
