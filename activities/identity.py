"""The activity `identity.check`: a worker with public keys says whose token it is."""

from temporalio import activity

from perdure.domain.identity import Checked, TokenCheck
from perdure.identity import Verifier

__all__ = ["IdentityActivities"]

NO_KEYS = Checked(code="token_unsupported", reason="this worker has no public keys (PERDURE_PUBLIC_KEYS)")


class IdentityActivities:
    """Checks tokens of decisions and control actions; a token that does not count is a value, never a failure."""

    def __init__(self, verifier: Verifier | None) -> None:
        """Check with these keys; None: this worker has none, and no token counts."""
        self._verifier = verifier

    @activity.defn(name="identity.check")
    async def check(self, check: TokenCheck) -> Checked:
        """Who signed this token for this act on the workflow that asks, or why it does not count."""
        if self._verifier is None:
            return NO_KEYS
        return self._verifier.check(check, activity.info().workflow_id or "")
