"""How decisions become the one decision of a request: votes of a quorum, edits among them, and what was said."""

from datetime import datetime
from typing import Literal

from perdure.domain.approvals import Decide, Decision, Request, Verdict, Vote
from perdure.domain.identity import Identity
from perdure.domain.model import JsonObject
from perdure.domain.policy import Ruling
from perdure.domain.tools import call_digest

__all__ = ["COUNTED", "said", "settled", "voted"]

COUNTED = (Verdict.APPROVE, Verdict.EDIT)
"""Verdicts of which a quorum needs several; any other one decides at once."""


def voted(request: Request, payload: Decide, who: Identity | None, at: datetime, edited: Ruling | None) -> Request:
    """The request with one more vote; an edit changes the call, so that what was approved before it counts no more.

    From then on it is decided by those whom the rule for the edited call names (`edited`).
    """
    vote = Vote(by=payload.approver, at=at, signed=who is not None)
    if payload.verdict is not Verdict.EDIT or payload.arguments is None:
        return request.model_copy(update={"votes": (*request.votes, vote)})
    rule = None if edited is None else edited.rule
    held = {} if rule is None else {"approvers": rule.approvers, "self_approval": rule.self_approval}
    return request.model_copy(
        update={
            **held,
            "votes": (vote,),
            "arguments": payload.arguments,
            "edited_by": payload.approver,
            "digest": call_digest(request.tool, payload.arguments),
        }
    )


def settled(request: Request, payload: Decide, who: Identity | None, via: Literal["signal", "update"]) -> Decision:
    """The decision that ends a request, by the last one who spoke or by all who voted."""
    decision = Decision(
        verdict=payload.verdict,
        by=payload.approver,
        reason=payload.reason,
        arguments=payload.arguments,
        response=payload.response,
        via=via,
        signed=who is not None,
    )
    if not request.votes or payload.verdict not in COUNTED:
        return decision
    return decision.model_copy(
        update={
            "by": ", ".join(vote.by for vote in request.votes),
            "verdict": Verdict.EDIT if request.edited_by else Verdict.APPROVE,
            "arguments": request.arguments if request.edited_by else None,
            "signed": all(vote.signed for vote in request.votes),
        }
    )


def said(payload: Decide, who: Identity | None) -> JsonObject:
    """What the audit log keeps of a decision."""
    told = payload.model_dump(mode="json", exclude_defaults=True, exclude={"request_id", "approver", "token"})
    return {**told, "signed": who is not None, **({} if who is None else {"token_id": who.token_id})}
