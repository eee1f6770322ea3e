"""Why a decision on a waiting request does not count: the rules of the contract, in the order they are told."""

from collections.abc import Iterator

from perdure.domain.approvals import Decide, Request, RequestKind, Verdict
from perdure.domain.arguments import check_arguments, check_value
from perdure.domain.policy import Level, Ruling, matches_any

__all__ = ["refusals"]


RUNS_IT = (Verdict.APPROVE, Verdict.EDIT, Verdict.RESPOND)
"""Verdicts that let something count as done; saying no needs no digest."""


def refusals(request: Request, decide: Decide, edited: Ruling | None = None) -> Iterator[tuple[str, str]]:
    """Every reason against this decision as (code, words a person can act on); none: it counts.

    `edited` is what the policy says of the call with the arguments of an edit.
    """
    if decide.token:
        yield "token_unsupported", "signed tokens are not in this release: leave it out"
    if decide.digest is not None and decide.digest != request.digest:
        yield "digest_mismatch", f"the call waiting has digest {request.digest}, not {decide.digest}"
    if decide.digest is None and request.level is Level.REVIEW and decide.verdict in RUNS_IT:
        yield "digest_required", f"a review must repeat the digest of the call: {request.digest}"
    if request.approvers and not matches_any(request.approvers, decide.approver):
        yield "approver_not_allowed", f"only {', '.join(request.approvers)} may decide this"
    if decide.verdict not in request.verdicts:
        valid = ", ".join(request.verdicts)
        yield "verdict_not_allowed", f"{decide.verdict} does not fit a {request.kind}; valid: {valid}"
    yield from _about_arguments(request, decide)
    if edited is not None and decide.verdict is Verdict.EDIT:
        yield from _about_edit(edited, decide)
    yield from _about_response(request, decide)


def _about_arguments(request: Request, decide: Decide) -> Iterator[tuple[str, str]]:
    if decide.verdict is not Verdict.EDIT:
        if decide.arguments is not None:
            yield "arguments_unexpected", f"`arguments` only go with edit, not with {decide.verdict}"
    elif decide.arguments is None:
        yield "arguments_required", "an edit needs `arguments`: the whole new arguments of the call"
    elif problem := check_arguments(request.answer_schema, decide.arguments):
        yield "invalid_arguments", problem


def _about_edit(edited: Ruling, decide: Decide) -> Iterator[tuple[str, str]]:
    """Hold an edit to the rule that the edited call falls under: it must not be a way around the policy."""
    approvers = () if edited.rule is None else edited.rule.approvers
    if edited.level is Level.DENY:
        yield "denied_by_policy", "the policy of this run denies the call with these arguments"
    elif edited.level is Level.REVIEW and decide.digest is None:
        yield "digest_required", "with these arguments the call needs a review: repeat the digest of the waiting call"
    elif approvers and not matches_any(approvers, decide.approver):
        yield "approver_not_allowed", f"with these arguments only {', '.join(approvers)} may decide this"


def _about_response(request: Request, decide: Decide) -> Iterator[tuple[str, str]]:
    if decide.verdict is not Verdict.RESPOND:
        if decide.response is not None:
            yield "response_unexpected", f"`response` only goes with respond, not with {decide.verdict}"
    elif decide.response is None:
        yield "response_required", "respond needs `response`"
    elif request.kind is RequestKind.QUESTION and (problem := check_value(request.answer_schema, decide.response)):
        yield "invalid_response", problem
