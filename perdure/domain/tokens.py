"""How many tokens text has, learned from the provider's own reports: estimates for what it has not counted yet."""

from typing import Self

from perdure.domain.model import Compact

__all__ = ["LEAST", "MOST", "Calibration"]

LEAST, MOST = 1.5, 8.0
"""Characters per token that an estimate may assume: what no plain text leaves, so that one odd report does no harm."""
MIN_SAMPLE = 20
"""Tokens. Smaller differences say more about the provider's framing than about the text."""


class Calibration(Compact, frozen=True):
    """Characters of message JSON per token of one conversation: 4 until a report says otherwise.

    `characters` and `tokens` are sums over the reports so far, of which each new one keeps three quarters: large
    reports weigh more than small ones, recent ones more than old ones. `seen_characters` and `seen_tokens` are what
    the last model call was sent and what the provider counted for it. Integers only, so that a replay and a
    continuation compute the same.
    """

    characters: int = 400
    tokens: int = 100
    seen_characters: int = 0
    seen_tokens: int = 0

    @property
    def ratio(self) -> float:
        """Characters per token, between `LEAST` and `MOST`."""
        return min(max(self.characters / self.tokens, LEAST), MOST)

    def estimate(self, characters: int) -> int:
        """Tokens of that many characters of message JSON, rounded up."""
        return int(-(-max(characters, 0) // self.ratio))

    def fitting(self, tokens: int) -> int:
        """Characters of message JSON that so many tokens hold."""
        return int(max(tokens, 0) * self.ratio)

    def reported(self, characters: int, tokens: int) -> Self:
        """Learn from a model call: characters of message JSON it was sent, input tokens the provider counted.

        Only the difference to the call before is used: instructions and tools are in both. A conversation that became
        shorter tells nothing until the next call.
        """
        more, counted = characters - self.seen_characters, tokens - self.seen_tokens
        known = self.seen_tokens > 0 and more > 0 and counted >= MIN_SAMPLE
        learned = self.learn(more, counted) if known else self
        return learned.model_copy(update={"seen_characters": characters, "seen_tokens": tokens})

    def restarted(self) -> Self:
        """Compare no more with the call before: messages have left the conversation, or it has other tools now."""
        return self.model_copy(update={"seen_characters": 0, "seen_tokens": 0})

    def learn(self, characters: int, tokens: int) -> Self:
        """Take in that so many characters were so many tokens; counts that cannot be true are bounded first."""
        if characters <= 0 or tokens <= 0:
            return self
        bounded = int(min(max(tokens, characters / MOST), characters / LEAST)) or 1
        return self.model_copy(
            update={
                "characters": self.characters * 3 // 4 + characters,
                "tokens": max(self.tokens * 3 // 4 + bounded, 1),
            }
        )
