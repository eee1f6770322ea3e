"""What notifications say, and what they never say."""

import pytest

from perdure.domain.approvals import Vote
from perdure.notify.message import body_of, line, link, subject_of, text_of
from tests.notify.samples import SECRET, notification

PAGE = "https://agents.example.com/desk/"


def test_the_body_names_the_request_and_where_to_answer_it() -> None:
    """Ids are quoted in the address, so that no id can lead elsewhere; times are ISO 8601."""
    body = body_of(notification("reminder"), PAGE)
    assert body == {
        "occasion": "reminder",
        "request_id": "req-1-aa",
        "workflow_id": "bills/7 a",
        "title": "Send an invoice of 42 EUR",
        "level": "review",
        "requester": "ada",
        "to": ["role:finance"],
        "asked_at": "2026-11-21T09:30:00+00:00",
        "expires_at": "2026-11-22T09:30:00+00:00",
        "url": "https://agents.example.com/desk/requests/bills%2F7%20a/req-1-aa",
        "key": "key of reminder",
    }


def test_without_a_page_a_mail_names_the_command() -> None:
    """There is no link then, and the reader still knows what to do."""
    assert link(None, notification().request) is None
    assert "uv run starter.py approvals bills/7 a" in text_of(notification(), None)


def test_a_mail_tells_who_asked_for_whom_and_until_when() -> None:
    """Everything a person needs before opening the page."""
    told = text_of(
        notification("escalation", quorum=2, votes=(Vote(by="eve", at=notification().request.asked_at),)), PAGE
    )
    assert body_of(notification().model_copy(update={"to": ()}), PAGE)["to"] == ["eve"]
    for part in ("Escalated", "42 EUR", "ada", "role:finance", "review", "1 of 2", "2026-11-22 09:30 UTC", PAGE):
        assert part in told


@pytest.mark.parametrize("title", ["Send an invoice", f'send_invoice {{"to": "{SECRET}"}}'])
def test_arguments_of_a_call_are_never_told(title: str) -> None:
    """Not even when the title of a tool without a sentence is the call itself."""
    shown = notification(title=title)
    told = [str(body_of(shown, PAGE)), subject_of(shown), text_of(shown, PAGE)]
    assert [part for part in told if SECRET in part] == []
    assert len([part for part in told if "nvoice" in part]) == 3


def test_what_models_wrote_stays_on_its_line() -> None:
    """Line breaks of every kind, control and direction characters become spaces; long lines are cut."""
    assert line("a\r\nBcc: b\u2028c\x00d\u202ee") == "a Bcc: b c d e"
    assert line("x" * 400, 10) == "x" * 9 + "…"
    forged = text_of(notification(title="a\nAsked by: root"), PAGE).splitlines()
    assert [row for row in forged if row.startswith("Asked by:")] == ["Asked by:   ada"]
