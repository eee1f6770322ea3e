"""One attempt at a tool call as readers see it: begun, its progress, ended."""

from activities.answering import now, written
from perdure.domain.events import EventKind, StreamEvent
from perdure.domain.model import JsonObject, canonical_json
from perdure.domain.tools import CallOutcome, ToolCall
from perdure.streams.ports import Events

__all__ = ["CallAtWork"]

MAX_ARGUMENTS = 4_000
"""Characters of JSON up to which readers see the arguments."""
MAX_RESULT = 2_000
"""Characters of a result that readers see."""


class CallAtWork:
    """An attempt at a call; `outcome` is set when there is one."""

    def __init__(self, events: Events, workflow_id: str, call: ToolCall, attempt: int) -> None:
        """Tell of this attempt (from 1)."""
        self.outcome: CallOutcome | None = None
        self._events = events
        self._workflow_id = workflow_id
        self._call = call
        self._attempt = attempt

    def begin(self) -> None:
        """Say that the tool is at work."""
        call = self._call
        small = len(canonical_json(call.arguments)) <= MAX_ARGUMENTS
        about: JsonObject = {"number": call.number, "tool": call.tool, "key": call.key}
        self._put("tool.start", data={**about, "arguments": call.arguments} if small else about, urgent=True)

    def progress(self, words: str) -> None:
        """Tell what the tool says of itself."""
        self._put("tool.progress", words, {"tool": self._call.tool})

    async def end(self) -> None:
        """Tell how it ended; returns when this is written or dropped."""
        if self.outcome is not None:
            found = self.outcome
            about: JsonObject = {"number": self._call.number, "tool": self._call.tool, "error": found.error}
            size = found.size or len(found.text)
            about |= {"size": size} if size > MAX_RESULT else {}
            about |= {"unknown": True} if found.unknown else {}
            self._put("tool.end", found.text[:MAX_RESULT], about)
        await written(self._events, self._workflow_id)

    def _put(self, kind: EventKind, text: str = "", data: JsonObject | None = None, *, urgent: bool = False) -> None:
        event = StreamEvent(
            kind=kind,
            at=now(),
            segment=f"call-{self._call.number}",
            epoch=self._attempt,
            text=text,
            data=data or {},
        )
        self._events.put(self._workflow_id, event, urgent=urgent)
