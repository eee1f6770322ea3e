"""An approver in headless Chromium, with scripts switched off: reads the sentence, edits an amount, approves."""

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, RPCError, WorkflowHandle

from perdure.domain.approvals import Request
from perdure.domain.run import RunResult
from perdure.identity import Signer
from perdure.notify.message import link
from perdure.testing import Environment, agents, call, eventually
from perdure.tools import Registry
from tests.browser.chrome import DESKTOP, ENTER, MISSING, PHONE, Chrome, chrome
from tests.keys import Pair, make_pair
from tests.samples import registry_of
from tests.serve.site import Site, site

pytestmark = [pytest.mark.skipif(bool(MISSING), reason=MISSING)]

NOTE = "Invoice 2026-118 of the workshop, due on Friday; the order is in the folder of the project."


@pytest.fixture
def paid(tmp_path: Path) -> Path:
    """The file in which the tool keeps what it has paid."""
    return tmp_path / "paid.log"


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Keys of the page and of the worker."""
    return make_pair(tmp_path)


@pytest.fixture
async def desk(client: Client, paid: Path, pair: Pair) -> AsyncGenerator[Environment]:
    """A worker with a tool that pays, which takes only signed decisions."""
    settings = {"public_keys": pair.public, "unsigned": "deny"}
    async with agents(till(paid), client=client, settings=settings) as environment:
        yield environment
        with contextlib.suppress(RPCError):  # an inbox would wait for what it leaves behind
            await environment.client.get_workflow_handle(f"{environment.task_queue}-1").terminate()


@pytest.fixture
async def page(desk: Environment, pair: Pair) -> AsyncGenerator[Site]:
    """The application for one approver, ada, whose decisions it signs."""
    async with site(desk, signer=Signer(pair.private)) as served:
        yield served


@pytest.fixture(scope="module")
async def browser() -> AsyncGenerator[Chrome]:
    """A browser for all of these tests."""
    async with chrome() as opened:
        yield opened


@pytest.fixture
async def window(browser: Chrome) -> Chrome:
    """Its window, on a desktop and empty."""
    await browser.open("data:text/html,<noscript>without scripts</noscript>")
    assert await browser.text() == "without scripts"
    await browser.size(*DESKTOP)
    return browser


def till(paid: Path) -> Registry:
    """A registry with the tool `pay`, which appends each payment to a file."""

    async def pay(customer: str, cents: int, note: str = "", *, urgent: bool = False) -> str:  # noqa: ARG001 - part of the form
        """Pay an amount."""
        with paid.open("a", encoding="utf-8") as log:
            log.write(f"{customer} {cents}\n")
        return f"paid {cents} to {customer}"

    return registry_of(("once", pay), pay={"ask": "Pay {cents} cents to {customer}"})


async def asked(desk: Environment) -> tuple[WorkflowHandle[Any, RunResult], Request]:
    """A run of bob's that waits for the approval of a payment."""
    steps = [call("pay", customer="Workshop Ltd", cents=4200, note=NOTE), "The invoice is paid."]
    handle = await desk.start("Pay the invoice of the workshop", model=desk.model(steps), requester="bob")
    (request,) = await desk.pending()
    return handle, request


async def decisions(desk: Environment) -> list[dict[str, Any]]:
    """What the last run's history holds of decisions."""
    events = (await desk.history()).events
    accepted = [event.workflow_execution_update_accepted_event_attributes for event in events]
    found = [update.accepted_request.input for update in accepted if update.accepted_request.input.name == "decide"]
    converter = desk.client.data_converter
    return [(await converter.decode(each.args.payloads))[0] for each in found]


async def test_an_edited_amount_is_paid_once(desk: Environment, page: Site, window: Chrome, paid: Path) -> None:
    """From the link of a notification: the sentence, the form, the difference, the approval, signed as ada's."""
    handle, request = await asked(desk)
    await window.open(link(page.address, request) or "")
    assert await window.text("h1") == "Pay 4200 cents to Workshop Ltd"
    assert '"cents": 4200' in await window.text("pre")
    await window.shot("request-desktop")
    await window.fill("[name='arg.cents']", "3900")
    await window.click(await window.find("button[value=edit]"))
    assert await window.shows("h1", "Approve with this change?")
    assert (await window.text("del"), await window.text("ins")) == ("4200", "3900")
    await window.shot("confirm-desktop")
    assert not paid.exists()
    await window.click(await window.find("button"))
    assert await window.shows("h1", "Recorded: edit")
    await window.shot("decided-desktop")
    assert (await handle.result()).success
    assert paid.read_text(encoding="utf-8") == "Workshop Ltd 3900\n"
    assert (await desk.history()).count("tools.call") == 1
    [decision] = await decisions(desk)
    assert (decision["verdict"], decision["approver"], decision["arguments"]["cents"]) == ("edit", "ada", 3900)
    await window.click(await window.link("The run"))
    assert await window.shows(".facts", "completed")
    await window.shot("run-desktop")


async def test_the_keyboard_alone_is_enough(desk: Environment, page: Site, window: Chrome, paid: Path) -> None:
    """Tab and Enter from the inbox on: every step shows where the focus is, and Enter in a field approves nothing."""
    handle, request = await asked(desk)

    async def waiting() -> bool:
        await window.open(page.address)
        return request.workflow_id in await window.text()

    assert await eventually(waiting, bool)
    await window.tab_to("link Pay 4200 cents to Workshop Ltd")
    await window.press(ENTER)
    assert await window.shows("h2", "Exactly this")
    way = await window.tab_to("textbox cents")
    assert way[:2] == ["link Skip to the content", "link Inbox"]
    await window.press(ENTER)
    assert await window.shows("[role=alert]", "nothing was changed")
    await window.tab_to("textbox cents")
    await window.press("3900")
    assert await window.value("[name='arg.cents']") == "3900"
    await window.press(ENTER)
    assert await window.shows("ins", "3900")
    await window.tab_to("button Approve this change")
    await window.shot("keyboard-confirm")
    assert not paid.exists()
    await window.press(ENTER)
    assert await window.shows("h1", "Recorded: edit")
    assert (await handle.result()).success
    assert paid.read_text(encoding="utf-8") == "Workshop Ltd 3900\n"
    assert [decision["arguments"]["cents"] for decision in await decisions(desk)] == [3900]


async def fits(window: Chrome) -> None:
    """Fail unless the page is as wide as the window, once its layout is done: that is not asked for, only told."""
    await eventually(window.overflow, lambda pixels: pixels == 0, 10)


@pytest.mark.parametrize(("name", "size"), [("desktop", DESKTOP), ("phone", PHONE)])
async def test_no_page_has_to_be_scrolled_sideways(
    desk: Environment, page: Site, window: Chrome, name: str, size: tuple[int, int]
) -> None:
    """Inbox, request, difference, run and conversation fit the width of a desktop and of a phone."""
    _, request = await asked(desk)
    await window.size(*size)
    paths = {
        "inbox": "/",
        "request": page.path(request.model_dump()),
        "run": f"/runs/{request.workflow_id}",
        "talk": f"/transcripts/{request.workflow_id}",
    }
    for kind, path in paths.items():
        await window.open(page.address + path)
        await window.shot(f"{kind}-{name}")
        await fits(window)
    await window.open(page.address + paths["request"])
    await window.fill("[name='arg.note']", NOTE * 3)
    await window.click(await window.find("button[value=approve]"))
    assert await window.shows("h1", "Approve with this change?")
    await window.shot(f"difference-{name}")
    await fits(window)
