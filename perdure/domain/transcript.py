"""A conversation as it grows, with a digest chained over its messages so that a prefix can be named and verified."""

import hashlib
from collections.abc import Iterable, Sequence

from perdure.domain.messages import Message, TranscriptRef

__all__ = ["PAGE_BYTES", "Transcript", "chain"]

PAGE_BYTES = 200_000
"""Most bytes of message JSON in one page: well under the server's 512 KiB warning for one payload."""


def chain(digest: str, json: str) -> str:
    """Digest of a transcript after a message, from the one before it: 128 bits of SHA-256 as hex.

    `json` is the message without the fields at their default: a new field of a later release leaves old digests as
    they were.
    """
    return hashlib.sha256(f"{digest}\n{json}".encode()).hexdigest()[:32]


class Transcript:
    """Messages in order; append only. Equal refs mean equal messages."""

    def __init__(self) -> None:
        """Start empty."""
        self._messages: list[Message] = []
        self._digests: list[str] = [""]
        self.size = 0
        """Characters of JSON of the messages."""

    def __len__(self) -> int:
        """Count the messages."""
        return len(self._messages)

    @property
    def messages(self) -> Sequence[Message]:
        """The messages so far; not to be changed by the reader."""
        return self._messages

    @property
    def ref(self) -> TranscriptRef:
        """Name of all messages so far."""
        return TranscriptRef(length=len(self._messages), digest=self._digests[-1])

    def add(self, message: Message) -> None:
        """Append one message."""
        json = message.model_dump_json(exclude_defaults=True)
        self.size += len(json)
        self._digests.append(chain(self._digests[-1], json))
        self._messages.append(message)

    def extend(self, messages: Iterable[Message]) -> None:
        """Append messages in order."""
        for message in messages:
            self.add(message)

    def truncate(self, length: int) -> None:
        """Forget everything after the first `length` messages."""
        self.size -= sum(len(message.model_dump_json(exclude_defaults=True)) for message in self._messages[length:])
        del self._messages[length:]
        del self._digests[length + 1 :]

    def holds(self, ref: TranscriptRef) -> bool:
        """Whether the prefix that `ref` names is a prefix of this transcript."""
        return ref.length < len(self._digests) and self._digests[ref.length] == ref.digest
