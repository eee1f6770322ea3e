"""What tells people, as a Protocol, and the two ways in which it can fail."""

from typing import Protocol

from perdure.domain.errors import Operator, Waitable
from perdure.domain.record import Notification

__all__ = ["Notifier", "NotifierRefused", "NotifierUnavailable"]


class NotifierUnavailable(Waitable):
    """The receiver cannot be reached or is busy: the same notification may be sent again later."""


class NotifierRefused(Operator):
    """The receiver does not take the notification: sending it again would not help."""


class Notifier(Protocol):
    """A way to people."""

    async def notify(self, notification: Notification) -> None:
        """Tell people, in bounded time; the same key may come again and should reach them once.

        Raises NotifierUnavailable when it is worth trying again, NotifierRefused when it is not.
        """
        ...
