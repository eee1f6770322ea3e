"""One answer of the model as readers see it: begun, text piece by piece, ended; a lost attempt before it is void."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from perdure.domain.events import EventKind, StreamEvent
from perdure.domain.model import JsonObject
from perdure.domain.run import ModelReply
from perdure.streams.lines import mended
from perdure.streams.ports import Events

__all__ = ["MAX_TEXT", "Answer", "now", "written"]

MAX_TEXT = 256 * 1024
"""Characters of an answer that come whole with its end; of longer ones it has the beginning and says so."""


def now() -> datetime:
    """Time of an event."""
    return datetime.now(UTC)


async def written(events: Events, workflow_id: str) -> None:
    """Return when events are written. A cancellation ends the wait, and not the attempt, which has its result."""
    with suppress(asyncio.CancelledError):
        await events.flush(workflow_id)


class Answer:
    """The answer of one attempt at a turn. `say` may get halves of characters, which it joins."""

    def __init__(  # noqa: PLR0913, PLR0917 - what names an attempt, and where it is told
        self,
        events: Events,
        workflow_id: str,
        run_id: str,
        turn: int,
        epoch: int,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """Tell of the answer to turn `turn` (from 1), attempt `epoch` (from 1)."""
        self._events = events
        self._workflow_id = workflow_id
        self._run_id = run_id
        self._turn = turn
        self._epoch = epoch
        self._clock = clock
        self._pieces: list[str] = []
        self._half = ""

    @property
    def text(self) -> str:
        """What was said so far."""
        return mended("".join(self._pieces))

    def begin(self, model: str) -> None:
        """Say that the model is being asked, and that what an earlier attempt said is void."""
        about: JsonObject = {"turn": self._turn, "model": model, "run_id": self._run_id}
        if self._epoch > 1:
            self._put("segment.reset", data={"run_id": self._run_id})
        self._put("segment.start", data=about)

    def say(self, piece: str) -> None:
        """Tell a piece; the first one at once."""
        first = not self._pieces
        self._pieces.append(piece)
        whole = self._half + piece
        self._half = whole[-1:] if "\ud800" <= whole[-1:] <= "\udbff" else ""
        if told := mended(whole[: len(whole) - len(self._half)]):
            self._put("text", told, urgent=first)

    async def end(self, reply: ModelReply) -> None:
        """Tell how it ended, with its text, and what it cost; returns when this is written or dropped."""
        text = reply.message.text
        about: JsonObject = {"stop": reply.stop, "run_id": self._run_id, "calls": len(reply.message.calls)}
        if reply.stop == "interrupted":
            about["interrupted"] = True
        if reply.problem:
            about["problem"] = reply.problem
        if len(text) > MAX_TEXT:
            about |= {"cut": True, "size": len(text)}
        self._put("segment.end", text[:MAX_TEXT], about)
        used: JsonObject = {
            "turn": self._turn,
            "input_tokens": reply.usage.input,
            "output_tokens": reply.usage.output,
            "cost_usd": reply.cost_usd,
        }
        self._put("budget", data=used, key=f"budget-{self._run_id}-{self._turn}-{self._epoch}")
        await written(self._events, self._workflow_id)

    def _put(
        self, kind: EventKind, text: str = "", data: JsonObject | None = None, *, key: str = "", urgent: bool = False
    ) -> None:
        event = StreamEvent(
            kind=kind,
            at=self._clock(),
            segment=f"turn-{self._turn}",
            epoch=self._epoch,
            text=text,
            data=data or {},
            key=key,
        )
        self._events.put(self._workflow_id, event, urgent=urgent)
