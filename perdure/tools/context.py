"""What a running tool can learn about the call it serves: its key, its attempt, and a way to show progress."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass

from perdure.domain.model import JsonValue

__all__ = ["CurrentCall", "calling", "current_call"]


def _unheard(_details: JsonValue) -> None:
    """Take a heartbeat that nobody waits for."""


def _untold(_words: str) -> None:
    """Take words that nobody reads."""


@dataclass(frozen=True)
class CurrentCall:
    """The call a tool serves. `key` is equal over every attempt of one call and differs between calls."""

    key: str
    tool: str
    workflow_id: str
    attempt: int
    on_heartbeat: Callable[[JsonValue], None] = _unheard
    on_progress: Callable[[str], None] = _untold

    def heartbeat(self, details: JsonValue = None) -> None:
        """Say that the work goes on; `details` (small JSON) are shown while it runs. Works from any thread.

        A tool declared with `heartbeat=` seconds must call this more often than that, or it is stopped.
        """
        self.on_heartbeat(details)

    def progress(self, words: object) -> None:
        """Tell people who read along how far the work is, in at most 2,000 characters. Works from any thread.

        Never raises. Of a tool that tells more than 200 times a second only the newest words arrive.
        """
        with suppress(Exception):
            self.on_progress(words if isinstance(words, str) else str(words))


_CURRENT: ContextVar[CurrentCall] = ContextVar("perdure_current_call")


def current_call() -> CurrentCall:
    """Return the call that the running tool serves; outside of one this is a RuntimeError that says so."""
    call = _CURRENT.get(None)
    if call is None:
        message = (
            "current_call() works only inside a tool while Perdure runs it; "
            "in a unit test wrap the tool: with perdure.tools.calling(CurrentCall(key=..., ...)): ..."
        )
        raise RuntimeError(message)
    return call


@contextmanager
def calling(call: CurrentCall) -> Generator[CurrentCall]:
    """Make `call` the current call inside the `with` block: for the host, and for unit tests of tools."""
    token = _CURRENT.set(call)
    try:
        yield call
    finally:
        _CURRENT.reset(token)
