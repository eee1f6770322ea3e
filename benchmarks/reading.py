"""The tool of the long runs: it returns English of the size that the environment of the worker names.

BENCH_BYTES is the size of a result. The first BENCH_HEAD calls return BENCH_HEAD_BYTES instead: a conversation to
begin with.
"""

import os

from benchmarks.prose import text_of
from perdure.tools import tool

__all__ = ["read_page"]

BYTES, HEAD, HEAD_BYTES = (int(os.environ.get(name, "0")) for name in ("BENCH_BYTES", "BENCH_HEAD", "BENCH_HEAD_BYTES"))


@tool(effect="pure")
async def read_page(n: int) -> str:
    """Read page n."""
    return text_of(n, HEAD_BYTES if n < HEAD else BYTES)
