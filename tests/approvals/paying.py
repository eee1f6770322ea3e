"""A payment for the kill test of approvals: it has a read-back, and stays where a plan of files says so.

CHAOS_LOG and CHAOS_PLAN are as in `tests.chaos.tools`; at `before` and `after` the payment waits to be killed.
"""

import asyncio
import os
import threading
from pathlib import Path

from perdure.tools import NotHappened, tool
from tests.chaos.looking import effects_of
from tests.chaos.tools import ANSWERED, die, note, planned

__all__ = ["paid", "pay"]


async def paid(key: str) -> str:
    """Look into the log of effects for the payment with this key."""
    found = await asyncio.to_thread(effects_of, Path(os.environ["CHAOS_LOG"]))
    if not any(line["key"] == key for line in found):
        raise NotHappened
    return "paid"


@tool(effect="once", timeout=8, verify=paid)
async def pay(n: int) -> str:
    """Pay an amount."""
    await stay(n, "before")
    note("effect", "pay", n)
    await stay(n, "after")
    if planned("pay", n, "answered"):
        threading.Timer(ANSWERED, die).start()
    return "paid"


async def stay(n: int, point: str) -> None:
    """Go no further, where that is planned."""
    if planned("pay", n, point):
        note(point, "pay", n)
        await asyncio.Event().wait()
