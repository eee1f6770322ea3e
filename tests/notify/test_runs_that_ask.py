"""Runs that ask people, in a worker process with a webhook and a mail server: who is told what, and how often."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.responses import Response
from temporalio.client import Client, WorkflowHandle

from perdure.testing import Environment, agents, call, eventually
from perdure.testing.history import chain_of
from tests.notify.smtp import MailHost, mail_host
from tests.notify.test_webhook import Receiver
from tests.serve.site import site, till
from tests.serving import Served
from tests.telemetry.process import WorkerProcess, environment_of
from tests.waiting import pending
from tests.wire import WireServer

KEY, PASSWORD, PATH = "key-of-the-webhook", "word-of-the-mail-server", "path-of-the-webhook"
PUBLIC = "https://agents.example.com/desk"
STEPS: list[dict[str, Any]] = [{"calls": [{"tool": "charge", "arguments": {"n": 4711}}]}, {"text": "done"}]


@dataclass
class People:
    """A webhook that is down until told otherwise, a mail server, and the worker that tells both."""

    client: Client
    queue: str
    webhook: Receiver
    mails: MailHost
    worker: WorkerProcess
    up: asyncio.Event

    async def start(self, name: str, **policy: Any) -> WorkflowHandle[Any, Any]:
        """A run whose one call waits for approval."""
        rules = {"rules": [{"tool": "charge", "level": "confirm", **policy}]}
        given = {"goal": "charge", "model": "openai-chat:any", "policy": rules, "requester": "ada"}
        return await self.client.start_workflow("Agent", given, id=name, task_queue=self.queue)

    async def told(self, count: int, occasion: str = "asked") -> list[dict[str, Any]]:
        """What was POSTed on an occasion, once it was that many times."""

        async def look() -> list[dict[str, Any]]:
            return [told for told in map(json.loads, self.bodies) if told["occasion"] == occasion]

        return await eventually(look, lambda found: len(found) >= count, 40)

    async def mail_attempts(self) -> int:
        """How often a mail was begun."""
        return self.mails.tried

    async def mails_sent(self) -> int:
        """How many mails the mail server took."""
        return len(self.mails.mails)

    @property
    def bodies(self) -> list[bytes]:
        """Every body that was POSTed, answered well or not."""
        return [body for _, body in self.webhook.got]


@asynccontextmanager
async def people(client: Client, queue: str, folder: Path) -> AsyncGenerator[People]:
    """A worker process that tells people, for as long as the block lasts."""
    up = asyncio.Event()
    webhook = Receiver(lambda: Response(status_code=204 if up.is_set() else 503, headers={"retry-after": "0"}))
    with WireServer(STEPS) as wire, Served(webhook.app) as served:
        async with mail_host(MailHost(password=PASSWORD)) as mails:
            told = {
                "PERDURE_PUBLIC_URL": PUBLIC,
                "PERDURE_NOTIFY_WEBHOOK": f"{served.url}/{PATH}",
                "PERDURE_NOTIFY_SECRET": KEY,
                "PERDURE_NOTIFY_SMTP": f"smtp://perdure:{PASSWORD}@127.0.0.1:{mails.port}",
                "PERDURE_NOTIFY_MAIL": "eve@example.com,bob@example.com",
            }
            environment = wire.env() | environment_of(client, queue, folder) | told
            worker = WorkerProcess(environment, folder / "log")
            with worker.running():
                await worker.until_ready()
                yield People(client, queue, webhook, mails, worker, up)


async def approve(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    """Approve the one request of a run; returns it."""
    (request,) = await pending(handle)
    await handle.signal("approve", {"request_id": request["request_id"], "approver": "eve"})
    return request


async def test_a_receiver_that_is_down_is_tried_again_and_holds_up_no_run(client: Client, tmp_path: Path) -> None:
    """Each of webhook and mail server has it once, however often the other one fails; it is signed and has a link."""
    async with people(client, "told", tmp_path) as told:
        held = await told.start("told-down")
        await told.told(2)
        await approve(held)
        assert (await asyncio.wait_for(held.result(), 40))["success"]
        assert len(told.mails.mails) == 1
        told.up.set()
        told.mails.replies["mail"] = "451 later"
        before, tried = len(told.webhook.got), told.mails.tried
        handle = await told.start("told/up")
        await eventually(told.mail_attempts, lambda count: count >= tried + 2, 40)
        told.mails.replies.clear()
        await eventually(told.mails_sent, lambda count: count == 2, 40)
        request = await approve(handle)
        assert (await asyncio.wait_for(handle.result(), 40))["success"]
        ((headers, body),) = told.webhook.got[before:]
        told.worker.terminate()
        assert await asyncio.to_thread(told.worker.process.wait, 40) == 0
    check_signature(headers, body)
    link = f"{PUBLIC}/requests/told%2Fup/{request['request_id']}"
    assert json.loads(body)["url"] == link
    assert len({headers["idempotency-key"] for headers, _ in told.webhook.got}) == 2
    assert len(told.mails.mails) == 2
    assert link in told.mails.mails[1].get_content()
    for run in (held, handle):
        history = await chain_of(client, run)
        assert history.count("run.notify") == 1
        text = b"".join(event.SerializeToString() for event in history.events).decode(errors="replace")
        assert "4711" in text
        assert_no_secret(text)
    assert_no_secret(told.worker.words)
    assert b"4711" not in b"".join(told.bodies)


def check_signature(headers: dict[str, str], body: bytes) -> None:
    """As a receiver would."""
    at, mark = (part.partition("=")[2] for part in headers["x-perdure-signature"].split(","))
    assert mark == hmac.new(KEY.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def assert_no_secret(text: str) -> None:
    """Neither keys nor the address of the webhook, which may be one."""
    assert [secret for secret in (KEY, PASSWORD, PATH) if secret in text] == []


async def test_reminders_and_escalations_reach_people_too(client: Client, tmp_path: Path) -> None:
    """Each has a key of its own, and an escalation is for those who may decide from then on."""
    async with people(client, "reminded", tmp_path) as told:
        told.up.set()
        handle = await told.start("reminded", approvers=["eve"], reminder=1, escalate_after=2, escalate_to=["dora"])
        (asked,) = await told.told(1)
        reminded = await told.told(2, "reminder")
        (escalated,) = await told.told(1, "escalation")
        await approve(handle)
        await handle.result()
        subjects = [mail["Subject"] for mail in told.mails.mails]
    assert (asked["to"], reminded[0]["to"], escalated["to"]) == (["eve"], ["eve"], ["dora"])
    assert len({asked["key"], reminded[0]["key"], reminded[1]["key"], escalated["key"]}) == 4
    assert len({item["request_id"] for item in (asked, *reminded, escalated)}) == 1
    leads = {subject.partition(":")[0] for subject in subjects}
    assert leads == {"Waits for a decision", "Still waits for a decision", "Escalated, waits for a decision"}


async def test_the_link_leads_to_the_page_of_the_request(client: Client) -> None:
    """As the application serves it, with the sentence of the call."""
    webhook = Receiver()
    with Served(webhook.app) as served:
        settings = {"notify_webhook": served.url, "notify_secret": KEY, "public_url": PUBLIC}
        async with agents(till([]), client=client, settings=settings) as shop, site(shop) as page:
            told, handle = await asked(shop, webhook)
            shown = await page.page(told["url"].removeprefix(PUBLIC))
            await handle.cancel()
    assert (shown.status, "Pay 4200 cents to Ada" in shown.text) == (200, True)


async def asked(shop: Environment, webhook: Receiver) -> tuple[dict[str, Any], WorkflowHandle[Any, Any]]:
    """What the webhook is told of a run that waits, and the run."""

    async def look() -> int:
        return len(webhook.got)

    handle = await shop.start("pay", model=shop.model([call("pay", customer="Ada", cents=4200), "done"]))
    await eventually(look, lambda count: count == 1)
    return json.loads(webhook.got[0][1]), handle
