"""Asks people to review a plan or a result, for every pattern that wants it reviewed."""

from temporalio import workflow

from perdure.domain.approvals import Decision, Request, RequestKind
from perdure.domain.model import JsonObject
from perdure.domain.policy import Level, Rule
from perdure.domain.tools import Effect, call_digest
from workflows.requests import expiry, verdicts_for
from workflows.run import AgentRun

__all__ = ["reviewed"]

MAX_TITLE = 200
REVIEW = Rule(level=Level.REVIEW)


async def reviewed(  # noqa: PLR0913 - what a request is made of
    run: AgentRun,
    kind: RequestKind,
    title: str,
    content: JsonObject,
    schema: JsonObject,
    *,
    rule: Rule = REVIEW,
    reason: str = "",
) -> Decision:
    """Ask people about this content and wait for their decision; raises RunEndedError when they say stop.

    `kind` is PLAN or RESULT. An edit has the whole new content as `arguments`, which fit `schema`; of a rejection
    `reason` has the notes. `rule` says who may decide, how many must, and how long it waits: silence is a rejection
    by "timeout" (`via` timer), or ends the run. Asked, decided and expired are entries of the audit log.
    """
    now, wait = workflow.now(), expiry(rule)
    digest = call_digest("", content)
    request = Request(
        request_id=run.approvals.unused(f"req-{kind}-{digest[:8]}"),
        kind=kind,
        title=title[:MAX_TITLE],
        agent=run.setup.agent.name,
        tool="",
        arguments=content,
        effect=Effect.PURE,
        level=rule.level,
        digest=digest,
        verdicts=verdicts_for(kind, rule),
        answer_schema=schema,
        requester=run.given.requester,
        reason=reason,
        asked_at=now,
        expires_at=None if wait is None else now + wait,
        workflow_id=workflow.info().workflow_id,
        approvers=rule.approvers,
        quorum=rule.quorum,
        self_approval=rule.self_approval,
    )
    decision = await run.approvals.ask(request, rule)
    notes = f": {decision.reason}" if decision.reason else ""
    run.notice("decision", f"{request.request_id}: {decision.verdict} by {decision.by} ({decision.via}){notes}")
    return decision
