"""The activity `context.compact`: makes the model's view of a conversation smaller and says what was left out."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from activities.conversations import Known
from activities.failures import defect, to_application_error
from activities.heartbeat import heartbeating
from activities.llm import Resolver
from activities.summaries import Summariser, Summary, SummaryTask
from perdure.domain.compaction import Selection, Visible, select
from perdure.domain.context import Compaction, CompactRequest, ContextBudget, budget_for
from perdure.domain.errors import PerdureError
from perdure.domain.messages import Message, TranscriptRef, UserMessage
from perdure.domain.ports import Blobs
from perdure.domain.receipts import MAX_EXCERPT, RECEIPT_SIZE, Receipt, compacted, excerpt
from perdure.domain.run import Setup
from perdure.domain.summary import MAX_SUMMARY

__all__ = ["ContextActivities", "Finder"]

MAX_PROBLEM = 1_000
"""Characters of what is said of a missing summary."""
MIN_SUMMARY = 200
"""Characters. With less room than this a summary says nothing that is worth a model call."""
READER = "read_blob"
ADDRESS = "0" * 40


class Finder(Protocol):
    """Finds the conversation that a reference names."""

    async def find(self, transcript: TranscriptRef, new: tuple[Message, ...], basis: str, /) -> Known:
        """Return it, `new` being its last messages where the caller has them; raises TranscriptUnavailable."""
        ...


@dataclass(frozen=True)
class _Plan:
    """What is to leave, and the words for it. `limit` is the room for a summary in characters, 0 for none."""

    visible: Visible
    selection: Selection
    receipt: Receipt
    beginnings: str
    limit: int


class ContextActivities:
    """Compactions of a worker."""

    def __init__(
        self,
        providers: Resolver,
        conversations: Finder,
        blobs: Blobs,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Summarise with these providers, read from this cache, store what leaves here."""
        self._summariser = Summariser(providers)
        self._conversations = conversations
        self._blobs = blobs
        self._jitter = jitter

    @activity.defn(name="context.compact")
    async def compact(self, request: CompactRequest) -> Compaction:
        """Select what leaves, store it, summarise it if wanted. What passes by itself fails retryably."""
        attempt = activity.info().attempt
        try:
            async with heartbeating():
                return await self._compact(request, attempt)
        except PerdureError as error:
            raise to_application_error(error, attempt, self._jitter) from None
        except Exception as error:
            raise defect(error, attempt) from error

    async def _compact(self, request: CompactRequest, attempt: int) -> Compaction:
        known = await self._conversations.find(request.transcript, (), request.basis)
        setup, length = known.setup, request.transcript.length
        messages, numbers = tuple(known.transcript.messages[:length]), known.view.indices(length)
        budget = setup.context or budget_for(setup.settings, None)
        # In a thread: a conversation may have megabytes, and heartbeats must go on meanwhile.
        plan = await asyncio.to_thread(_plan, messages, numbers, request, setup, budget)
        before = plan.visible.size
        without = plan.receipt.text(ADDRESS, beginnings=plan.beginnings)
        if not plan.selection.leaving or _apply(plan, without, request).after >= before:
            return Compaction(before=before, after=before, cost_usd=_cost(setup, Summary()))
        # Stored first: a summary that must be tried again then finds it stored already.
        jsons = [plan.visible.jsons[place] for place in plan.selection.leaving]
        address = await self._blobs.put(f"[{','.join(jsons)}]".encode())
        summary = await self._summary(plan, request, setup, budget, attempt) if plan.limit else Summary()
        text = plan.receipt.text(address, summary=summary.text, beginnings=plan.beginnings)
        result = _apply(plan, text, request)
        if result.after >= before:  # the summary took more room than was gained
            result = _apply(plan, plan.receipt.text(address, beginnings=plan.beginnings), request)
        return result.model_copy(
            update={
                "blob": address,
                "usage": summary.usage,
                "cost_usd": _cost(setup, summary),
                "problem": summary.problem[:MAX_PROBLEM],
            }
        )

    async def _summary(
        self, plan: _Plan, request: CompactRequest, setup: Setup, budget: ContextBudget, attempt: int
    ) -> Summary:
        visible, selection = plan.visible, plan.selection
        goal = None if selection.goal is None else visible.messages[selection.goal]
        return await self._summariser.summarise(
            SummaryTask(
                model=setup.model,
                messages=[visible.messages[place] for place in selection.leaving],
                numbers=[visible.numbers[place] for place in selection.leaving],
                goal=goal.text if isinstance(goal, UserMessage) else "",
                window=budget.window,
                limit=plan.limit,
                turn=request.turn,
                attempt=attempt,
            )
        )


def _plan(
    messages: Sequence[Message],
    numbers: Sequence[int],
    request: CompactRequest,
    setup: Setup,
    budget: ContextBudget,
) -> _Plan:
    """Select so that receipt and summary fit into the target too."""
    visible = Visible(messages, [each.model_dump_json(exclude_defaults=True) for each in messages], numbers)
    limit = min(MAX_SUMMARY, request.target // 4) if budget.strategy == "summarise" else 0
    target, room = request.target - RECEIPT_SIZE - limit, min(MAX_EXCERPT, request.target // 4)
    selection = select(visible, target, budget.strategy, budget.keep_turns)
    if request.overflowed and visible.size_of(selection.staying) > target:
        selection = select(visible, target - room, budget.strategy, budget.keep_turns, overflowed=True)
    limit = min(limit, visible.size_of(selection.leaving) // 2)
    limit = limit if limit >= MIN_SUMMARY else 0
    tool = READER if any(spec.name == READER for spec in setup.tools) else ""
    leaving = [messages[place] for place in selection.leaving]
    return _Plan(
        visible=visible,
        selection=selection,
        receipt=Receipt(visible, selection, budget.strategy, tool=tool),
        beginnings=excerpt(leaving[_newest(leaving) :], room) if selection.turn_left else "",
        limit=limit,
    )


def _newest(messages: Sequence[Message]) -> int:
    """Place of the last answer of the model."""
    return max((place for place, message in enumerate(messages) if message.kind == "assistant"), default=0)


def _apply(plan: _Plan, text: str, request: CompactRequest) -> Compaction:
    view, reference, after = compacted(plan.visible, plan.selection, text, request.total)
    return Compaction(view=view, reference=reference, receipt=text, before=plan.visible.size, after=after)


def _cost(setup: Setup, summary: Summary) -> float | None:
    return None if setup.price is None else setup.price.cost(summary.usage)
