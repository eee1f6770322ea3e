"""Ordinary English to measure with: slices of the language reference that every Python brings along."""

from functools import cache
from pydoc_data.topics import topics

__all__ = ["said", "text_of"]

SAID = 200
"""Bytes of text beside each tool call."""
STRIDE = 7_919
"""A prime, so that every number has another slice."""


@cache
def _book() -> str:
    """All topics as one line of ASCII: indentation would only make it compress better than prose does."""
    words = " ".join(topics.values()).encode("ascii", "ignore").decode().split()
    return " ".join(word for word in words if word.strip('=-*^~+|`:"'))


def text_of(number: int, size: int) -> str:
    """Exactly `size` bytes of English, other ones for every number; the number stands in front."""
    book = _book()
    begin = number * STRIDE % len(book)
    text = f"{number:06d} {book[begin : begin + size]}"
    while len(text) < size:
        text += book[: size - len(text)]
    return text[:size]


def said(number: int) -> str:
    """What the model says beside its call of that number."""
    return text_of(number + 500_000, SAID)
