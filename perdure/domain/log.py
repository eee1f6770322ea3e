"""The transcript as a workflow holds it: all messages of the chain by number, and the view of them that the model has.

Messages of the current run are held; those of earlier runs lie in stored pages. The reference that model calls name
the conversation by is chained over the messages of the view only, so it can be checked without reading the others.
"""

from collections.abc import Iterable, Sequence

from perdure.domain.archive import Slice, StoredPage, end_of, page_at
from perdure.domain.context import Compaction, View
from perdure.domain.messages import Message, MessagePage, TranscriptRef
from perdure.domain.transcript import PAGE_BYTES, chain

__all__ = ["Log"]


class Log:
    """Messages in order, append only; numbers count over the whole chain of runs, from 0."""

    def __init__(
        self,
        pages: Sequence[StoredPage] = (),
        view: View | None = None,
        ref: TranscriptRef | None = None,
        characters: int = 0,
    ) -> None:
        """Go on behind the stored pages, with the view that the model had of them; by default start empty."""
        self.pages = tuple(pages)
        self.view = view or View()
        self.ref = ref or TranscriptRef(length=0, digest="")
        self.characters = characters
        """Characters of message JSON in the view."""
        self.base = end_of(self.pages)
        """Number of the first message that is held here."""
        self._messages: list[Message] = []
        self._sizes: list[int] = []

    def __len__(self) -> int:
        """Count the messages of the chain."""
        return self.base + len(self._messages)

    @property
    def held(self) -> Sequence[Message]:
        """The messages of the current run; not to be changed by the reader."""
        return self._messages

    def add(self, message: Message) -> None:
        """Append one message; the model sees it."""
        json = self._append(message)
        self.ref = TranscriptRef(length=self.ref.length + 1, digest=chain(self.ref.digest, json))
        self.characters += len(json)

    def extend(self, messages: Iterable[Message]) -> None:
        """Append messages in order."""
        for message in messages:
            self.add(message)

    def compacted(self, receipt: Message, compaction: Compaction) -> None:
        """Append the receipt of a compaction and take the smaller view, which includes it."""
        self._append(receipt)
        self.view, self.ref, self.characters = compaction.view, compaction.reference, compaction.after

    def _append(self, message: Message) -> str:
        json = message.model_dump_json(exclude_defaults=True)
        self._messages.append(message)
        self._sizes.append(len(json))
        return json

    def since(self, number: int) -> tuple[Message, ...]:
        """Held messages from `number` on; none when some of them have left for the stored pages."""
        return () if number < self.base else tuple(self._messages[number - self.base :])

    def size_since(self, number: int, *, but: str = "") -> int:
        """Characters of JSON of the held messages from `number` on, but for those of one kind."""
        begin = max(number - self.base, 0)
        return sum(
            size
            for size, message in zip(self._sizes[begin:], self._messages[begin:], strict=True)
            if message.kind != but
        )

    def page(self, offset: int, limit: int, max_characters: int = PAGE_BYTES) -> MessagePage | Slice:
        """At most `limit` messages and about `max_characters` from `offset`; at least one when there is one."""
        total = len(self)
        offset = min(max(offset, 0), total)
        if stored := page_at(self.pages, "messages", offset, limit, total):
            return stored
        end, size = offset, 0
        while end < min(total, offset + limit):
            size += self._sizes[end - self.base]
            if end > offset and size > max_characters:
                break
            end += 1
        return MessagePage(
            messages=tuple(self._messages[offset - self.base : end - self.base]),
            offset=offset,
            next_offset=end if end < total else None,
            total=total,
        )
