"""Finds the conversation that a transcript reference names: in this process, else by query from the run itself."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import activity
from temporalio.client import Client, RPCError, WorkflowHandle, WorkflowQueryFailedError, WorkflowQueryRejectedError

from perdure.domain.control import PageRequest
from perdure.domain.errors import TranscriptUnavailable
from perdure.domain.messages import MessagePage, TranscriptRef
from perdure.domain.ports import Conversation
from perdure.domain.run import ModelRequest, Setup
from perdure.domain.transcript import Transcript

__all__ = ["MAX_CHARACTERS", "Conversations"]

T = TypeVar("T")

MAX_CHARACTERS = 200_000_000
QUERY_TIMEOUT = timedelta(seconds=20)
"""Longer than the sticky timeout of the worker: after a kill the first query waits for that."""
PAGE = 1_000


@dataclass
class Known:
    """What this process remembers of one run; `wire` belongs to the provider adapters."""

    setup: Setup
    transcript: Transcript = field(default_factory=Transcript)
    wire: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        """Measure the setup, which never changes."""
        self._own = len(self.setup.wire_json())

    @property
    def size(self) -> int:
        """Characters of JSON that this run holds in memory, its setup included."""
        return self._own + self.transcript.size


class Conversations:
    """Conversations of recent runs, the least recently used forgotten first; nothing is lost by forgetting."""

    def __init__(self, client: Client, max_characters: int = MAX_CHARACTERS) -> None:
        """Remember at most about `max_characters` of message JSON."""
        self._client = client
        self._max = max_characters
        self._known: OrderedDict[str, Known] = OrderedDict()

    def remember(self, run_id: str, setup: Setup) -> None:
        """Keep the setup of a run that was prepared in this process."""
        self._known[run_id] = Known(setup)
        self._forget()

    async def find(self, request: ModelRequest) -> tuple[Setup, Conversation]:
        """Setup and conversation for a model call of the current activity's run.

        Raises TranscriptUnavailable when the run cannot be asked just now, or answers with other messages than the
        request means (its digest proves the difference).
        """
        info = activity.info()
        run_id = info.workflow_run_id or ""
        handle = self._client.get_workflow_handle(info.workflow_id or "", run_id=run_id)
        known = self._known.get(run_id)
        if known is None:
            known = Known(await _ask(handle, "setup", None, Setup))
            self._known[run_id] = known
        self._known.move_to_end(run_id)
        if not _advance(known, request):
            await _read(handle, known, request.transcript)
        self._forget()
        return known.setup, Conversation(messages=known.transcript.messages, wire=known.wire)

    def _forget(self) -> None:
        while len(self._known) > 1 and sum(known.size for known in self._known.values()) > self._max:
            self._known.popitem(last=False)


def _advance(known: Known, request: ModelRequest) -> bool:
    """Bring the remembered transcript to the reference with the messages of the request; False: it does not fit."""
    transcript, base = known.transcript, request.transcript.length - len(request.new)
    if len(transcript) < base:
        return False
    if len(transcript) > base:
        if transcript.holds(request.transcript):
            _cut(known, request.transcript.length)
            return True
        _cut(known, base)
    transcript.extend(request.new)
    if transcript.ref == request.transcript:
        return True
    _cut(known, 0)
    return False


async def _read(handle: "WorkflowHandle[Any, Any]", known: Known, ref: TranscriptRef) -> None:
    """Read what is missing from the run, page by page; once more from the start if the digest differs."""
    for start in (len(known.transcript), 0):
        _cut(known, start)
        while len(known.transcript) < ref.length:
            page = PageRequest(offset=len(known.transcript), limit=min(PAGE, ref.length - len(known.transcript)))
            answer = await _ask(handle, "transcript", page, MessagePage)
            if not answer.messages:
                break
            known.transcript.extend(answer.messages)
        if known.transcript.ref == ref:
            return
    _cut(known, 0)
    msg = "the run's transcript is not the one this call was made for"
    raise TranscriptUnavailable(msg)


def _cut(known: Known, length: int) -> None:
    if length < len(known.transcript):
        known.transcript.truncate(length)
        known.wire.clear()


async def _ask(handle: "WorkflowHandle[Any, Any]", query: str, argument: object, kind: type[T]) -> T:
    args = [] if argument is None else [argument]
    try:
        return await handle.query(query, args=args, result_type=kind, rpc_timeout=QUERY_TIMEOUT)
    except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        msg = f"the run cannot be asked for its {query} just now: {error}"
        raise TranscriptUnavailable(msg) from error
