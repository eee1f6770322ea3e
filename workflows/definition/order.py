"""In which order things are done: at most so many side by side, or each as soon as what it needs is done."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

__all__ = ["by_needs", "side_by_side"]

One = Callable[[str, int], Awaitable[bool]]
"""Does one of them, in the second argument's part of the budget; says whether others may still begin."""


async def side_by_side(names: Sequence[str], do: One, at_once: int) -> None:
    """Do all, at most `at_once` at a time, in order; none begins after one that says so."""
    rest, going = list(names), True

    async def work() -> None:
        nonlocal going
        while rest and going:
            name = rest.pop(0)
            going = await do(name, min(at_once, len(rest) + 1)) and going

    await _all([asyncio.create_task(work()) for _ in range(min(at_once, len(names)))])


async def by_needs(needs: Mapping[str, Sequence[str]], do: One, at_once: int) -> None:
    """Do each as soon as all that it needs are done, at most `at_once` at a time; none begins after one says so."""
    done = {name: asyncio.Event() for name in needs}
    slots, waiting, going = asyncio.Semaphore(at_once), len(needs), True

    async def one(name: str) -> None:
        nonlocal waiting, going
        for need in needs[name]:
            if need in done:
                await done[need].wait()
        async with slots:
            waiting -= 1
            try:
                if going:
                    going = await do(name, min(at_once, waiting + 1)) and going
            except BaseException:
                going = False
                raise
            finally:
                done[name].set()

    await _all([asyncio.create_task(one(name)) for name in needs])


async def _all(tasks: "Sequence[asyncio.Task[None]]") -> None:
    """Wait for all, also when one of them says that the run ends: nothing is left behind at work."""
    for one in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(one, BaseException):
            raise one
