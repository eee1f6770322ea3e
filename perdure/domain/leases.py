"""Budgets leased to child runs: what is leased is not leased again, what a child does not use comes back."""

from dataclasses import dataclass, field

from perdure.domain.agents import Limits
from perdure.domain.budget import Spent
from perdure.domain.run import StopReason

__all__ = ["Lease", "Leases"]


@dataclass(frozen=True)
class Lease:
    """What a child may use. Without `tool_calls` it gets no tools; `cost_usd` is None where money is not limited."""

    tokens: int
    tool_calls: int
    cost_usd: float | None = None


@dataclass
class Leases:
    """The leases that are out, by the id of the child that holds them."""

    out: dict[str, Lease] = field(default_factory=dict[str, Lease])

    def grant(self, child: str, limits: Limits, spent: Spent, parts: int) -> Lease | StopReason:
        """Lease one of `parts` equal parts of what is free, or say which limit leaves nothing to lease.

        Free is what the limits leave after what was `spent` and what is out: so however many children run, together
        they never have more than the limits allow.
        """
        tokens = limits.tokens - spent.tokens - sum(lease.tokens for lease in self.out.values())
        calls = limits.tool_calls - spent.tool_calls - sum(lease.tool_calls for lease in self.out.values())
        money = None
        if limits.cost_usd is not None:
            money = limits.cost_usd - spent.cost_usd - sum(lease.cost_usd or 0.0 for lease in self.out.values())
            if money <= 0:
                return StopReason.COST_LIMIT
            money /= parts
        if tokens < parts:
            return StopReason.TOKEN_LIMIT
        lease = Lease(tokens=tokens // parts, tool_calls=max(0, calls) // parts, cost_usd=money)
        self.out[child] = lease
        return lease

    def settle(self, child: str) -> Lease:
        """The child has ended: its lease is free again, but for what it has spent."""
        return self.out.pop(child)
