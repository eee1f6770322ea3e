"""The desk where decisions and control actions come in: who says it, to which run it belongs, what becomes of it."""

from typing import TYPE_CHECKING

from temporalio.exceptions import ApplicationError

from perdure.domain.approvals import Decide, DecisionAnswer, SignalDecision, Verdict
from perdure.domain.control import ControlPayload, SteerPayload
from perdure.domain.identity import Identity, Role, TokenCheck
from perdure.domain.machine import Verb
from perdure.domain.run import RunState
from workflows import telling
from workflows.children import tell_child
from workflows.run import AgentRun

if TYPE_CHECKING:
    from perdure.domain.model import JsonObject

__all__ = ["Desk"]


class Desk:
    """Takes what people say to a run and the runs below it."""

    def __init__(self, run: AgentRun) -> None:
        """Sit at this run."""
        self._run = run

    def check(self, decide: Decide) -> None:
        """Refuse a decision on a request that nobody here has asked; raises ApplicationError."""
        name, run = decide.request_id, self._run
        if run.approvals.knows(name):
            return
        found = run.elsewhere.find(name)
        if len(found) > 1:
            runs = ", ".join(request.workflow_id for request in found)
            msg = f"several runs wait for {name!r}: decide it at one of {runs}"
            raise ApplicationError(msg, type="AmbiguousRequest", non_retryable=True)
        if not found:
            waiting = ", ".join(request.request_id for request in run.pending) or "none"
            msg = f"unknown request {name!r}; waiting: {waiting}"
            raise ApplicationError(msg, type="UnknownRequest", non_retryable=True)

    async def decide(self, decide: Decide) -> DecisionAnswer:
        """Take a decision by update, or pass it on to the run below that waits for it."""
        run, name = self._run, decide.request_id
        found = run.elsewhere.find(name)
        if found and not run.approvals.knows(name):
            # Bound to the call that is shown here: what is not told apart by its id is by its digest.
            digest = decide.digest or found[0].digest
            return await telling.decide_elsewhere(found[0].workflow_id, decide.model_copy(update={"digest": digest}))
        who, code, reason = await self._who_decides(decide)
        if code:
            answer = DecisionAnswer(
                accepted=False,
                request_id=name,
                verdict=decide.verdict,
                state=run.control.state,
                code=code,
                reason=reason,
            )
        else:
            answer = await run.approvals.by_update(decide, who)
        if not answer.accepted:
            run.notice("decision.refused", f"{name}: {answer.reason}")
            self._refused(decide, answer.code, answer.reason)
        return answer

    async def decide_by_signal(self, decision: SignalDecision, verdict: Verdict) -> None:
        """Take a decision by signal; one that does not count leaves a notice."""
        run, name = self._run, decision.request_id
        found = run.elsewhere.find(name)
        if len(found) == 1 and not run.approvals.knows(name):
            await tell_child(found[0].workflow_id, verdict, decision)
            return
        decide = Decide(verdict=verdict, **decision.model_dump())
        who, _, refused = await self._who_decides(decide) if decision.token else (None, "", "")
        refused = refused or run.approvals.by_signal(decision, verdict, who)
        if refused:
            run.notice("signal.ignored", f"signal {verdict}: {refused}")
            self._refused(decide, "signal_ignored", refused)

    async def _who_decides(self, decide: Decide) -> tuple[Identity | None, str, str]:
        request = self._run.approvals.find(decide.request_id)
        if not decide.token or request is None:
            return None, "", ""
        return await self._identify(
            TokenCheck(
                token=decide.token,
                act=decide.verdict,
                request_id=decide.request_id,
                digest=request.digest,
                content=decide.content,
            )
        )

    async def _identify(self, check: TokenCheck) -> tuple[Identity | None, str, str]:
        found = await telling.check_token(check)
        return found.identity, found.code, found.reason

    def _refused(self, decide: Decide, code: str, reason: str) -> None:
        data: JsonObject = {"request_id": decide.request_id, "verdict": decide.verdict, "code": code, "reason": reason}
        self._run.journal.add("refused", decide.approver, data)

    async def authorise(
        self, act: str, by: str, token: str | None, content: str = "", *, signed_only: bool = False
    ) -> str:
        """Name of who acts; raises ApplicationError when a token does not count, or is missing and required."""
        if not token:
            if signed_only and self._run.is_prepared and self._run.setup.unsigned == "deny":
                msg = f"{act}: this run takes only signed changes: send a token"
                raise ApplicationError(msg, type="token_required", non_retryable=True)
            return by
        who, code, reason = await self._identify(TokenCheck(token=token, act=act, content=content))
        if who is not None and not self._run.spend_token(who.token_id):
            who, code, reason = None, "token_used", "the token was used already: sign a new one"
        if who is None:
            raise ApplicationError(f"{act}: {reason}", type=code, non_retryable=True)
        if not who.has(Role.OPERATOR):
            msg = f"{act}: {who.subject} has not the role operator: {', '.join(who.roles) or 'no roles'}"
            raise ApplicationError(msg, type="role_missing", non_retryable=True)
        if by and by != who.subject:
            msg = f"{act}: the token was signed for {who.subject!r}, not for {by!r}"
            raise ApplicationError(msg, type="token_mismatch", non_retryable=True)
        return who.subject

    async def control(self, verb: Verb, payload: ControlPayload) -> RunState:
        """Carry out a control verb here and in the runs that this one has started."""
        run = self._run
        by = await self.authorise(verb, payload.by, payload.token)
        state = run.control.apply(verb, by, payload.reason)
        run.notice(f"control.{verb}", f"by {by or 'unknown'}: {payload.reason}".rstrip(": "))
        self._journal_control(verb, by, payload)
        await self._tell_children(verb, payload.model_copy(update={"by": by, "token": None}))
        return state

    async def steer(self, steer: SteerPayload) -> int:
        """Queue a message; one that interrupts also ends a pause, here and in the runs that this one has started."""
        run = self._run
        by = await self.authorise("steer", steer.by, steer.token, steer.content)
        held = run.control.paused
        position = run.control.steer(steer)
        run.journal.add("control", by, {"verb": "steer", "mode": steer.mode, "id": steer.id}, event="control")
        if run.conducts:  # those below do the work
            await self._tell_children("steer", steer.model_copy(update={"by": by, "token": None}))
        if held and not run.control.paused:
            await self._tell_children("resume", ControlPayload(by=by, reason="steered"))
        return position

    def _journal_control(self, verb: str, by: str, payload: ControlPayload) -> None:
        data: JsonObject = {"verb": verb, "reason": payload.reason, "signed": bool(payload.token)}
        self._run.journal.add("control", by, data, event="control")

    async def _tell_children(self, verb: str, payload: ControlPayload | SteerPayload) -> None:
        for identity in self._run.open_children:
            await tell_child(identity, verb, payload)
