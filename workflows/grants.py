"""Standing approvals: what a decision has allowed for a while, so that nobody is asked for it again."""

from collections.abc import Iterable
from datetime import timedelta

from temporalio import workflow

from perdure.domain.approvals import Decide, Decision, Request, Standing, Verdict
from perdure.domain.decisions import may_decide
from perdure.domain.identity import Identity
from perdure.domain.policy import STRICTNESS, Level, Rule

__all__ = ["Grants"]


class Grants:
    """Grants in force, in the order they were given."""

    def __init__(self) -> None:
        """Start with none."""
        self._standing: list[Standing] = []

    def restore(self, standing: Iterable[Standing]) -> None:
        """Go on with the grants of the run that this one continues."""
        self._standing = list(standing)

    @property
    def standing(self) -> tuple[Standing, ...]:
        """Grants that are not over."""
        now = workflow.now()
        return tuple(
            each for each in self._standing if each.left != 0 and (each.expires_at is None or each.expires_at > now)
        )

    def give(self, request: Request, decide: Decide, who: Identity | None) -> None:
        """Remember what an accepted decision grants along."""
        grant = decide.grant
        if grant is None:
            return
        self._standing.append(
            Standing(
                tool=request.tool,
                level=request.level,
                digest=request.digest if grant.scope == "arguments" else "",
                by=who or Identity(subject=decide.approver),
                signed=who is not None,
                request_id=request.request_id,
                expires_at=None if grant.seconds is None else workflow.now() + timedelta(seconds=grant.seconds),
                left=grant.count,
            )
        )

    def use(self, tool: str, digest: str, level: Level, rule: Rule | None) -> Decision | None:
        """Decide a call by the first grant that covers it, if whoever gave it may decide this call alone."""
        if rule is not None and rule.quorum > 1:
            return None
        approvers = () if rule is None else rule.approvers
        self._standing = list(self.standing)
        for place, grant in enumerate(self._standing):
            covers = grant.tool == tool and grant.digest in {"", digest}
            strict_enough = STRICTNESS.index(grant.level) >= STRICTNESS.index(level)
            who = grant.by if grant.signed else None
            if covers and strict_enough and may_decide(approvers, grant.by.subject, who):
                left = None if grant.left is None else grant.left - 1
                self._standing[place] = grant.model_copy(update={"left": left})
                reason = f"granted with {grant.request_id}"
                return Decision(
                    verdict=Verdict.APPROVE, by=grant.by.subject, reason=reason, via="grant", signed=grant.signed
                )
        return None
