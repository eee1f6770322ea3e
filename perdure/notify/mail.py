"""Notifications as plain-text mails over SMTP."""

import hashlib
import ipaddress
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime
from typing import Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pydantic import SecretStr

from perdure.domain.errors import ConfigurationError
from perdure.domain.record import Notification
from perdure.notify.message import line, subject_of, text_of
from perdure.notify.port import NotifierRefused, NotifierUnavailable
from perdure.tools.threads import in_thread

__all__ = ["Mail", "MailServer"]

TIMEOUT = 10.0
"""Seconds for each step of the conversation with the mail server."""
PORTS = {"smtp": 587, "smtps": 465}
PASSING = range(400, 500)
"""Answers of SMTP that mean: later."""
USAGE = "PERDURE_NOTIFY_SMTP is not an address: write smtp://user:password@host:587 or smtps://user:password@host"


@dataclass(frozen=True)
class MailServer:
    """Where mails go out: TLS from the first byte (`tls`), or from STARTTLS on."""

    host: str
    port: int
    tls: bool
    user: str
    password: SecretStr
    sender: str

    @classmethod
    def parse(cls, url: SecretStr) -> Self:
        """Read `smtp://user:password@host:port?from=ADDRESS` or `smtps://...`; raises ConfigurationError.

        Without `from` mails come from the user, if that is an address, else from `perdure@host`.
        """
        try:
            parts = urlsplit(url.get_secret_value())
            port, host = parts.port, parts.hostname
        except ValueError:
            raise ConfigurationError(USAGE) from None
        if parts.scheme not in PORTS or not host or parts.path not in ("", "/"):
            raise ConfigurationError(USAGE)
        user = unquote(parts.username or "")
        return cls(
            host=host,
            port=port or PORTS[parts.scheme],
            tls=parts.scheme == "smtps",
            user=user,
            password=SecretStr(unquote(parts.password or "")),
            sender=_address(_sender(parts, user, host), "the sender in PERDURE_NOTIFY_SMTP"),
        )

    @property
    def here(self) -> bool:
        """Whether it is on this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def _sender(parts: SplitResult, user: str, host: str) -> str:
    named = parse_qs(parts.query).get("from", [])
    if named:
        return named[-1]
    return user if "@" in user else f"perdure@{host if '.' in host and ':' not in host else 'localhost'}"


def _address(text: str, what: str) -> str:
    """The address, if it is one and nothing else: no name, no second address, no line break."""
    try:
        address = Address(addr_spec=text)
    except (ValueError, IndexError, MessageError):
        address = Address()
    if not address.username or not address.domain or not text.isprintable():
        msg = f"{what} is not an address like ada@example.com"
        raise ConfigurationError(msg)
    return address.addr_spec


class Mail:
    """Sends each notification as one mail to all addresses; repeats of it have the same Message-ID."""

    def __init__(self, server: MailServer, to: Sequence[str], public_url: str | None, timeout: float = TIMEOUT) -> None:
        """Raises ConfigurationError for an address that is none. `timeout` is in seconds, for each step."""
        self._server, self._public_url, self._timeout = server, public_url, timeout
        self._to = [_address(text, f"{line(text, 80)!r} in PERDURE_NOTIFY_MAIL") for text in to]
        self._name = f"the mail server {server.host}:{server.port}"
        self._send = in_thread(self._deliver)

    async def notify(self, notification: Notification) -> None:
        """Send it once."""
        try:
            refused = await self._send(self._mail(notification))
        except smtplib.SMTPAuthenticationError:
            # Never its own words: a server may repeat what it was sent.
            msg = f"{self._name} does not accept the user and password of PERDURE_NOTIFY_SMTP"
            raise NotifierRefused(msg) from None
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except smtplib.SMTPResponseException as error:
            kind = NotifierUnavailable if error.smtp_code in PASSING else NotifierRefused
            raise kind(f"{self._name} answered {error.smtp_code}") from None
        except smtplib.SMTPNotSupportedError:
            msg = f"{self._name} offers no encryption or no way to sign in: name another one, or smtps://"
            raise NotifierRefused(msg) from None
        except ssl.SSLCertVerificationError as error:
            msg = f"the certificate of {self._name} does not hold: {error.verify_message}"
            raise NotifierRefused(msg) from None
        except (smtplib.SMTPException, OSError) as error:
            msg = f"{self._name} cannot be reached ({type(error).__name__})"
            raise NotifierUnavailable(msg) from None
        if refused:
            self._complain({address: code for address, (code, _) in refused.items()})

    def _complain(self, refused: dict[str, int]) -> None:
        """Nobody got it and some may later: try again. Else whoever could be reached was, once."""
        words = ", ".join(f"{address} ({code})" for address, code in sorted(refused.items()))
        msg = f"{self._name} does not take mails for {words}"
        if len(refused) == len(self._to) and any(code in PASSING for code in refused.values()):
            raise NotifierUnavailable(msg)
        raise NotifierRefused(msg)

    def _mail(self, notification: Notification) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._server.sender
        mail["To"] = ", ".join(self._to)
        mail["Subject"] = subject_of(notification)
        mail["Date"] = localtime()
        mail["Message-ID"] = f"<{hashlib.sha256(notification.key.encode()).hexdigest()[:40]}@perdure>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text_of(notification, self._public_url))
        return mail

    def _deliver(self, mail: EmailMessage) -> dict[str, tuple[int, bytes]]:
        """Send it, and return the addresses that were refused beside others that were not."""
        server, tls = self._server, ssl.create_default_context()
        if server.tls:
            with smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout, context=tls) as smtp:
                return self._talk(smtp, mail)
        with smtplib.SMTP(server.host, server.port, timeout=self._timeout) as smtp:
            smtp.ehlo()
            if smtp.has_extn("starttls"):
                smtp.starttls(context=tls)
            elif server.user and not server.here:
                # A password over a line that others can read would be theirs.
                raise smtplib.SMTPNotSupportedError
            return self._talk(smtp, mail)

    def _talk(self, smtp: smtplib.SMTP, mail: EmailMessage) -> dict[str, tuple[int, bytes]]:
        if self._server.user:
            smtp.login(self._server.user, self._server.password.get_secret_value())
        return smtp.send_message(mail, from_addr=self._server.sender, to_addrs=self._to)
