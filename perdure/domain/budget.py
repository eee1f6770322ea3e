"""What a run has used and what is left of its limits; reserved before a call, settled after it."""

from dataclasses import dataclass
from typing import NamedTuple

from perdure.domain.agents import Limits
from perdure.domain.ports import Price, TokenUsage
from perdure.domain.run import StopReason, Usage

__all__ = ["Allowance", "Spent"]


class Allowance(NamedTuple):
    """Output tokens that may be used (none when below 1), and the limit that was nearest."""

    tokens: int
    bound: StopReason


@dataclass
class Spent:
    """Running totals of one run, children included. `context` is the size of the conversation as last reported."""

    turns: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    priced: bool = True
    context: int = 0

    @property
    def tokens(self) -> int:
        """Input and output tokens."""
        return self.input_tokens + self.output_tokens

    @property
    def usage(self) -> Usage:
        """Totals as the contract shows them."""
        cost = round(self.cost_usd, 6) if self.priced else None
        return Usage(input_tokens=self.input_tokens, output_tokens=self.output_tokens, cost_usd=cost)

    def plus(self, other: "Spent") -> "Spent":
        """Both together; `context` is this one's."""
        return Spent(
            turns=self.turns + other.turns,
            tool_calls=self.tool_calls + other.tool_calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
            priced=self.priced and other.priced,
            context=self.context,
        )

    def reserve(self, limits: Limits, price: Price | None, new: int, wanted: int) -> Allowance:
        """Output tokens the next model call may use: `wanted`, or fewer where a limit is near, or none.

        `new` are tokens of what the provider has not counted yet.
        """
        if self.turns >= limits.turns:
            return Allowance(0, StopReason.TURN_LIMIT)
        expected_input = self.context + new
        options = [
            Allowance(wanted, StopReason.OUTPUT_LIMIT),
            Allowance(limits.tokens - self.tokens - expected_input, StopReason.TOKEN_LIMIT),
        ]
        if limits.cost_usd is not None and price is not None:
            money = limits.cost_usd - self.cost_usd - price.cost(TokenUsage(input=expected_input))
            options.append(Allowance(price.output_tokens_for(money), StopReason.COST_LIMIT))
        return min(options, key=lambda option: option.tokens)

    def settle(self, usage: TokenUsage, cost_usd: float | None) -> None:
        """Count one model call."""
        self.turns += 1
        self.input_tokens += usage.input
        self.output_tokens += usage.output
        self.context = usage.input + usage.output
        self._pay(cost_usd)

    def settle_extra(self, usage: TokenUsage, cost_usd: float | None) -> None:
        """Count a model call that is not a turn: a summary."""
        self.input_tokens += usage.input
        self.output_tokens += usage.output
        self._pay(cost_usd)

    def settle_child(self, usage: Usage, tool_calls: int) -> None:
        """Count what a child run used."""
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.tool_calls += tool_calls
        self._pay(usage.cost_usd)

    def _pay(self, cost_usd: float | None) -> None:
        if cost_usd is None:
            self.priced = False
        else:
            self.cost_usd += cost_usd
