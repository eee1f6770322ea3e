"""`audit verify` on the log of a run with wrong, late and right decisions: it passes, and every change is found."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.approvals.outside import OPEN, Json, Outside, Run

Lines = list[bytes]
RULES = [
    {"tool": "send", "arguments": {"text": "* pays"}, "level": "confirm", "approvers": ["ada", "bob"], "quorum": 2},
    {"tool": "send", "level": "confirm", "timeout": 3},
]


@pytest.fixture(scope="module")
async def logged(outside: Outside) -> tuple[Run, Path]:
    """A run that two people decided, after somebody who may not, one late; then nobody decided, and it ended."""
    run = await outside.start(OPEN, "logged", RULES)
    request = await run.waiting()
    about = {"request_id": request["request_id"], "digest": request["digest"], "verdict": "approve"}
    told = [await run.by_update({**about, "approver": name}) for name in ("eve", "ada", "ada")]
    told += [await run.by_http({**about, "approver": "bob"})]
    await run.waiting(other_than=request["request_id"])
    told += [await run.by_update({**about, "approver": "ada"})]
    assert told == ["approver_not_allowed", "accepted", "already_voted", "accepted", "already_decided"]
    assert (await run.handle.result())["output"] == "done"
    return run, run.log


async def verified(run: Run, *options: str) -> tuple[int, Json]:
    """Exit code and the one item of `audit verify` for this run."""
    answer = await asyncio.to_thread(run.outside.shell.quick, "audit", "verify", run.name, "--json", *options)
    [item] = answer.json["items"]
    return answer.code, item


async def test_the_log_passes_and_has_everything(logged: tuple[Run, Path]) -> None:
    """Compared with the history, up to its end; in the order in which it happened."""
    run, path = logged
    code, item = await verified(run)
    assert (code, item["problems"], item["compared"], item["complete"]) == (0, [], True, True)
    assert item["file"] == str(path)
    kinds = [entry["kind"] for entry in await run.entries()]
    decided = ["refused", "decision", "refused", "decision", "decision"]
    assert [kind for kind in kinds if kind in ("decision", "refused", "timer", "end")] == [
        *decided,
        "refused",
        "timer",
        "end",
    ]
    assert run.sent == ["pays"]


def changed(lines: Lines, at: int) -> Lines:
    """One byte of the line is another one."""
    line = lines[at]
    middle = line.index(b'"hash":"') + 20
    other = b"0" if line[middle : middle + 1] != b"0" else b"1"
    return [*lines[:at], line[:middle] + other + line[middle + 1 :], *lines[at + 1 :]]


def garbled(lines: Lines, at: int) -> Lines:
    """The first byte of the line is another one."""
    return [*lines[:at], b"(" + lines[at][1:], *lines[at + 1 :]]


def removed(lines: Lines, at: int) -> Lines:
    """The line is missing."""
    return [*lines[:at], *lines[at + 1 :]]


def swapped(lines: Lines, at: int) -> Lines:
    """The line and the one after it are in each other's place."""
    return [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (changed, "entry {this} was changed: its hash is "),
        (garbled, "line {this} is not an entry as it was written"),
        (removed, "entry {after} follows entry {before}"),
        (swapped, "entry {after} follows entry {before}"),
    ],
)
async def test_every_change_at_every_place_is_found_by_the_chain_alone(
    logged: tuple[Run, Path], tamper: Callable[[Lines, int], Lines], words: str
) -> None:
    """The first words say which entry; the log as it was passes again."""
    run, path = logged
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    found: list[tuple[int, Any]] = []
    for at in range(len(lines) - 1):
        path.write_bytes(b"".join(tamper(lines, at)))
        code, item = await verified(run, "--offline")
        found.append((code, item["problems"][0]))
    path.write_bytes(content)
    told = [words.format(this=at + 1, after=at + 2, before=at) for at in range(len(lines) - 1)]
    assert [(code, problem[: len(text)]) for (code, problem), text in zip(found, told, strict=True)] == [
        (1, text) for text in told
    ]
    assert (await verified(run))[0] == 0


@pytest.mark.parametrize("left", [-1, -3, 1, 0])
async def test_a_cut_tail_is_found_by_the_history(logged: tuple[Run, Path], left: int) -> None:
    """Whatever is left of it: the run has recorded how many entries there are."""
    run, path = logged
    content = path.read_bytes()
    lines: Sequence[bytes] = content.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:left]))
    code, item = await verified(run)
    path.write_bytes(content)
    end, count = len(lines[:left]), len(lines)
    assert (code, item["problems"]) == (
        1,
        [f"the log ends with entry {end}, the run has recorded {count}: its end was cut"],
    )
    assert (await verified(run))[0] == 0
