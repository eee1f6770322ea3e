"""Several ways to people at once, and what the settings make of them."""

import pytest
from pydantic import SecretStr

from perdure.domain.errors import ConfigurationError, PerdureError
from perdure.domain.record import Notification
from perdure.notify import NotifierRefused, NotifierUnavailable, notifier_from
from perdure.notify.channels import Channels
from perdure.settings import Settings
from tests.notify.samples import notification
from tests.notify.smtp import MailHost, mail_host
from tests.notify.test_webhook import Receiver
from tests.serving import Served


class Fake:
    """Fails as often as it was told to, then counts."""

    def __init__(self, *failures: PerdureError) -> None:
        self._failures = list(failures)
        self.told = 0

    async def notify(self, notification: Notification) -> None:
        """Fail or count."""
        assert notification.key
        if self._failures:
            raise self._failures.pop(0)
        self.told += 1


async def test_a_channel_that_worked_is_not_told_again_because_of_another() -> None:
    """Sending again reaches only those that have not had it; a new notification reaches all."""
    works, fails = Fake(), Fake(NotifierUnavailable("later", retry_after=3))
    channels = Channels({"a": works, "b": fails})
    with pytest.raises(NotifierUnavailable, match="later") as caught:
        await channels.notify(notification())
    assert caught.value.retry_after == 3
    await channels.notify(notification())
    assert (works.told, fails.told) == (1, 1)
    await channels.notify(notification("reminder"))
    assert (works.told, fails.told) == (2, 2)


async def test_while_one_may_work_later_it_is_tried_again() -> None:
    """And when none may, that is final; all that is wrong is told."""
    channels = Channels(
        {"a": Fake(NotifierRefused("never"), NotifierRefused("never")), "b": Fake(NotifierUnavailable("later"))}
    )
    with pytest.raises(NotifierUnavailable, match="never; later"):
        await channels.notify(notification())
    with pytest.raises(NotifierRefused, match="never"):
        await channels.notify(notification())


async def test_the_settings_name_the_channels() -> None:
    """Webhook and mail are both told; without either nothing happens."""
    receiver = Receiver()
    with Served(receiver.app) as served:
        async with mail_host(MailHost()) as host:
            settings = Settings(
                public_url="https://agents.example.com",
                notify_webhook=served.url,
                notify_secret=SecretStr("s"),
                notify_smtp=SecretStr(f"smtp://127.0.0.1:{host.port}"),
                notify_mail=("eve@example.com",),
            )
            await notifier_from(settings).notify(notification())
    assert (len(receiver.got), len(host.mails)) == (1, 1)
    await notifier_from(Settings()).notify(notification())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(notify_webhook="https://h"), "PERDURE_NOTIFY_SECRET"),
        (Settings(notify_webhook="https://h", notify_secret=SecretStr(" ")), "PERDURE_NOTIFY_SECRET"),
        (Settings(notify_smtp=SecretStr("smtp://h")), "PERDURE_NOTIFY_MAIL"),
        (Settings(notify_mail=("eve@example.com",)), "PERDURE_NOTIFY_SMTP"),
        (Settings(public_url="agents.example.com"), "PERDURE_PUBLIC_URL"),
    ],
)
def test_settings_that_are_half_there_are_refused(settings: Settings, words: str) -> None:
    """At start, with what is missing."""
    with pytest.raises(ConfigurationError, match=words):
        notifier_from(settings)
