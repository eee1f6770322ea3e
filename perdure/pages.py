"""Answers of queries that lie in the blob store: the workflow names the part, whoever encodes the answer puts it in."""

import asyncio
import json
from collections.abc import Iterator

from temporalio.api.common.v1 import Payload

from perdure.domain.archive import Slice
from perdure.domain.errors import PerdureError, StoreUnavailable, Tampered
from perdure.domain.ports import Blobs

__all__ = ["SLICE", "answer"]

SLICE = b"perdure/slice"
"""Encoding of a payload whose data is the JSON of a `Slice`."""

SECONDS = 3.0
"""How long an answer may wait for the store: the workflow task it belongs to has seven seconds."""

DECODER = json.JSONDecoder()
SPACE = " \t\r\n"


async def answer(payload: Payload, blobs: Blobs) -> Payload:
    """Turn the payload of a `Slice` into the JSON that its reader expects.

    A page that cannot be read gives an empty list and `problem` in words: an exception here would fail the workflow
    task, which Temporal repeats, and nobody would learn why.
    """
    part = Slice.model_validate_json(payload.data)
    try:
        async with asyncio.timeout(SECONDS):
            stored = await blobs.get(part.blob)
        items, problem = list(_items(stored, part)), ""
    except PerdureError as error:
        items, problem = [], error.message
    except TimeoutError:
        items, problem = [], StoreUnavailable(f"the blob store did not answer within {SECONDS:g} s").message
    tail: dict[str, object] = {"offset": part.offset, "next_offset": part.next_offset, "total": part.total}
    if problem:
        tail |= {"next_offset": None, "problem": problem}
    # The items stay as they were written: only their limits are looked for.
    text = f"{{{json.dumps(part.log)}:[{','.join(items)}],{json.dumps(tail, separators=(',', ':'))[1:]}"
    return Payload(metadata={"encoding": b"json/plain"}, data=text.encode())


def _items(stored: bytes, part: Slice) -> Iterator[str]:
    """Text of the items `skip` to `skip + count` of a JSON array."""
    what = f"the page {part.blob}"
    try:
        text = stored.decode()
        position = _after(text, 0, "[")
        for number in range(part.skip + part.count):
            if number:
                position = _after(text, position, ",")
            begin = _past_space(text, position)
            position = DECODER.raw_decode(text, begin)[1]
            if number >= part.skip:
                yield text[begin:position]
    except ValueError:
        raise Tampered(f"{what} does not hold the {part.skip + part.count} items that its run stored there") from None


def _past_space(text: str, position: int) -> int:
    while text[position : position + 1] in SPACE and position < len(text):
        position += 1
    return position


def _after(text: str, position: int, sign: str) -> int:
    position = _past_space(text, position)
    if not text.startswith(sign, position):
        raise ValueError(sign)
    return position + 1
