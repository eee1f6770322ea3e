"""How much texts have to do with a query: Okapi BM25 (Robertson and Zaragoza, 2009) over words, without a model."""

import math
import re
from collections import Counter
from collections.abc import Sequence

__all__ = ["relevance"]

SATURATION, LENGTH = 1.5, 0.75
"""The usual k1 and b of BM25."""
MAX_CHARACTERS = 20_000
"""Of each text; what comes after it hardly changes what the text is about."""
_WORD = re.compile(r"[^\W_]{2,}")


def relevance(query: str, texts: Sequence[str]) -> list[float]:
    """A score of at least 0 for each text, higher for those that share more and rarer words with the query."""
    counts = [Counter(_words(text)) for text in texts]
    lengths = [count.total() for count in counts]
    average = max(sum(lengths) / max(len(lengths), 1), 1)
    frequency = Counter(word for count in counts for word in count)
    wanted = {
        word: math.log(1 + (len(texts) - frequency[word] + 0.5) / (frequency[word] + 0.5))
        for word in sorted(set(_words(query)))
        if word in frequency
    }
    return [
        sum(
            weight
            * count[word]
            * (SATURATION + 1)
            / (count[word] + SATURATION * (1 - LENGTH + LENGTH * length / average))
            for word, weight in wanted.items()
            if word in count
        )
        for count, length in zip(counts, lengths, strict=True)
    ]


def _words(text: str) -> list[str]:
    return _WORD.findall(text[:MAX_CHARACTERS].casefold())
