"""Notifications by mail, to a real SMTP server."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from perdure.domain.errors import ConfigurationError
from perdure.notify.mail import Mail, MailServer
from perdure.notify.port import NotifierRefused, NotifierUnavailable
from tests.notify.samples import SECRET, notification
from tests.notify.smtp import MailHost, certificate, mail_host, tls_of

TO = ("eve@example.com", "bob@example.com")
PASSWORD = "p:w@/"  # noqa: S105 - of a server that lives for one test
FORGED = "Pay\r\nBcc: thief@example.com\r\n\r\nand more"


def mail(host: MailHost, who: str = "", scheme: str = "smtp", to: tuple[str, ...] = TO) -> Mail:
    """Mails over this server."""
    server = MailServer.parse(SecretStr(f"{scheme}://{who}127.0.0.1:{host.port}?from=perdure@example.com"))
    return Mail(server, to, "https://agents.example.com", timeout=5)


async def test_a_mail_says_what_waits_and_where_to_answer() -> None:
    """One mail to all, in plain text, without the arguments; a repeat has the same Message-ID."""
    async with mail_host(MailHost()) as host:
        for _ in range(2):
            await mail(host).notify(notification(title="Zahle 42 € an Jürgen"))
    first, again = host.mails
    assert (first["To"], first["From"]) == (", ".join(TO), "perdure@example.com")
    assert first["Subject"] == "Waits for a decision: Zahle 42 € an Jürgen"
    assert first.get_content_type() == "text/plain"
    assert "https://agents.example.com/requests/bills%2F7%20a/req-1-aa" in first.get_content()
    assert SECRET not in first.as_string()
    assert first["Message-ID"] == again["Message-ID"]


async def test_a_title_cannot_add_headers_or_recipients() -> None:
    """Whatever a model wrote into it stays in the subject and on its line of the text."""
    async with mail_host(MailHost()) as host:
        await mail(host).notify(notification(title=FORGED, requester=FORGED))
    [sent] = host.mails
    assert (sent["Bcc"], sent["Subject"]) == (None, "Waits for a decision: Pay Bcc: thief@example.com and more")
    told = [command.split(" ")[1] for command in host.commands if command.startswith("rcpt")]
    assert told == [f"TO:<{address}>" for address in TO]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_passwords_go_over_tls(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first byte or after STARTTLS; characters of the password are quoted in the URL."""
    path = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    async with mail_host(MailHost(tls=tls_of(path), starttls=scheme == "smtp", password=PASSWORD)) as host:
        await mail(host, "ada:p%3Aw%40%2F@", scheme).notify(notification())
    assert (host.encrypted, len(host.mails)) == (True, 1)
    assert host.commands.index("AUTH PLAIN AGFkYQBwOndALw==") > 0


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """Nothing is sent, and trying again would not help."""
    async with mail_host(MailHost(tls=tls_of(certificate(tmp_path)), starttls=True)) as host:
        with pytest.raises(NotifierRefused, match="certificate"):
            await mail(host, "ada:hidden@").notify(notification())
    assert host.mails == []


async def test_a_wrong_password_is_never_told() -> None:
    """Not even when the server repeats it."""
    async with mail_host(MailHost(password=PASSWORD)) as host:
        with pytest.raises(NotifierRefused, match="user and password") as caught:
            await mail(host, "ada:hidden@").notify(notification())
    assert "hidden" not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize(
    ("replies", "kind", "words"),
    [
        ({"CONTENT": "451 later"}, NotifierUnavailable, "451"),
        ({"CONTENT": "552 too much"}, NotifierRefused, "552"),
        ({"mail": "550 not you"}, NotifierRefused, "550"),
        ({"rcpt": "450 later"}, NotifierUnavailable, "bob@example.com"),
        ({"rcpt TO:<eve": "450 later"}, NotifierRefused, "eve@example.com"),
    ],
)
async def test_an_answer_says_whether_trying_again_helps(
    replies: dict[str, str], kind: type[Exception], words: str
) -> None:
    """By its code; who has got the mail already is not sent it again because of somebody else."""
    async with mail_host(MailHost(replies=replies)) as host:
        with pytest.raises(kind, match=words):
            await mail(host).notify(notification())


async def test_an_absent_server_is_tried_again_later() -> None:
    """A closed port is not a crash."""
    async with mail_host(MailHost()) as host:
        pass
    with pytest.raises(NotifierUnavailable, match="cannot be reached"):
        await mail(host).notify(notification())


@pytest.mark.parametrize("url", ["http://h", "smtp://", "smtp://u:hidden@h:x", "smtp://u:hidden@h?from=a%0d%0ab@c"])
def test_a_server_that_is_none_is_refused_without_telling_its_password(url: str) -> None:
    """The setting is named, and what would be valid."""
    with pytest.raises(ConfigurationError, match="PERDURE_NOTIFY_SMTP") as caught:
        MailServer.parse(SecretStr(url))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("address", ["eve", "a@b, c@d", "Eve <e@x.org>", "e@x.org\nBcc: t@x.org"])
def test_an_address_that_is_none_is_refused_at_start(address: str) -> None:
    """One address each, without a name or a second line."""
    with pytest.raises(ConfigurationError, match="PERDURE_NOTIFY_MAIL"):
        mail(MailHost(port=25), to=(address,))


def test_a_sender_is_found_without_being_named() -> None:
    """The user where that is an address, else one at the server."""
    senders = [
        MailServer.parse(SecretStr(f"smtp://{rest}")).sender
        for rest in ("ada%40example.com:x@mail.example.com", "mail.example.com", "localhost")
    ]
    assert senders == ["ada@example.com", "perdure@mail.example.com", "perdure@localhost"]
