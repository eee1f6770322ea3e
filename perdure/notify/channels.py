"""All ways to people that the settings name, behind one port."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import SecretStr

from perdure.domain.errors import ConfigurationError, PerdureError
from perdure.domain.record import Notification
from perdure.notify.mail import Mail, MailServer
from perdure.notify.port import Notifier, NotifierRefused, NotifierUnavailable
from perdure.notify.webhook import Webhook
from perdure.settings import Settings

__all__ = ["Channels", "notifier_from"]

REMEMBERED = 1_000
"""Notifications that reached one channel and not all of them."""


class Channels:
    """Tells over every channel; without any it tells nobody.

    When one fails, sending again reaches only those that have not had it, as long as this process lives.
    """

    def __init__(self, channels: Mapping[str, Notifier]) -> None:
        """Tell over these, by name."""
        self._channels = channels
        self._told: OrderedDict[str, set[str]] = OrderedDict()

    async def notify(self, notification: Notification) -> None:
        """Tell over all; raises NotifierUnavailable when any of them may work later, else what went wrong."""
        told = self._told.setdefault(notification.key, set())
        left = [name for name in self._channels if name not in told]
        outcomes = await asyncio.gather(*(self._tell(name, notification) for name in left))
        problems = [problem for problem in outcomes if problem is not None]
        told.update(name for name, problem in zip(left, outcomes, strict=True) if problem is None)
        if not problems:
            self._told.pop(notification.key, None)
            return
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        raise _together(problems)

    async def _tell(self, name: str, notification: Notification) -> PerdureError | None:
        try:
            await self._channels[name].notify(notification)
        except PerdureError as error:
            return error
        return None


def _together(problems: list[PerdureError]) -> PerdureError:
    words = "; ".join(problem.message for problem in problems)
    waits = [problem.retry_after for problem in problems if isinstance(problem, NotifierUnavailable)]
    if waits:
        return NotifierUnavailable(words, retry_after=max((wait for wait in waits if wait), default=None))
    return NotifierRefused(words)


def notifier_from(settings: Settings) -> Notifier:
    """Every channel that is set; raises ConfigurationError for settings that are wrong or only half there."""
    public_url = _public_url(settings.public_url)
    channels: dict[str, Notifier] = {}
    if settings.notify_webhook is not None:
        if settings.notify_secret is None:
            msg = "PERDURE_NOTIFY_WEBHOOK needs PERDURE_NOTIFY_SECRET, which signs what it gets"
            raise ConfigurationError(msg)
        channels["webhook"] = Webhook(SecretStr(settings.notify_webhook), settings.notify_secret, public_url)
    if (settings.notify_smtp is None) != (not settings.notify_mail):
        msg = "mails need both PERDURE_NOTIFY_SMTP, the server, and PERDURE_NOTIFY_MAIL, the addresses"
        raise ConfigurationError(msg)
    if settings.notify_smtp is not None:
        channels["mail"] = Mail(MailServer.parse(settings.notify_smtp), settings.notify_mail, public_url)
    return Channels(channels)


def _public_url(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        msg = "PERDURE_PUBLIC_URL is not an address: write https://host or https://host/path"
        raise ConfigurationError(msg)
    return url
