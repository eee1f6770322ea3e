"""The application on a real socket, over a real Temporal server and worker, and what a browser would do with it."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import httpx2

from perdure.domain.identity import Role
from perdure.listening import listen, serve_until
from perdure.serve.app import create_app
from perdure.serve.people import People, networks
from perdure.settings import Settings
from perdure.testing import Environment, call
from perdure.tools import Registry
from tests.samples import registry_of
from tests.waiting import pending

__all__ = ["PROXIED", "Page", "Site", "asked", "form_of", "site", "till"]

PROXIED = People(
    user_header="X-Forwarded-User",
    roles_header="X-Forwarded-Roles",
    roles={"ada": (Role.APPROVER,), "olga": (Role.OPERATOR,), "vera": (Role.VIEWER,)},
    proxies=networks(["127.0.0.1"]),
)


@dataclass(frozen=True)
class Page:
    """An answer, as a reader sees it."""

    status: int
    html: str

    @property
    def text(self) -> str:
        """Its text without tags, with single spaces."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.html)).split())


class _Form(HTMLParser):
    """Collects the controls of a page's form as a browser would send them."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._area: str | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "input":
            self.values[found["name"]] = found.get("value", "")
        elif tag == "textarea":
            self._area = found["name"]
            self.values[self._area] = ""
        elif tag == "select":
            self._select = found["name"]
        elif tag == "option" and ("selected" in found or self._select not in self.values):
            self.values[self._select] = found.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self.values[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area is not None:
            text = self.values[self._area].removeprefix("\n").replace("\n", "\r\n")
            self.values[self._area], self._area = text, None


def form_of(page: Page) -> dict[str, str]:
    """The form of a page, filled in as it came."""
    parser = _Form()
    parser.feed(page.html)
    return parser.values


@dataclass(frozen=True)
class Site:
    """A served application; `headers` go with every request."""

    http: httpx2.AsyncClient
    address: str
    headers: dict[str, str]

    def path(self, request: dict[str, Any]) -> str:
        """Path of a request's page."""
        return f"/requests/{quote(request['workflow_id'], safe='')}/{quote(request['request_id'], safe='')}"

    async def page(self, path: str, **headers: str) -> Page:
        """GET a page."""
        answer = await self.http.get(self.address + path, headers=self.headers | headers)
        return Page(answer.status_code, answer.text)

    async def submit(self, path: str, values: dict[str, str], **headers: str) -> Page:
        """POST a form."""
        answer = await self.http.post(self.address + path, data=values, headers=self.headers | headers)
        return Page(answer.status_code, answer.text)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """GET JSON."""
        return await self.http.get(self.address + path, headers=self.headers | headers)

    async def post(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        """POST JSON."""
        return await self.http.post(self.address + path, json=body, headers=self.headers | headers)


@asynccontextmanager
async def site(
    env: Environment, people: People | None = None, headers: dict[str, str] | None = None, **options: Any
) -> AsyncGenerator[Site]:
    """Serve the application over a test's worker; by default for one user, ada."""
    listening, ended = listen("127.0.0.1", 0), asyncio.Event()
    settings = Settings(task_queue=env.task_queue)
    app = create_app(env.client, settings, people=people or People(user="ada"), ended=ended, **options)
    serving = asyncio.create_task(serve_until(ended, app, listening))
    try:
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as http:
            yield Site(http, f"http://127.0.0.1:{listening.getsockname()[1]}", headers or {})
    finally:
        ended.set()
        await serving


def till(log: list[tuple[str, int]], ask: str = "Pay {cents} cents to {customer}") -> Registry:
    """A registry with the tool `pay`, which writes what it has paid into `log`."""

    async def pay(customer: str, cents: int, note: str = "") -> str:  # noqa: ARG001 - part of the form
        """Pay an amount."""
        log.append((customer, cents))
        return f"paid {cents} to {customer}"

    return registry_of(("once", pay), pay={"ask": ask})


async def asked(shop: Environment, **arguments: Any) -> tuple[Any, dict[str, Any]]:
    """A run that waits for the approval of a payment."""
    given = {"customer": "Ada", "cents": 4200} | arguments
    handle = await shop.start("pay", model=shop.model([call("pay", **given), "done"]), requester="bob")
    (request,) = await pending(handle)
    return handle, request
