"""The audit log of a run: entries chained by their hashes, so that a change, a gap or a cut end shows."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

from pydantic import Field

from perdure.domain.model import JsonObject, Model, canonical_json

__all__ = ["GENESIS", "AuditEntry", "AuditHead", "AuditKind", "problems"]

GENESIS = "0" * 64
"""What the first entry of a log follows."""

AuditKind = Literal["policy", "request", "decision", "refused", "timer", "control", "effect", "child", "end"]
"""What an entry is about: the policy a run goes by, a request that was opened, a decision that counted or one that did
not, a reminder, escalation or expiry, a control action, a call with an effect, a child run, the end of the run."""


class AuditHead(Model, frozen=True):
    """How many entries a log has, and the hash of the last one."""

    count: int = Field(default=0, ge=0)
    hash: str = GENESIS


class AuditEntry(Model, frozen=True):
    """One entry. `number` counts from 1 over all runs of a chain; `by` is who acted; `data` says what, as JSON.

    `hash` is the SHA-256 (hex) of the canonical JSON of all other fields, `previous` among them.
    """

    number: int = Field(gt=0)
    at: datetime
    kind: AuditKind
    by: str
    data: JsonObject
    previous: str
    hash: str

    @classmethod
    def after(cls, head: AuditHead, at: datetime, kind: AuditKind, by: str, data: JsonObject) -> "AuditEntry":
        """The entry that follows this head."""
        entry = cls(number=head.count + 1, at=at, kind=kind, by=by, data=data, previous=head.hash, hash="")
        return entry.model_copy(update={"hash": entry.computed})

    @property
    def computed(self) -> str:
        """The hash that the other fields have."""
        fields = self.model_dump(mode="json", exclude={"hash"})
        return hashlib.sha256(canonical_json(fields).encode()).hexdigest()

    @property
    def head(self) -> AuditHead:
        """The head of a log that ends with this entry."""
        return AuditHead(count=self.number, hash=self.hash)


def problems(entries: Iterable[AuditEntry], recorded: AuditHead | None) -> Iterator[str]:
    """Everything that is wrong with a log, in its order; `recorded` is the head that the run's own history holds.

    Finds a changed byte, a missing, added or moved entry by the chain, and a cut or rewritten end by the head.
    """
    head, at_recorded = AuditHead(), None
    for entry in entries:
        if entry.computed != entry.hash:
            yield f"entry {entry.number} was changed: its hash is {entry.computed}, it says {entry.hash}"
        if entry.number != head.count + 1:
            yield f"entry {entry.number} follows entry {head.count}"
        elif entry.previous != head.hash:
            yield f"entry {entry.number} does not follow entry {head.count}: it names another hash"
        head = entry.head
        if recorded is not None and head.count == recorded.count:
            at_recorded = head
    if recorded is None or recorded.count == 0:
        return
    if head.count < recorded.count:
        yield f"the log ends with entry {head.count}, the run has recorded {recorded.count}: its end was cut"
    elif at_recorded is not None and at_recorded.hash != recorded.hash:
        yield f"entry {recorded.count} is not the one that the run has recorded"
