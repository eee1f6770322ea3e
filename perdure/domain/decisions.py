"""Why a decision on a waiting request does not count: the rules of the contract, in the order they are told."""

from collections.abc import Iterator, Sequence

from perdure.domain.approvals import Decide, Request, RequestKind, Verdict
from perdure.domain.arguments import check_arguments, check_value
from perdure.domain.identity import Identity, Role, Unsigned
from perdure.domain.policy import Level, Ruling, matches_any

__all__ = ["ROLE_PREFIX", "may_decide", "refusals"]


ROLE_PREFIX = "role:"
RUNS_IT = (Verdict.APPROVE, Verdict.EDIT, Verdict.RESPOND)
"""Verdicts that let something count as done; saying no needs no digest."""


def refusals(
    request: Request, decide: Decide, who: Identity | None, unsigned: Unsigned, edited: Ruling | None = None
) -> Iterator[tuple[str, str]]:
    """Every reason against this decision as (code, words a person can act on); none: it counts.

    `who` is what a token says, None without one; `edited` what the policy says of the call with edited arguments.
    """
    yield from _about_the_person(request, decide, who, unsigned)
    if decide.digest is not None and decide.digest != request.digest:
        yield "digest_mismatch", f"the call waiting has digest {request.digest}, not {decide.digest}"
    if decide.digest is None and decide.verdict in RUNS_IT:
        if request.level is Level.REVIEW:
            yield "digest_required", f"a review must repeat the digest of the call: {request.digest}"
        elif request.edited_by:
            words = f"{request.edited_by} changed the arguments: repeat the digest of the call as it is now"
            yield "digest_required", f"{words}: {request.digest}"
    if decide.verdict not in request.verdicts:
        valid = ", ".join(request.verdicts)
        yield "verdict_not_allowed", f"{decide.verdict} does not fit this {request.kind}; valid: {valid}"
    yield from _about_arguments(request, decide)
    if edited is not None and decide.verdict is Verdict.EDIT:
        yield from _about_edit(request, edited, decide, who)
    yield from _about_response(request, decide)
    yield from _about_grant(request, decide)


def may_decide(approvers: Sequence[str], name: str, who: Identity | None) -> bool:
    """Whether these approvers (globs of names, or `role:NAME`, which only a token proves) include somebody."""
    roles = () if who is None else who.roles
    names = [each for each in approvers if not each.startswith(ROLE_PREFIX)]
    wanted = [each.removeprefix(ROLE_PREFIX) for each in approvers if each.startswith(ROLE_PREFIX)]
    return not approvers or matches_any(names, name) or any(role in roles or Role.ADMIN in roles for role in wanted)


def _about_the_person(
    request: Request, decide: Decide, who: Identity | None, unsigned: Unsigned
) -> Iterator[tuple[str, str]]:
    if who is None and unsigned == "deny":
        yield "token_required", "this run takes only signed decisions: send a token"
    if who is not None and who.subject != decide.approver:
        yield "token_mismatch", f"the token was signed for {who.subject!r}, the decision says {decide.approver!r}"
    if who is not None and not who.has(Role.APPROVER):
        yield "role_missing", f"{who.subject} has not the role approver: {', '.join(who.roles) or 'no roles'}"
    if not may_decide(request.approvers, decide.approver, who):
        yield "approver_not_allowed", f"only {', '.join(request.approvers)} may decide this"
    if _asked_for_it(request, decide) and not request.self_approval and decide.verdict in RUNS_IT:
        yield "self_approval", f"{decide.approver} asked for this run: somebody else must approve"
    if any(vote.by == decide.approver for vote in request.votes) and decide.verdict is Verdict.APPROVE:
        yield "already_voted", f"{decide.approver} has approved already: {request.quorum} different people must"


def _asked_for_it(request: Request, decide: Decide) -> bool:
    return bool(request.requester) and request.requester == decide.approver


def _about_arguments(request: Request, decide: Decide) -> Iterator[tuple[str, str]]:
    if decide.verdict is not Verdict.EDIT:
        if decide.arguments is not None:
            yield "arguments_unexpected", f"`arguments` only go with edit, not with {decide.verdict}"
    elif decide.arguments is None:
        yield "arguments_required", "an edit needs `arguments`: the whole new arguments of the call"
    elif problem := check_arguments(request.answer_schema, decide.arguments):
        yield "invalid_arguments", problem


def _about_edit(request: Request, edited: Ruling, decide: Decide, who: Identity | None) -> Iterator[tuple[str, str]]:
    """Hold an edit to the rule that the edited call falls under: it must not be a way around the policy."""
    rule = edited.rule
    approvers = () if rule is None else rule.approvers
    if edited.level is Level.DENY:
        yield "denied_by_policy", "the policy of this run denies the call with these arguments"
    elif edited.level is Level.REVIEW and decide.digest is None:
        yield "digest_required", "with these arguments the call needs a review: repeat the digest of the waiting call"
    elif rule is not None and rule.quorum > request.quorum:
        number = rule.quorum
        yield (
            "quorum_required",
            f"with these arguments {number} people must approve: reject, and let the agent ask anew",
        )
    elif not may_decide(approvers, decide.approver, who):
        yield "approver_not_allowed", f"with these arguments only {', '.join(approvers)} may decide this"
    elif rule is not None and not rule.self_approval and _asked_for_it(request, decide):
        yield "self_approval", f"{decide.approver} asked for this run: with these arguments somebody else must approve"


def _about_response(request: Request, decide: Decide) -> Iterator[tuple[str, str]]:
    if decide.verdict is not Verdict.RESPOND:
        if decide.response is not None:
            yield "response_unexpected", f"`response` only goes with respond, not with {decide.verdict}"
    elif decide.response is None:
        yield "response_required", "respond needs `response`"
    elif request.kind is RequestKind.QUESTION and (problem := check_value(request.answer_schema, decide.response)):
        yield "invalid_response", problem


def _about_grant(request: Request, decide: Decide) -> Iterator[tuple[str, str]]:
    if decide.grant is None:
        return
    if decide.verdict is not Verdict.APPROVE or request.kind is not RequestKind.TOOL_CALL:
        yield "grant_unexpected", "a grant only goes with the approval of a tool call"
    elif request.quorum > 1:
        yield "grant_unexpected", f"{request.quorum} people must approve each of these calls: nobody can grant it alone"
