"""Runs coroutines side by side and leaves none behind when one of them ends the run."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from workflows.control import RolloverError, RunEndedError

__all__ = ["together"]


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all; when one ends the run the others are cancelled first, so that nothing stays open behind it.

    When the run continues as new all of them are told, each keeps its place.
    """
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    except RunEndedError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    except RolloverError:
        found = await asyncio.gather(*tasks, return_exceptions=True)
        ended = next((one for one in found if isinstance(one, RunEndedError)), None)
        if ended is not None:  # an end outranks a rollover: nobody would raise it again in the next run
            raise ended from None
        raise
