"""Text of a run's answers on a terminal, piece by piece, as the run's stream brings it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

from perdure.cli.listeners import Listener, Person, listener_for
from perdure.cli.output import Output, clean
from perdure.cli.session import Session
from perdure.domain.errors import PerdureError
from perdure.domain.events import StreamEvent
from perdure.domain.messages import Message
from perdure.streams import Texts, streams_from

__all__ = ["LivePerson", "listening"]

LOST = "  (this attempt was lost; the answer begins anew)"


class LivePerson(Person):
    """Reads along as Person does, and sees the run's own answers grow: what was shown so is not shown again."""

    def __init__(self, out: Output) -> None:
        """Write there."""
        super().__init__(out)
        self._texts = Texts()
        self._segment = ""
        """The answer that grows, from its beginning on; empty: none."""
        self._shown = ""
        self._whole: list[str] = []
        """Answers that are on the screen, and not yet in the conversation as far as it was looked at."""

    def hear(self, event: StreamEvent) -> None:
        """Show what an event adds to the answer, or begin with the next one."""
        if not self._texts.apply(event):
            return
        if event.kind == "segment.start":
            self._whole += [self._shown] if self._shown else []
            self._segment, self._shown = event.segment, ""
        elif event.kind == "segment.reset" and event.segment in {self._segment, ""}:
            if self._shown:
                self._out.dim(LOST)
            self._segment, self._shown = "", ""
        elif event.kind == "text" and event.segment == self._segment:
            self._release()
            self._shown += event.text
            self._out.piece(clean(event.text))

    def message(self, workflow_id: str, label: str, message: Message) -> None:
        """See Listener: of an answer that is on the screen only what is missing, and its calls."""
        if label or message.kind != "assistant" or not self._is_shown(message.text):
            super().message(workflow_id, label, message)
            return
        self._out.shown = "" if message.calls else message.text
        if message.calls:
            super().message(workflow_id, label, message.model_copy(update={"content": message.calls}))

    def _is_shown(self, text: str) -> bool:
        """Whether an answer is on the screen; the one that grows is shown to its end."""
        if text in self._whole:
            self._whole.remove(text)
            return True
        if not self._shown or not text.startswith(self._shown):
            return False
        self._out.piece(clean(text[len(self._shown) :]))
        self._segment, self._shown = "", ""
        return True


@asynccontextmanager
async def listening(session: Session, workflow_id: str) -> AsyncGenerator[Listener]:
    """Whoever hears what happens in a run, for the length of a block; at a terminal they see text as it is written."""
    out = session.cli.out
    if not out.is_live:
        yield listener_for(out)
        return
    person = LivePerson(out)
    hearing = asyncio.create_task(_hear(session, workflow_id, person))
    try:
        yield person
    finally:
        hearing.cancel()
        await asyncio.wait([hearing])


async def _hear(session: Session, workflow_id: str, person: LivePerson) -> None:
    """Tell the person what the run streams from now on; without a stream they still have the conversation."""
    try:
        streams = streams_from(session.settings)
        try:
            async with aclosing(streams.follow(workflow_id, await streams.end(workflow_id))) as events:
                async for event in events:
                    person.hear(event)
        finally:
            await streams.close()
    except PerdureError as error:
        session.cli.out.note(f"text is shown when it is whole: {clean(error.message)}")
