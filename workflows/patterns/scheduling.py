"""Runs tasks that need each other: each begins in the workflow task in which the last that it needs has ended."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from temporalio import workflow

from perdure.domain.patterns.graph import Frontier, Node, Skipped
from perdure.domain.patterns.steps import Done

__all__ = ["Turn", "schedule"]


class Turn(NamedTuple):
    """The turn of a task: what those it needs came to, and into how many parts the free budget is to be divided."""

    id: str
    needed: Mapping[str, Done]
    parts: int


async def schedule(
    nodes: Mapping[str, Node],
    run_one: Callable[[Turn], Awaitable[Done]],
    at_once: int,
    ended: Callable[[str, Done | Skipped], None] = lambda _name, _end: None,
) -> dict[str, Done | Skipped]:
    """Run every task of a graph without mistakes, at most `at_once` at a time; the answer is in the order of `nodes`.

    `run_one` runs one (`team.ask(step, turn.parts)`); a failure is data. A task that needs a failed one, directly or
    not, is not run. `ended` hears of each end at once. What `run_one` raises is raised when the tasks at work have
    ended, and no other begins.
    """
    frontier, found = Frontier(nodes.values()), dict[str, Done | Skipped]()
    done: dict[str, Done] = {}
    running, broken = 0, False

    async def one(name: str) -> None:
        nonlocal running, broken
        parts = max(1, min(at_once - running, frontier.waiting + 1))
        running += 1
        try:
            end = await run_one(Turn(name, {need: done[need] for need in nodes[name].needs}, parts))
        except BaseException:
            broken = True
            raise
        running -= 1
        found[name] = done[name] = end
        ended(name, end)
        for skipped in frontier.ended(name, success=end.success):
            found[skipped.id] = skipped
            ended(skipped.id, skipped)

    async def work() -> None:
        while True:
            await workflow.wait_condition(lambda: broken or frontier.has_ready or frontier.waiting == 0)
            name = None if broken else frontier.take()
            if name is not None:
                await one(name)
            elif broken or frontier.waiting == 0:
                return

    workers = [asyncio.create_task(work()) for _ in range(min(at_once, len(nodes)))]
    # All, also when one raises: no child is left behind unheard.
    for outcome in await asyncio.gather(*workers, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
    return {name: found[name] for name in nodes}
