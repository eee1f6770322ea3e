"""Asks the model for the summary of what leaves its conversation, piece by piece where it does not fit at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from activities.llm import Resolver
from perdure.domain.errors import AuthenticationFailed, ContextOverflow, KeyMissing, PerdureError, Waitable
from perdure.domain.messages import Message, UserMessage
from perdure.domain.ports import Conversation, ProviderRequest, TokenUsage
from perdure.domain.receipts import bounded
from perdure.domain.summary import INSTRUCTIONS, pieces, question

__all__ = ["MAX_CALLS", "Summariser", "Summary", "SummaryTask"]

MAX_CALLS = 8
"""Model calls for one summary: pieces are made larger or messages shown shorter before there are more."""
MAX_SHRINKS = 4
"""How often pieces that the provider calls too long are made smaller."""
OUTPUT_TOKENS = 4_000
"""For the words of a summary, and for what a reasoning model thinks before them."""
PATIENCE = 4
"""Attempts of the activity after which a provider that is down counts as failed; there are more, for lost workers."""
LONG_WAIT = 30.0
"""Seconds. A provider that wants to be left alone for longer is not waited for."""


@dataclass(frozen=True)
class SummaryTask:
    """What is to be summarised, by which model; `window` is in tokens, `limit` in characters of the summary."""

    model: str
    messages: Sequence[Message]
    numbers: Sequence[int]
    goal: str
    window: int
    limit: int
    turn: int
    attempt: int


@dataclass
class Summary:
    """The summary, or why there is none (`problem`), and what was used for it in all."""

    text: str = ""
    problem: str = ""
    usage: TokenUsage = field(default_factory=TokenUsage)

    def spend(self, usage: TokenUsage) -> None:
        """Add what one call used."""
        both = {name: getattr(self.usage, name) + getattr(usage, name) for name in TokenUsage.model_fields}
        self.usage = TokenUsage(**both)


class Summariser:
    """Summaries by the models of these providers."""

    def __init__(self, providers: Resolver) -> None:
        """Use these providers."""
        self._providers = providers

    async def summarise(self, task: SummaryTask) -> Summary:
        """The summary, or the problem where there is none to be had.

        Raises a Waitable error while the provider may soon come back: the attempt is then to be repeated.
        """
        found = Summary()
        try:
            await self._try_rooms(task, found)
        except Waitable as error:
            if task.attempt < PATIENCE and (error.retry_after or 0) <= LONG_WAIT:
                raise
            found.problem = f"{error.code}: {error.message}"
        except PerdureError as error:
            found.problem = f"{error.code}: {error.message}"
        return found

    async def _try_rooms(self, task: SummaryTask, found: Summary) -> None:
        """Begin with pieces of half a window, at three characters per token, and take smaller ones if need be."""
        room = task.window * 3 // 2
        for _ in range(MAX_SHRINKS):
            parts = await asyncio.to_thread(pieces, task.messages, task.numbers, room, MAX_CALLS)
            try:
                await self._read(task, parts, found)
            except ContextOverflow:
                room = max(map(len, parts)) // 3
            else:
                return
        found.problem = "the model's window is too small for the summary"

    async def _read(self, task: SummaryTask, parts: Sequence[str], found: Summary) -> None:
        provider, model = await asyncio.to_thread(self._providers.resolve, task.model)
        try:
            provider.check(model)
        except AuthenticationFailed as error:  # not the run's fault: it was prepared where there was a key
            raise KeyMissing(error.message) from error
        so_far = ""
        for part in parts:
            text = question(task.goal, so_far, part, task.limit * 4 // 5)
            call = ProviderRequest(
                model=model,
                instructions=INSTRUCTIONS,
                conversation=Conversation((UserMessage(text=text),)),
                max_output_tokens=min(OUTPUT_TOKENS, task.window // 4),
                attempt=task.attempt,
                turn=task.turn,
                purpose="summary",
            )
            reply = await provider.reply(call, _nothing)
            found.spend(reply.usage)
            so_far = bounded(reply.message.text.strip(), task.limit)
            if reply.stop == "refused" or not so_far:
                found.problem = f"the model gave no summary ({reply.stop})"
                return
        found.text = so_far
        found.problem = "" if parts else "there is too much to summarise in one go"


def _nothing(_piece: str) -> None:
    """Nobody reads a summary along."""
