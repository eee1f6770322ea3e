"""Finds the conversation that a transcript reference names: in this process, else by query from the run itself."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import activity
from temporalio.client import Client, RPCError, WorkflowHandle, WorkflowQueryFailedError, WorkflowQueryRejectedError

from perdure.domain.context import View
from perdure.domain.control import PageRequest
from perdure.domain.errors import TranscriptUnavailable
from perdure.domain.messages import Message, StoredMessages, TranscriptRef
from perdure.domain.run import Basis, Setup
from perdure.domain.transcript import Transcript

__all__ = ["MAX_CHARACTERS", "Conversations", "Known", "ask"]

T = TypeVar("T")

MAX_CHARACTERS = 200_000_000
QUERY_TIMEOUT = timedelta(seconds=20)
"""Longer than the sticky timeout of the worker: after a kill the first query waits for that."""
PAGE = 1_000

Handle = WorkflowHandle[Any, Any]


@dataclass
class Known:
    """What this process remembers of one chain of runs: the messages that its model sees, in the view's order.

    `basis` names setup and view; `wire` belongs to the provider adapters.
    """

    basis: str
    setup: Setup
    view: View
    transcript: Transcript = field(default_factory=Transcript)
    wire: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        """Measure the setup, which never changes."""
        self._own = len(self.setup.wire_json())

    @property
    def size(self) -> int:
        """Characters of JSON held in memory, the setup included."""
        return self._own + self.transcript.size

    def cut(self, length: int) -> None:
        """Forget all but the first `length` messages."""
        if length < len(self.transcript):
            self.transcript.truncate(length)
            self.wire.clear()

    def advance(self, ref: TranscriptRef, new: Sequence[Message]) -> bool:
        """Bring the remembered messages to the reference with those that came along; False: they do not fit."""
        transcript, base = self.transcript, ref.length - len(new)
        if len(transcript) < base:
            return False
        if len(transcript) > base:
            if transcript.holds(ref):
                self.cut(ref.length)
                return True
            self.cut(base)
        transcript.extend(new)
        if transcript.ref == ref:
            return True
        self.cut(0)
        return False


class Conversations:
    """Conversations of recent runs, the least recently used forgotten first; nothing is lost by forgetting."""

    def __init__(self, client: Client, max_characters: int = MAX_CHARACTERS) -> None:
        """Remember at most about `max_characters` of message JSON."""
        self._client = client
        self._max = max_characters
        self._known: OrderedDict[str, Known] = OrderedDict()

    def remember(self, workflow_id: str, setup: Setup) -> None:
        """Keep the setup of a run that was prepared in this process."""
        basis = Basis.of(setup, View(), 0)
        self._known[workflow_id] = Known(basis.name, basis.setup, basis.view)
        self._forget()

    async def find(self, ref: TranscriptRef, new: Sequence[Message], basis: str) -> Known:
        """Setup and conversation for a model call of the current activity's run.

        `new` are the last messages of the reference, or none; `basis` may be empty for requests of earlier releases.
        Raises TranscriptUnavailable when the run cannot be asked just now, or answers with other messages than the
        request means (its digest proves the difference).
        """
        info = activity.info()
        workflow_id = info.workflow_id or ""
        handle = self._client.get_workflow_handle(workflow_id, run_id=info.workflow_run_id)
        known = self._known.get(workflow_id)
        if known is None or (basis and known.basis != basis):
            known = await self._learn(workflow_id, handle)
        self._known.move_to_end(workflow_id)
        if not known.advance(ref, new) and not await _read(handle, known, ref):
            # Another run may have had this id before, or this run was reset: what is remembered is of no use.
            known = await self._learn(workflow_id, handle)
            if not await _read(handle, known, ref):
                known.cut(0)
                msg = "the run's transcript is not the one this call was made for"
                raise TranscriptUnavailable(msg)
        self._forget()
        return known

    async def _learn(self, workflow_id: str, handle: Handle) -> Known:
        basis = await ask(handle, "basis", None, Basis)
        known = self._known[workflow_id] = Known(basis.name, basis.setup, basis.view)
        return known

    def _forget(self) -> None:
        while len(self._known) > 1 and sum(known.size for known in self._known.values()) > self._max:
            self._known.popitem(last=False)


async def _read(handle: Handle, known: Known, ref: TranscriptRef) -> bool:
    """Read what is missing from the run, page by page; says whether it is what the reference means."""
    numbers = known.view.indices(ref.length)
    while (begin := len(known.transcript)) < ref.length:
        end = begin + 1
        while end < ref.length and numbers[end] == numbers[end - 1] + 1 and end - begin < PAGE:
            end += 1
        page = PageRequest(offset=numbers[begin], limit=end - begin)
        answer = await ask(handle, "transcript", page, StoredMessages)
        if answer.problem:
            raise TranscriptUnavailable(answer.problem)
        if not answer.messages:
            return False
        known.transcript.extend(answer.messages)
    return known.transcript.ref == ref


async def ask(handle: Handle, query: str, argument: object, kind: type[T]) -> T:
    """Answer of a query to a run; raises TranscriptUnavailable when it cannot be asked just now."""
    args = [] if argument is None else [argument]
    try:
        return await handle.query(query, args=args, result_type=kind, rpc_timeout=QUERY_TIMEOUT)
    except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        msg = f"the run cannot be asked for its {query} just now: {error}"
        raise TranscriptUnavailable(msg) from error
