"""Spans around what a worker does, behind a port: nothing of OpenTelemetry is needed where traces are off."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["NO_SPANS", "Note", "Spans", "Value"]

Value = str | int | float | tuple[str, ...]

Note = Callable[[Mapping[str, Value]], None]
"""Adds attributes to a span that is open."""


class Spans(Protocol):
    """Opens spans under the one that is current."""

    def span(self, name: str, attributes: Mapping[str, Value], /) -> AbstractContextManager[Note]:
        """Span of a call to the outside, for as long as the block lasts; an exception ends it with its class."""
        ...


class _NoSpans:
    @contextmanager
    def span(self, _name: str, _attributes: Mapping[str, Value], /) -> "Generator[Note]":
        yield lambda _: None


NO_SPANS: Spans = _NoSpans()
"""Traces are off."""
