"""Who gets in: identity, roles, and what another web site may make a browser do."""

from typing import Any

import pytest

from perdure.serve.bounds import HEADERS, MAX_BODY
from perdure.serve.people import People, networks
from perdure.testing import Environment
from tests.serve.site import PROXIED, Site, asked, form_of, site

ELSEWHERE = People(user_header="X-Forwarded-User", proxies=networks(["10.1.2.3"]))


@pytest.mark.parametrize("path", ["/", "/nowhere", "/static/style.css", "/api/runs/nobody"])
async def test_every_answer_has_the_security_headers(page: Site, path: str) -> None:
    """Pages, errors, files and JSON."""
    answer = await page.get(path)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "set-cookie" not in answer.headers


async def test_pages_have_no_script_and_no_inline_style(shop: Environment, page: Site) -> None:
    """The policy of the pages forbids both, and they work without."""
    _, request = await asked(shop)
    for path in ("/", page.path(request), f"/runs/{request['workflow_id']}"):
        shown = (await page.page(path)).html
        assert "<script" not in shown
        assert "style=" not in shown
        assert " on" not in {shown[i : i + 3] for i in range(len(shown)) if shown[i + 3 : i + 8] == "click"}


@pytest.mark.parametrize(
    ("host", "status"),
    [("evil.example.com", 400), ("127.0.0.1.evil.com:80", 400), ("localhost:1", 200), ("[::1]:8080", 200)],
)
async def test_only_requests_sent_to_its_own_names_are_answered(page: Site, host: str, status: int) -> None:
    """A web site whose name leads to this machine is another site."""
    answer = await page.get("/static/style.css", Host=host)
    assert answer.status_code == status


async def test_a_form_without_its_token_does_nothing(shop: Environment, page: Site, log: list[tuple[str, int]]) -> None:
    """Nor with that of another request."""
    _, request = await asked(shop)
    good = form_of(await page.page(page.path(request)))
    for token in ("", "x", good["csrf"][:-1], good["csrf"].replace(".", "..")):
        values = good | {"verdict": "approve", "csrf": token}
        assert (await page.submit(page.path(request), values)).status == 403
    assert log == []


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]
)
async def test_what_another_site_sends_does_nothing(shop: Environment, page: Site, headers: dict[str, str]) -> None:
    """Forms and JSON alike."""
    _, request = await asked(shop)
    values = form_of(await page.page(page.path(request))) | {"verdict": "approve"}
    assert (await page.submit(page.path(request), values, **headers)).status == 403
    path = f"/api/runs/{request['workflow_id']}/decide"
    decision = {"request_id": request["request_id"], "verdict": "approve", "digest": request["digest"]}
    assert (await page.post(path, decision, **headers)).status_code == 403


async def test_json_that_a_form_could_send_is_refused(page: Site) -> None:
    """Browsers send text/plain across sites without asking."""
    answer = await page.http.post(
        f"{page.address}/api/runs", content=b'{"goal": "x"}', headers={"Content-Type": "text/plain"}
    )
    assert (answer.status_code, answer.json()["error"]["type"]) == (415, "InvalidInput")


@pytest.mark.parametrize("path", ["/api/runs", "/requests/a/b"])
async def test_too_large_a_body_is_refused(page: Site, path: str) -> None:
    """It would fill the memory."""
    kind = {"/api/runs": "application/json", "/requests/a/b": "application/x-www-form-urlencoded"}[path]
    body = b"a=" + b" " * MAX_BODY
    answer = await page.http.post(page.address + path, content=body, headers={"Content-Type": kind})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("people", "headers", "status"),
    [
        (PROXIED, {"X-Forwarded-User": "ada"}, 200),
        (PROXIED, {}, 401),
        (PROXIED, {"X-Forwarded-User": ""}, 401),
        (PROXIED, {"X-Forwarded-User": "nobody"}, 403),
        (PROXIED, {"X-Forwarded-User": "nobody", "X-Forwarded-Roles": "staff, Viewer"}, 200),
        (ELSEWHERE, {"X-Forwarded-User": "ada"}, 403),
        (ELSEWHERE, {"X-Forwarded-User": "ada", "X-Forwarded-For": "10.1.2.3"}, 403),
    ],
)
async def test_only_a_trusted_proxy_names_people(
    shop: Environment, people: People, headers: dict[str, str], status: int
) -> None:
    """Its header from anybody else is nothing, whatever they say they are."""
    handle = await shop.start("greet", model=shop.model(["hello"]))
    await handle.result()
    async with site(shop, people) as page:
        assert (await page.page(f"/runs/{handle.id}", **headers)).status == status


async def test_a_user_named_twice_is_nobody(page: Site, shop: Environment) -> None:
    """One of the two may be the caller's own."""
    async with site(shop, PROXIED) as proxied:
        twice = [("X-Forwarded-User", "vera"), ("X-Forwarded-User", "ada")]
        answer = await page.http.get(f"{proxied.address}/api/runs/x", headers=twice)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("user", "path", "status"),
    [
        ("vera", "decide", 403),
        ("olga", "decide", 403),
        ("ada", "decide", 200),
        ("vera", "pause", 403),
        ("ada", "pause", 403),
        ("olga", "pause", 200),
        ("ada", "steer", 403),
        ("olga", "steer", 200),
    ],
)
async def test_each_act_needs_its_role(shop: Environment, user: str, path: str, status: int) -> None:
    """Approvers decide, operators steer, viewers look."""
    _, request = await asked(shop)
    bodies: dict[str, Any] = {
        "decide": {"request_id": request["request_id"], "verdict": "reject"},
        "pause": {},
        "steer": {"text": "hurry"},
    }
    async with site(shop, PROXIED, {"X-Forwarded-User": user}) as page:
        answer = await page.post(f"/api/runs/{request['workflow_id']}/{path}", bodies[path])
    assert answer.status_code == status, answer.text


async def test_whoever_may_only_look_gets_no_form(shop: Environment) -> None:
    """And a form of somebody else does not help them."""
    _, request = await asked(shop)
    async with site(shop, PROXIED) as page:
        shown = await page.page(page.path(request), **{"X-Forwarded-User": "vera"})
        assert (shown.status, "<form" in shown.html) == (200, False)
        good = form_of(await page.page(page.path(request), **{"X-Forwarded-User": "ada"})) | {"verdict": "approve"}
        assert (await page.submit(page.path(request), good, **{"X-Forwarded-User": "vera"})).status == 403
        other = await page.submit(
            page.path(request), good, **{"X-Forwarded-User": "eve", "X-Forwarded-Roles": "approver"}
        )
        assert other.status == 403
