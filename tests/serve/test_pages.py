"""The approver's page: what it shows, and what its forms do to a run."""

from typing import Any

import pytest

from perdure.testing import Environment, call
from tests.serve.site import Site, asked, form_of
from tests.waiting import eventually, pending


async def test_the_inbox_shows_what_waits_and_what_a_no_does(shop: Environment, page: Site) -> None:
    """Title, requester, agent, age, deadline and cost of a request, with a link to it."""
    _, request = await asked(shop)

    async def look() -> Any:
        return await page.page("/")

    seen = await eventually(look, lambda found: request["workflow_id"] in found.html)
    assert f'href="{page.path(request)}"' in seen.html
    assert "Pay 4200 cents to Ada" in seen.text
    for words in ("Asked by bob", "Agent default", "seconds ago", "Deadline none", "Cost so far", "A no: the call is"):
        assert words in seen.text


async def test_an_approval_by_the_form_makes_the_call_once(
    shop: Environment, page: Site, log: list[tuple[str, int]]
) -> None:
    """The same form sent again has the same answer, and pays nothing more."""
    handle, request = await asked(shop)
    shown = await page.page(page.path(request))
    assert (shown.status, request["digest"] in shown.text, '"cents": 4200' in shown.text) == (200, True, True)
    done = await page.submit(page.path(request), form_of(shown) | {"verdict": "approve"})
    assert (done.status, "Recorded: approve" in done.text) == (200, True)
    assert (await handle.result()).success
    again = await page.submit(page.path(request), form_of(shown) | {"verdict": "approve"})
    assert again.status in {404, 410}
    assert log == [("Ada", 4200)]


@pytest.mark.parametrize("button", ["edit", "approve"])
async def test_an_edit_shows_the_difference_before_it_is_sent(
    shop: Environment, page: Site, log: list[tuple[str, int]], button: str
) -> None:
    """Also when the plain button was pressed after a value was changed: nobody approves what they do not see."""
    handle, request = await asked(shop)
    shown = await page.page(page.path(request))
    difference = await page.submit(page.path(request), form_of(shown) | {"arg.cents": "99", "verdict": button})
    assert difference.status == 200
    assert "<del>4200</del>" in difference.html
    assert "<ins>99</ins>" in difference.html
    assert log == []
    done = await page.submit(page.path(request), form_of(difference))
    assert "Recorded: edit" in done.text
    assert (await handle.result()).success
    assert log == [("Ada", 99)]


async def test_values_of_a_confirmed_edit_cannot_be_exchanged(
    shop: Environment, page: Site, log: list[tuple[str, int]]
) -> None:
    """The token of the page with the difference is for exactly that difference."""
    _, request = await asked(shop)
    shown = await page.page(page.path(request))
    difference = await page.submit(page.path(request), form_of(shown) | {"arg.cents": "99", "verdict": "edit"})
    other = form_of(difference) | {"edited": '{"cents":1,"customer":"Eve"}'}
    assert (await page.submit(page.path(request), other)).status == 403
    assert log == []


async def test_a_value_that_does_not_fit_is_refused_beside_its_field(shop: Environment, page: Site) -> None:
    """What was filled in stays, and nothing is sent."""
    _, request = await asked(shop)
    shown = await page.page(page.path(request))
    again = await page.submit(page.path(request), form_of(shown) | {"arg.cents": "many", "verdict": "edit"})
    assert (again.status, "write a number" in again.text) == (422, True)
    assert form_of(again)["arg.cents"] == "many"


async def test_an_edit_without_a_change_says_so(shop: Environment, page: Site) -> None:
    """The Enter key in a field presses this button: it must not approve by accident."""
    _, request = await asked(shop)
    shown = await page.page(page.path(request))
    again = await page.submit(page.path(request), form_of(shown) | {"verdict": "edit"})
    assert (again.status, "nothing was changed" in again.text) == (422, True)


async def test_a_rejection_reaches_the_model_with_its_reason(
    shop: Environment, page: Site, log: list[tuple[str, int]]
) -> None:
    """The run goes on, nothing is paid."""
    handle, request = await asked(shop)
    shown = await page.page(page.path(request))
    done = await page.submit(page.path(request), form_of(shown) | {"verdict": "reject", "reason": "too much"})
    assert "Recorded: reject" in done.text
    assert (await handle.result()).success
    [told] = [message for message in await shop.transcript(handle) if message["kind"] == "tool_result"]
    assert "too much" in str(told["text"])
    assert log == []


async def test_a_digest_of_another_call_is_refused_in_words(
    shop: Environment, page: Site, log: list[tuple[str, int]]
) -> None:
    """A decision on what was shown before does not count for what waits now."""
    _, request = await asked(shop)
    shown = await page.page(page.path(request))
    done = await page.submit(page.path(request), form_of(shown) | {"verdict": "approve", "digest": "0" * 64})
    assert (done.status, "does not count" in done.text, "digest" in done.text) == (409, True, True)
    assert log == []


async def test_a_stop_ends_the_run(shop: Environment, page: Site) -> None:
    """With what it has reached."""
    handle, request = await asked(shop)
    shown = await page.page(page.path(request))
    await page.submit(page.path(request), form_of(shown) | {"verdict": "stop"})
    assert (await handle.result()).stop_reason == "stopped"


async def test_hostile_text_stays_text(shop: Environment, page: Site) -> None:
    """Markup is escaped everywhere, and characters that hide or turn text are written out."""
    hostile = "<script>alert(1)</script>\"'\u202egnp\u200b"
    handle = await shop.start(
        hostile, model=shop.model([call("pay", customer=hostile, cents=1), "x"]), requester=hostile
    )
    (request,) = await pending(handle)
    name = handle.id
    pages = [await page.page(path) for path in (page.path(request), f"/runs/{name}", f"/transcripts/{name}")]
    changed = form_of(pages[0]) | {"arg.customer": hostile + "<b>", "verdict": "edit"}
    pages.append(await page.submit(page.path(request), changed))
    for shown in pages:
        assert shown.status == 200
        assert "<script" not in shown.html
        assert "<b>" not in shown.html
        assert "alert(1)" in shown.text
        assert "\\u{202e}gnp\\u{200b}" in shown.text
    assert form_of(pages[0])["arg.customer"] == hostile


async def test_untouched_fields_keep_every_character(shop: Environment, page: Site, log: list[tuple[str, int]]) -> None:
    """Browsers change line ends of what they send back: that is no edit."""
    text = "\n two\r\nlines\rof text \n"
    handle, request = await asked(shop, customer=text)
    shown = await page.page(page.path(request))
    done = await page.submit(page.path(request), form_of(shown) | {"verdict": "approve"})
    assert "Recorded: approve" in done.text
    await handle.result()
    assert log == [(text, 4200)]


async def test_a_run_that_is_over_shows_its_result_and_its_conversation(shop: Environment, page: Site) -> None:
    """And its requests are gone, in words."""
    handle = await shop.start("greet", model=shop.model(["hello there"]))
    await handle.result()
    shown = await page.page(f"/runs/{handle.id}")
    assert (shown.status, "hello there" in shown.text, "completed" in shown.text) == (200, True, True)
    talk = await page.page(f"/transcripts/{handle.id}")
    assert "Messages 1 to 2 of 2" in talk.text
    gone = await page.page(f"/requests/{handle.id}/req-1-00000000")
    assert (gone.status, "has ended" in gone.text) == (410, True)


@pytest.mark.parametrize("path", ["/runs/nobody", "/requests/nobody/req-1", "/transcripts/nobody", "/nowhere"])
async def test_what_does_not_exist_is_a_page_with_words(page: Site, path: str) -> None:
    """And a status that says so."""
    shown = await page.page(path)
    assert (shown.status, "Not Found" in shown.text) == (404, True)
