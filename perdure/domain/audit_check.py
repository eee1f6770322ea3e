"""Checks an audit log against what the runs that wrote it have recorded, also when one went back to a checkpoint."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from perdure.domain.audit import GENESIS, AuditEntry, AuditHead, problems
from perdure.domain.model import Model

__all__ = ["Checked", "RunHeads", "check", "parts"]

Part = tuple[AuditEntry, ...]
"""All entries of a run, from entry 1 of its log on."""


class RunHeads(Model, frozen=True):
    """What a run says of its log: `written` is known to be stored, `head` is all that it has entered."""

    written: AuditHead = AuditHead()
    head: AuditHead = AuditHead()


class Checked(Model, frozen=True):
    """What is wrong with a log, and whether each part of it was compared with the run that wrote it."""

    problems: tuple[str, ...] = ()
    compared: bool = False


def parts(entries: Sequence[AuditEntry]) -> list[Part]:
    """The log by the runs that wrote it, in their order.

    A run can go back to an earlier turn: then entries branch off from one that is there (or begin anew with entry 1),
    and both branches are a part, with what came before.
    """
    found: list[list[AuditEntry]] = []
    for entry in entries:
        stem = _stem(found, entry)
        if stem is None:
            found[-1].append(entry)
        else:
            found.append([*stem, entry])
    return [tuple(part) for part in found]


def _stem(found: Sequence[Sequence[AuditEntry]], entry: AuditEntry) -> Sequence[AuditEntry] | None:
    """The entries that a new part takes over when this entry begins one; None: it goes on with the last part."""
    if not found:
        return ()
    if entry.number > found[-1][-1].number:
        return None
    if entry.number == 1:
        return () if entry.previous == GENESIS and not _is_in(found, entry) else None
    for part in reversed(found):
        at = next((at for at, other in enumerate(part, start=1) if other.hash == entry.previous), 0)
        if at == entry.number - 1 and not _is_in(found, entry):
            return part[:at]
    return None


def _is_in(found: Sequence[Sequence[AuditEntry]], entry: AuditEntry) -> bool:
    """Whether this very entry is there already: then it was put in a second time, by nobody's right."""
    return any(other.hash == entry.hash for part in found for other in part)


def check(entries: Sequence[AuditEntry], runs: Sequence[RunHeads] | None, forgotten: datetime | None = None) -> Checked:
    """Check the chain of each part and compare the parts with what the runs of this log recorded, the oldest first.

    `runs` are those that the server still knows, without gaps up to the latest; None: nothing is compared. It may have
    forgotten runs that ended before `forgotten` (None: none of those that went back): the first parts, if they are
    older, may be of those and are not compared. A file may be ahead of `written`, up to `head`.
    """
    found = parts(entries)
    chain = list(dict.fromkeys(words for part in found for words in problems(part, None)))
    if runs is None:
        return Checked(problems=tuple(chain))
    # What is wrong with the chain explains most of what does not compare; the first reason is enough.
    compared = list(_compared(found, [run for run in runs if run.head.count], forgotten))
    left = [words for words in compared if words]
    return Checked(problems=(*chain, *(words for words in left if words not in chain)), compared="" not in compared)


def _compared(found: list[Part], runs: Sequence[RunHeads], forgotten: datetime | None) -> Iterator[str]:
    """Problems, and an empty text when there are parts whose run is not among those given."""
    rest, latest = len(found), True
    for run in reversed(runs):
        own = next((at for at in range(rest - 1, -1, -1) if _is_of(found[at], run)), None)
        if own is not None:
            yield from (_foreign(part) for part in found[own + 1 : rest])
            rest = own
        elif latest and run.written.count:
            yield from _missed(found[-1] if found else (), run)
            rest = max(0, rest - 1)
        elif run.written.count and not any(_holds(part, run.written) for part in found):
            yield f"a run before the latest has recorded {run.written.count} entries that the log does not have"
        latest = latest and not run.written.count
    for part in found[:rest]:
        yield "" if forgotten is not None and part[-1].at < forgotten else _foreign(part)


def _holds(part: Part, head: AuditHead) -> bool:
    return head.count == 0 or any(entry.head == head for entry in part)


def _is_of(part: Part, run: RunHeads) -> bool:
    last = part[-1].head
    reaches = last.count < run.head.count or last == run.head
    return reaches and _holds(part, run.written)


def _foreign(part: Part) -> str:
    last = part[-1]
    words = "are of no run that the server knows: they were put in, or that run was deleted"
    return f"the entries up to {last.number} (hash {last.hash}) {words}"


def _missed(part: Part, run: RunHeads) -> Iterator[str]:
    """Why the last part is not what the latest run has recorded."""
    yield from (words for words in problems(part, run.written) if words not in problems(part, None))
    last = part[-1].head if part else AuditHead()
    if last.count > run.head.count:
        yield f"entry {last.count} is not the run's: it has entered {run.head.count}"
    elif last.count == run.head.count and last != run.head:
        yield f"entry {last.count} is not the one that the run has entered"
