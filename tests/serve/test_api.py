"""The JSON endpoints: start, look, ask, decide, control, events."""

from typing import Any

import pytest

from perdure.settings import Settings
from perdure.streams import streams_from
from perdure.testing import Environment, call
from tests.serve.site import PROXIED, Site, asked, site
from tests.waiting import eventually, pending


async def ended(page: Site, name: str) -> dict[str, Any]:
    """A run, once it is closed."""

    async def look() -> dict[str, Any]:
        return (await page.get(f"/api/runs/{name}")).json()

    return await eventually(look, lambda run: run["status"] != "RUNNING")


async def test_a_run_is_started_looked_at_and_ends(shop: Environment, page: Site) -> None:
    """201 with both ids; the result is there once it has ended."""
    answer = await page.post(
        "/api/runs", {"goal": "greet", "model": shop.model(["hello"]), "id": f"{shop.task_queue}-a"}
    )
    assert answer.status_code == 201
    assert set(answer.json()) == {"workflow_id", "run_id"}
    run = await ended(page, answer.json()["workflow_id"])
    assert (run["status"], run["result"]["output"], run["error"]) == ("COMPLETED", "hello", None)


async def test_an_id_that_is_open_is_a_conflict(shop: Environment, page: Site) -> None:
    """Nothing is started."""
    handle, _ = await asked(shop)
    answer = await page.post("/api/runs", {"goal": "again", "id": handle.id})
    assert (answer.status_code, answer.json()["error"]["type"]) == (409, "AlreadyRunning")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "goal"),
        ({"goal": "x", "limits": {"turns": "many"}}, "limits.turns"),
        ({"goal": "x", "colour": 1}, "colour"),
        ({"goal": "x", "id": ""}, "id"),
        ({"goal": "x", "id": 7}, "id"),
        ({"goal": "x", "requester": "eve"}, "requester"),
        ({"goal": "x", "lineage": {"root": "r", "parent": "r", "level": 1, "model": "m"}}, "lineage"),
    ],
)
async def test_wrong_input_names_the_field(page: Site, body: dict[str, Any], field: str) -> None:
    """422, before anything is started."""
    answer = await page.post("/api/runs", body)
    assert (answer.status_code, answer.json()["error"]["fields"]) == (422, [field])


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_json_object_is_refused(page: Site, body: bytes) -> None:
    """With words, and no traceback."""
    headers = {"Content-Type": "application/json"}
    answer = await page.http.post(f"{page.address}/api/runs", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "InvalidInput")


async def test_a_decision_counts_once_and_says_so(shop: Environment, page: Site, log: list[tuple[str, int]]) -> None:
    """The approver is whoever calls; another decision afterwards is told why it does not count."""
    handle, request = await asked(shop)
    path = f"/api/runs/{handle.id}/decide"
    edit = {
        "request_id": request["request_id"],
        "verdict": "edit",
        "digest": request["digest"],
        "arguments": {"customer": "Ada", "cents": 7},
    }
    wrong = await page.post(path, edit | {"digest": "0" * 64})
    assert (wrong.status_code, wrong.json()["accepted"], wrong.json()["code"]) == (409, False, "digest_mismatch")
    assert wrong.json()["error"]["type"] == "digest_mismatch"
    done = await page.post(path, edit)
    assert (done.status_code, done.json()["accepted"]) == (200, True)
    assert (await handle.result()).success
    assert log == [("Ada", 7)]
    late = await page.post(path, edit | {"verdict": "reject", "arguments": None})
    assert (late.status_code, late.json()["error"]["type"]) == (410, "RunEnded")


async def test_nobody_decides_as_somebody_else(shop: Environment, page: Site) -> None:
    """403; and 404 for a request or run that there is not."""
    handle, request = await asked(shop)
    decision = {"request_id": request["request_id"], "verdict": "approve"}
    other = await page.post(f"/api/runs/{handle.id}/decide", decision | {"approver": "eve"})
    unknown = await page.post(f"/api/runs/{handle.id}/decide", decision | {"request_id": "req-9-00000000"})
    nowhere = await page.post("/api/runs/nobody/decide", decision)
    assert [other.status_code, unknown.status_code, nowhere.status_code] == [403, 404, 404]


async def test_approvals_are_listed_over_all_runs(shop: Environment, page: Site) -> None:
    """With the root of each."""
    handle, request = await asked(shop)

    async def look() -> list[dict[str, Any]]:
        items = (await page.get("/api/approvals")).json()["items"]
        return [item for item in items if item["workflow_id"] == handle.id]

    [item] = await eventually(look, bool)
    assert (item["request_id"], item["digest"], item["root"]) == (
        request["request_id"],
        request["digest"],
        handle.id,
    )


async def test_a_run_is_paused_resumed_steered_and_stopped(shop: Environment, page: Site) -> None:
    """Each answers the new state, or the position in the queue."""
    handle, _ = await asked(shop)
    states = [
        (await page.post(f"/api/runs/{handle.id}/{verb}", {"reason": "r"})).json() for verb in ("pause", "resume")
    ]
    assert [state["state"] for state in states] == ["paused", "waiting"]
    steered = await page.post(f"/api/runs/{handle.id}/steer", {"text": "hurry"})
    assert steered.json() == {"position": 1}
    await page.post(f"/api/runs/{handle.id}/stop", {})
    assert (await handle.result()).stop_reason == "stopped"
    for verb, given in (("pause", {}), ("steer", {"text": "more"})):
        late = await page.post(f"/api/runs/{handle.id}/{verb}", given)
        assert (late.status_code, late.json()["error"]["type"]) == (410, "RunEnded")
        nowhere = await page.post(f"/api/runs/nobody/{verb}", given)
        assert (nowhere.status_code, nowhere.json()["error"]["type"]) == (404, "UnknownRun")


async def test_a_session_answers_the_same_message_once(shop: Environment, page: Site) -> None:
    """The same message_id has the same reply; a question without success has an error."""
    name = f"{shop.task_queue}-session"
    question = {
        "text": "hi",
        "message_id": "m1",
        "session": {"model": shop.model(["hello", "again"]), "idle_seconds": 1},
    }
    first = await page.post(f"/api/sessions/{name}/ask", question)
    second = await page.post(f"/api/sessions/{name}/ask", question)
    assert first.json() == second.json() == {"message_id": "m1", "reply": "hello", "error": None}
    await shop.client.get_workflow_handle(name).result()


async def test_a_question_that_waits_is_asked_for_again(shop: Environment, page: Site) -> None:
    """202 while a person is needed; the same id gets the reply."""
    name = f"{shop.task_queue}-slow"
    given = {"model": shop.model([call("pay", customer="Ada", cents=1), "paid"]), "idle_seconds": 1}
    question = {"text": "pay", "message_id": "m1", "session": given, "wait": 0.3}
    first = await page.post(f"/api/sessions/{name}/ask", question)
    assert (first.status_code, first.json()["pending"]) == (202, True)
    handle = shop.client.get_workflow_handle(name)
    (request,) = await pending(handle)
    await handle.signal("approve", {"request_id": request["request_id"], "approver": "bob"})
    second = await page.post(f"/api/sessions/{name}/ask", question | {"wait": 30})
    assert (second.status_code, second.json()["reply"]) == (200, "paid")
    await handle.result()


def offsets(text: str) -> list[str]:
    """Ids of the events of a stream."""
    return [line.removeprefix("id: ") for line in text.split("\n") if line.startswith("id: ")]


async def test_events_are_taken_up_where_a_reader_left(shop: Environment, tmp_path: Any) -> None:
    """Last-Event-ID names the last one seen; after the end there is nothing, and a browser is told to stay away."""
    handle, request = await asked(shop)
    streams = streams_from(Settings(streams=str(tmp_path / "streams")))
    async with site(shop, streams=streams) as page:
        url = f"{page.address}/api/runs/{handle.id}/events"
        async with page.http.stream("GET", url) as live:
            assert live.headers["content-type"].startswith("text/event-stream")
            await handle.signal("approve", {"request_id": request["request_id"], "approver": "ada"})
            text = "".join([chunk async for chunk in live.aiter_text()])
        seen = offsets(text)
        assert text.rstrip().split("\n")[-2] == "event: end"
        assert len(seen) == len(set(seen)) > 3
        rest = await page.get(f"/api/runs/{handle.id}/events", **{"Last-Event-ID": seen[1]})
        assert offsets(rest.text) == seen[2:]
        over = await page.get(f"/api/runs/{handle.id}/events", **{"Last-Event-ID": seen[-1]})
        assert over.status_code == 204
    await streams.close()


async def test_events_need_a_role(shop: Environment, tmp_path: Any) -> None:
    """What a run says is for those who may look."""
    streams = streams_from(Settings(streams=str(tmp_path / "streams")))
    async with site(shop, PROXIED, {"X-Forwarded-User": "nobody"}, streams=streams) as page:
        assert (await page.get("/api/runs/x/events")).status_code == 403
    await streams.close()
