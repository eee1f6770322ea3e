"""What a run streams to readers: text as it is written, tools at work, requests, budget and children."""

from datetime import datetime
from typing import Literal

from perdure.domain.model import Compact, JsonObject

__all__ = ["EventKind", "StreamEvent"]

EventKind = Literal[
    "segment.start",
    "text",
    "segment.reset",
    "segment.end",
    "tool.start",
    "tool.progress",
    "tool.end",
    "request",
    "decision",
    "control",
    "state",
    "budget",
    "child",
    "end",
]
"""`segment.*` and `text` are one answer of the model: a reset means that an attempt was lost and the text of this
segment so far is void. `tool.*` is one call. All others tell what happened in the run."""


class StreamEvent(Compact, frozen=True):
    """One event of a run, over all runs of its chain.

    `segment` names the answer (`turn-<n>`) or call (`call-<n>`) it belongs to, `epoch` the attempt, from 1. `key` is
    set on events that may be published twice: a reader shows one of each. `offset` is set by the reader: the place
    right behind the event in the stream, from which to go on (`Last-Event-ID`).
    """

    kind: EventKind
    at: datetime
    segment: str = ""
    epoch: int = 0
    text: str = ""
    data: JsonObject = {}
    key: str = ""
    offset: str = ""
