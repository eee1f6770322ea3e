"""Approvals that depend on when and where they come: twice, after the end, without a worker, in time or not, below."""

import asyncio
from itertools import count
from typing import Any

import pytest

from tests.approvals.cases import DOORS, HTTP, SIGNAL, UPDATE, Said
from tests.approvals.outside import OPEN, SIGNED, Json, Outside, Run

CONFIRM = [{"tool": "send", "arguments": {"text": "* pays"}, "level": "confirm"}]
PAYER = "name: {0}\ndescription: Pays.\nmodel: scripted:{0}.yaml\ntools: [send]\n"
NUMBERS = count(1)


def good(request: Json, **changes: Any) -> Json:
    """The approval of ada, without a token."""
    digest = {"request_id": request["request_id"], "digest": request["digest"]}
    return digest | {"verdict": "approve", "approver": "ada"} | changes


def ruled(**rule: Any) -> list[Json]:
    """Rules under which the first call waits like this."""
    return [{**CONFIRM[0], **rule}]


async def test_the_same_http_decision_counts_once_and_says_so_twice(outside: Outside) -> None:
    """As one decision, without a refusal; under another Idempotency-Key it is a second one and refused."""
    run = await outside.start(OPEN, "twice", CONFIRM)
    request = await run.waiting()
    said = [await run.by_http(good(request)) for _ in range(2)]
    await run.waiting(other_than=request["request_id"])
    refused = await run.refused()
    other = await run.post(good(request), "ada", **{"Idempotency-Key": "another"})
    assert (said, refused, other.json()["code"]) == (["accepted", "accepted"], [], "already_decided")
    await run.entry("refused", code="already_decided")
    await run.end()
    assert run.sent == ["pays"]


async def test_the_application_lets_only_approvers_decide_and_nobody_as_another(outside: Outside) -> None:
    """403 before anything reaches the run: there is no entry, and the request waits on."""
    run = await outside.start(OPEN, "door", CONFIRM)
    request = await run.waiting()
    viewer = await run.post(good(request), "ada", roles="viewer")
    other = await run.post(good(request), "eve")
    nobody = await run.post(good(request), "")
    assert [answer.status_code for answer in (viewer, other, nobody)] == [403, 403, 401]
    assert [answer.json()["error"]["type"] for answer in (viewer, other)] == ["RoleMissing", "NotYou"]
    assert await run.waiting() == request
    assert [entry["kind"] for entry in await run.entries()] == ["policy", "request"]
    await run.end()
    assert run.sent == []


async def test_a_decision_after_the_end_is_told_that_the_run_has_ended(outside: Outside) -> None:
    """By every door; a closed run can write nothing, so that its log ends with its end."""
    run = await outside.start(OPEN, "ended", CONFIRM)
    request = await run.waiting()
    await run.end()
    told = [await DOORS[door](run, good(request)) for door in (UPDATE, HTTP, SIGNAL)]
    assert told[1] == "RunEnded"
    assert all("already completed" in words for words in (told[0], told[2]))
    assert (await run.entries())[-1]["kind"] == "end"
    assert run.sent == []


@pytest.mark.parametrize("on_timeout", ["reject", "stop"])
async def test_silence_is_a_decision_when_its_time_is_over(outside: Outside, on_timeout: str) -> None:
    """The call never runs, and the log says that it was the timer."""
    run = await outside.start(OPEN, f"silence-{on_timeout}", ruled(timeout=1, on_timeout=on_timeout))
    request = await run.waiting()
    assert request["expires_at"]
    entry = await run.entry("timer", occasion="expired", request_id=request["request_id"])
    assert (entry["by"], entry["data"]["verdict"]) == ("timeout", on_timeout)
    await asyncio.gather(run.handle.result(), run.end(), return_exceptions=True)
    assert run.sent == []


async def test_a_request_is_handed_on_by_the_clock(outside: Outside) -> None:
    """Those above may decide from then on, and not before; the timer and the refusal are in the log."""
    run = await outside.start(OPEN, "clock", ruled(approvers=["ada"], escalate_after=2, escalate_to=["boss"]))
    request = await run.waiting()
    assert await run.by_update(good(request, approver="boss")) == "approver_not_allowed"
    entry = await run.entry("timer", occasion="escalation")
    assert (entry["by"], entry["data"]["to"]) == ("timer", ["boss"])
    assert await run.by_http(good(request, approver="boss")) == "accepted"
    await run.waiting(other_than=request["request_id"])
    await run.end()
    assert run.sent == ["pays"]
    kinds = [entry["kind"] for entry in await run.entries()]
    assert kinds[:6] == ["policy", "request", "refused", "timer", "decision", "effect"]


async def test_decisions_while_the_worker_is_dead_count_when_there_is_one_again(outside: Outside) -> None:
    """The server keeps signals and updates; HTTP answers 503, and what is sent again counts once."""
    doors = (SIGNAL, UPDATE, HTTP)
    with outside.worker("dead") as worker:
        runs = [await outside.start("dead", f"dead-{door}", CONFIRM) for door in doors]
        requests = [await run.waiting() for run in runs]
        worker.kill()
        worker.wait()
    signal, update, http = [
        asyncio.create_task(DOORS[door](run, good(request)))
        for door, run, request in zip(doors, runs, requests, strict=True)
    ]
    assert (await signal, await http) == ("sent", "NoWorker")
    assert [run.sent for run in runs] == [[], [], []]
    with outside.worker("dead"):
        assert (await update, await runs[2].by_http(good(requests[2]))) == ("accepted", "accepted")
        entries = [await run.entry("decision", occasion="decided") for run in runs]
        for run, request in zip(runs, requests, strict=True):
            await run.waiting(other_than=request["request_id"])
            await run.end()
        assert [await run.refused() for run in runs] == [[], [], []]
    assert [(entry["by"], entry["data"]["via"]) for entry in entries] == [
        ("ada", "signal"),
        ("ada", "update"),
        ("ada", "update"),
    ]
    assert [run.sent for run in runs] == [["pays"], ["pays"], ["pays"]]


async def below(outside: Outside, queue: str) -> tuple[Run, Run, Json]:
    """A run, the run below it that waits, and the request of that one, as the root shows it."""
    number = next(NUMBERS)
    name, payer = f"root-{number}", f"payer-{number}"
    outside.shell.file(f"definitions/agents/{payer}.yaml", PAYER.format(payer))
    outside.shell.script(
        payer, {"calls": [{"tool": "send", "arguments": {"text": f"{name}.1 pays"}}]}, {"text": "paid"}
    )
    hand_over = {"calls": [{"tool": "delegate", "arguments": {"agent": payer, "goal": "pay"}}]}
    model = outside.shell.script(name, hand_over, {"text": "all done"})
    rules = [{"tool": "delegate", "level": "none"}, *CONFIRM]
    root = await outside.start_agent(queue, name, {"goal": "x", "model": model, "policy": {"rules": rules}})
    request = await root.waiting()
    first = (await outside.client.get_workflow_handle(request["workflow_id"]).describe()).run_id
    handle = outside.client.get_workflow_handle(request["workflow_id"], first_execution_run_id=first)
    return root, Run(outside, handle), request


@pytest.mark.parametrize("door", [UPDATE, HTTP, SIGNAL])
async def test_a_childs_request_is_answered_at_the_root(outside: Outside, door: str) -> None:
    """The root shows it and passes the decision on; the entry is in the log of the run that asked."""
    root, child, request = await below(outside, OPEN)
    assert (request["workflow_id"], child.sent) == (f"{root.name}.1", [])
    assert await DOORS[door](root, good(request)) in ("accepted", "sent")
    assert (await root.handle.result())["output"] == "all done"
    assert child.sent == ["pays"]
    entry = await child.entry("decision", occasion="decided", request_id=request["request_id"])
    assert entry["by"] == "ada"


@pytest.mark.parametrize("door", [UPDATE, HTTP])
async def test_a_wrong_decision_on_a_childs_request_is_refused_at_the_root(outside: Outside, door: str) -> None:
    """With the code of the run that asked, which also keeps the entry; the root has none."""
    root, child, request = await below(outside, OPEN)
    assert await DOORS[door](root, good(request, digest="0" * 64)) == "digest_mismatch"
    await child.entry("refused", code="digest_mismatch")
    assert (await root.refused(), child.sent) == ([], [])
    await root.end()
    assert child.sent == []


@pytest.mark.parametrize("door", [UPDATE, HTTP, SIGNAL])
async def test_a_childs_request_needs_a_token_for_the_child(outside: Outside, door: str) -> None:
    """One that was signed for the root does not count; one for the run that asked does, also by way of the root."""
    root, child, request = await below(outside, SIGNED)
    wrong = Said(token={"wid": root.name}).payload(outside, request)
    assert await DOORS[door](root, wrong) in ("token_mismatch", "sent")
    entry = await child.entry("refused", request_id=request["request_id"])
    assert "(`wid`)" in entry["data"]["reason"]
    assert await DOORS[door](root, Said(token={}).payload(outside, request)) in ("accepted", "sent")
    assert (await root.handle.result())["output"] == "all done"
    assert (await child.entry("decision", occasion="decided"))["data"]["signed"] is True
    assert child.sent == ["pays"]
