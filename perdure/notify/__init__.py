"""Tells people outside that a request waits: by webhook, by mail, or not at all."""

from perdure.notify.channels import notifier_from
from perdure.notify.port import Notifier, NotifierRefused, NotifierUnavailable

__all__ = ["Notifier", "NotifierRefused", "NotifierUnavailable", "notifier_from"]
