"""Builds the requests that people see, asks them through the gate, and records what was decided."""

from datetime import timedelta

from temporalio import workflow

from perdure.domain.approvals import VERDICTS, Decision, Request, RequestKind, Verdict
from perdure.domain.model import JsonObject, canonical_json
from perdure.domain.policy import Level, Rule
from perdure.domain.tools import ToolSpec, call_digest
from workflows.run import AgentRun

__all__ = ["ask_about_call", "expiry", "unknown_id", "verdicts_for"]

MAX_TITLE = 200


async def ask_about_call(  # noqa: PLR0913 - what a request is made of
    run: AgentRun,
    kind: RequestKind,
    number: int,
    spec: ToolSpec,
    arguments: JsonObject,
    *,
    level: Level = Level.CONFIRM,
    rule: Rule | None = None,
    title: str = "",
    reason: str = "",
    answer_schema: JsonObject | None = None,
) -> Decision:
    """Ask people about one call and wait for their decision; ends the run when they say stop."""
    now, wait = workflow.now(), expiry(rule)
    identity = request_id(number, spec.name, arguments)
    if kind is RequestKind.UNKNOWN_OUTCOME:
        identity = run.approvals.unused(unknown_id(number, spec, arguments))
    request = Request(
        request_id=identity,
        kind=kind,
        title=(title or _title(spec, arguments))[:MAX_TITLE],
        agent=run.setup.agent.name,
        tool=spec.name,
        arguments=arguments,
        effect=spec.effect,
        level=level,
        digest=call_digest(spec.name, arguments),
        verdicts=verdicts_for(kind, rule),
        answer_schema=spec.parameters if answer_schema is None else answer_schema,
        requester=run.given.requester,
        reason=reason,
        asked_at=now,
        expires_at=None if wait is None else now + wait,
        workflow_id=workflow.info().workflow_id,
        approvers=() if rule is None else rule.approvers,
        quorum=1 if rule is None else rule.quorum,
        self_approval=rule is not None and rule.self_approval,
    )
    decision = await run.approvals.ask(request, rule)
    reason = f": {decision.reason}" if decision.reason else ""
    words = f"{identity} ({spec.name}): {decision.verdict} by {decision.by} ({decision.via}){reason}"
    run.notice("decision", words)
    return decision


def unknown_id(number: int, spec: ToolSpec, arguments: JsonObject) -> str:
    """Id of the first question what became of a call."""
    return f"{request_id(number, spec.name, arguments)}-unknown"


def verdicts_for(kind: RequestKind, rule: Rule | None) -> tuple[Verdict, ...]:
    """What people can say: escalating needs somebody to escalate to; no single person answers where several must."""
    alone = rule is None or rule.quorum == 1
    valid = tuple(verdict for verdict in VERDICTS[kind] if alone or verdict is not Verdict.RESPOND)
    return (*valid, Verdict.ESCALATE) if rule is not None and rule.escalate_to else valid


def request_id(number: int, tool: str, arguments: JsonObject) -> str:
    """Id of the request about one call: `req-<call number>-<8 hex of its digest>`."""
    return f"req-{number}-{call_digest(tool, arguments)[:8]}"


def expiry(rule: Rule | None) -> timedelta | None:
    """How long a request may wait."""
    return None if rule is None or rule.timeout is None else timedelta(seconds=rule.timeout)


def _title(spec: ToolSpec, arguments: JsonObject) -> str:
    """The tool's own sentence with the arguments filled in, else the call as it is."""
    if spec.ask:
        try:
            return spec.ask.format_map(arguments)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError):
            return spec.ask
    return f"{spec.name} {canonical_json(arguments)}"
