"""Keeps the conversation within the model's window: decides when it is made smaller and takes what came of it."""

import math

from perdure.domain.context import CompactRequest
from perdure.domain.messages import SystemMessage
from perdure.domain.tokens import LEAST
from workflows import calls
from workflows.run import AgentRun

__all__ = ["at_most", "fit", "make_room"]

CHARACTERS_PER_TOKEN = 4
"""For runs that began before estimates were calibrated."""
GROWTH = 1.1
"""How much a conversation of which nothing could be left out must have grown before it is tried again."""


def expected(run: AgentRun) -> int:
    """Tokens of the messages that the provider has not counted yet; its own answers it has."""
    size = run.unsent + run.log.size_since(run.sent, but="assistant")
    return size // CHARACTERS_PER_TOKEN if run.setup.context is None else run.calibration.estimate(size)


def at_most(run: AgentRun) -> int:
    """Input tokens of the next model call beyond those that the provider has counted.

    An estimate where the limit is the run's own. A run on a lease has a share of somebody else's limit, which it must
    not exceed: there as many are assumed as no plain text has, and before the first call instructions, tools and
    schema with them.
    """
    head = run.setup.head
    if head is None or run.given.lineage is None:
        return expected(run)
    size = run.unsent + run.log.size_since(run.sent, but="assistant")
    return math.ceil((size if run.spent.context else size + head) / LEAST)


async def make_room(run: AgentRun) -> None:
    """Bring the conversation within its budget; what even then cannot fit the window is not sent as it is."""
    budget = run.setup.context
    if await fit(run) and budget is not None:
        size = run.calibration.estimate(run.log.characters)
        if size > budget.window - budget.output_reserve:
            await fit(run, overflowed=True)


async def fit(run: AgentRun, *, overflowed: bool = False) -> bool:
    """Make the conversation smaller when it has outgrown its budget, or the provider said so; says whether it was.

    Half of the budget is aimed at, so that the next compaction is far away. One that saves nothing is not repeated
    until the conversation has grown.
    """
    budget, log = run.setup.context, run.log
    if budget is None or (budget.strategy == "summarise" and not _pays_for_summary(run)):
        return False
    total = run.spent.context + expected(run)
    over = (
        run.calibration.estimate(log.characters) > budget.conversation or total > budget.window - budget.output_reserve
    )
    if not (over or overflowed) or (log.characters < run.stuck * GROWTH and not overflowed):
        return False
    aim = run.calibration.fitting(budget.conversation // 2)
    request = CompactRequest(
        transcript=log.ref,
        basis=run.basis.name,
        target=min(aim, log.characters // 2) if overflowed else aim,
        total=len(log),
        turn=run.total.turns,
        overflowed=overflowed,
    )
    left = run.time_left()
    found = await calls.compact(run.control, request, left if left < calls.MODEL_CALL else None)
    run.spent.settle_extra(found.usage, found.cost_usd)
    if found.problem:
        run.notice("context.problem", found.problem)
    if not found.receipt:
        run.stuck = log.characters
        return False
    run.stuck = 0
    run.edition += 1
    log.compacted(SystemMessage(text=found.receipt), found)
    run.calibration = run.calibration.restarted()
    run.sent, run.unsent = len(log), 0
    saved = run.calibration.estimate(found.before - found.after)
    run.spent.context = max(total - saved, run.calibration.estimate(found.after))
    run.notice("context.compacted", f"{found.before} characters became {found.after}; the rest is in blob:{found.blob}")
    return True


def _pays_for_summary(run: AgentRun) -> bool:
    """Whether a run on a lease has enough left to have its conversation summarised: that is a model call too."""
    if run.setup.head is None or run.given.lineage is None:
        return True
    return run.setup.limits.tokens - run.spent.tokens > 2 * math.ceil(run.log.characters / LEAST)
