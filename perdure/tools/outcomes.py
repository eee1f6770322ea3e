"""Words with which a tool and its read-back hook say what became of a call."""

__all__ = ["NotHappened", "OutcomeUnknown"]


class OutcomeUnknown(Exception):
    """Raised by a tool that cannot tell whether its effect happened; give words for the human who will decide."""


class NotHappened(Exception):
    """Returned (the class or an instance) or raised by a `verify` hook: the call with this key left no effect."""
