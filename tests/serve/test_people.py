"""Who decides on what: signatures of the page, one's own requests, and requests of children."""

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, RPCError

from perdure.identity import Signer
from perdure.testing import Environment, agents, call
from tests.keys import Pair, make_pair
from tests.serve.site import PROXIED, Site, asked, form_of, site, till
from tests.waiting import eventually

PAYER = "name: payer\ndescription: Pays.\nmodel: test:model-1\ntools: [pay]\n"
LEAD = "name: lead\nmodel: test:model-2\ntools: [delegate]\n"


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Keys of the page and of the worker."""
    return make_pair(tmp_path)


@pytest.fixture
async def strict(client: Client, log: list[tuple[str, int]], pair: Pair) -> AsyncGenerator[Environment]:
    """A worker that takes only signed decisions."""
    settings = {"public_keys": pair.public, "unsigned": "deny"}
    async with agents(till(log), client=client, settings=settings) as environment:
        yield environment
        assert environment.handle is not None
        with contextlib.suppress(RPCError):  # an inbox would wait for what it leaves behind
            await environment.handle.terminate()


@pytest.fixture
async def team(client: Client, log: list[tuple[str, int]], tmp_path: Path) -> AsyncGenerator[Environment]:
    """A worker with an agent that pays, and one that leads."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "payer.yaml").write_text(PAYER, encoding="utf-8")
    (tmp_path / "agents" / "lead.yaml").write_text(LEAD, encoding="utf-8")
    async with agents(till(log), client=client, settings={"definitions": tmp_path}) as environment:
        yield environment


async def decide(page: Site, request: dict[str, Any], verdict: str, **headers: str) -> tuple[int, str]:
    """Status and code of a decision by JSON."""
    decision = {"request_id": request["request_id"], "verdict": verdict}
    answer = await page.post(f"/api/runs/{request['workflow_id']}/decide", decision, **headers)
    return answer.status_code, answer.json().get("code", "")


async def test_the_page_signs_for_whom_the_proxy_names(
    strict: Environment, pair: Pair, log: list[tuple[str, int]]
) -> None:
    """A worker that takes only signed decisions takes these, and those of a page without the key it refuses."""
    handle, request = await asked(strict)
    async with site(strict, PROXIED, {"X-Forwarded-User": "ada"}) as unsigned:
        assert await decide(unsigned, request, "approve") == (403, "token_required")
    assert log == []
    async with site(strict, PROXIED, {"X-Forwarded-User": "ada"}, signer=Signer(pair.private)) as page:
        shown = await page.page(page.path(request))
        done = await page.submit(page.path(request), form_of(shown) | {"verdict": "approve"})
        assert (done.status, "Recorded: approve" in done.text) == (200, True)
    assert (await handle.result()).success
    assert log == [("Ada", 4200)]


async def test_who_asked_for_a_run_is_told_that_others_approve(
    strict: Environment, pair: Pair, log: list[tuple[str, int]]
) -> None:
    """The page says so before, and the run refuses it; saying no remains."""
    headers = {"X-Forwarded-User": "bob", "X-Forwarded-Roles": "approver"}
    _, request = await asked(strict)
    async with site(strict, PROXIED, headers, signer=Signer(pair.private)) as page:
        shown = await page.page(page.path(request))
        assert "somebody else must approve" in shown.text
        tried = await page.submit(page.path(request), form_of(shown) | {"verdict": "approve"})
        assert (tried.status, "does not count" in tried.text) == (403, True)
        assert await decide(page, request, "approve") == (403, "self_approval")
        assert await decide(page, request, "reject") == (200, "")
    assert log == []


async def test_one_person_without_a_key_asks_and_approves(
    shop: Environment, page: Site, log: list[tuple[str, int]]
) -> None:
    """As at the command line: names prove nothing there, so nobody is named."""
    model = shop.model([call("pay", customer="Ada", cents=1), "done"])
    started = (await page.post("/api/runs", {"goal": "pay", "model": model})).json()
    path = f"/api/runs/{started['workflow_id']}"

    async def look() -> list[dict[str, Any]]:
        found: dict[str, Any] = (await page.get(path)).json()["details"] or {}
        return found.get("pending", [])

    [request] = await eventually(look, bool)
    assert request["requester"] == ""
    assert await decide(page, request, "approve") == (200, "")
    await shop.client.get_workflow_handle(started["workflow_id"]).result()
    assert log == [("Ada", 1)]


async def test_a_request_of_a_child_is_listed_once_and_answered_at_the_root(
    team: Environment, log: list[tuple[str, int]]
) -> None:
    """Both runs tell of it; the inbox links to the child and names the root, and a decision sent to the root counts."""
    team.model([call("pay", customer="Ada", cents=5), "paid"])
    team.model([call("delegate", agent="payer", goal="pay 5"), "all paid"])
    handle = await team.start("pay the bill", agent="lead", requester="bob")
    async with site(team) as page:

        async def look() -> list[dict[str, Any]]:
            items = (await page.get("/api/approvals")).json()["items"]
            return [item for item in items if item["root"] == handle.id]

        [item] = await eventually(look, bool)
        assert item["workflow_id"] == f"{handle.id}.1"
        told = await eventually(lambda: handle.query("pending_approvals"), lambda answer: answer["requests"] != [])
        assert [request["request_id"] for request in told["requests"]] == [item["request_id"]]
        shown = await page.page("/")
        assert shown.html.count(f'href="{page.path(item)}"') == 1
        assert f'for <a href="/runs/{handle.id}"' in shown.html
        at_root = {"request_id": item["request_id"], "workflow_id": handle.id}
        assert await decide(page, at_root, "approve") == (200, "")
    assert (await handle.result()).output == "all paid"
    assert log == [("Ada", 5)]
