"""Answers that lie in the blob store: the part that was asked for, or words."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload

from perdure.domain.archive import LogName, Slice
from perdure.pages import SLICE
from perdure.stores.blobs import BlobStore
from tests.codec.samples import Memory, chain, ring

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


def part(blob: str, skip: int, count: int, log: LogName = "messages") -> Payload:
    """What a workflow answers."""
    found = Slice(log=log, blob=blob, skip=skip, count=count, offset=100 + skip, next_offset=None, total=500)
    return Payload(metadata={"encoding": SLICE}, data=found.model_dump_json().encode())


async def answered(store: BlobStore, payload: Payload) -> Any:
    """The JSON that the reader gets."""
    codec = chain(ring("a"), blobs=store)
    [plain] = await codec.decode(await codec.encode([payload]))
    assert plain.metadata["encoding"] == b"json/plain"
    return json.loads(plain.data)


@given(items=st.lists(VALUES, min_size=1, max_size=6), data=st.data(), spaced=st.booleans())
async def test_a_part_of_a_page_is_answered(items: list[Any], data: st.DataObject, *, spaced: bool) -> None:
    """Any items, any part, however the array was written."""
    skip = data.draw(st.integers(0, len(items) - 1))
    count = data.draw(st.integers(1, len(items) - skip))
    text = json.dumps(items, indent=1 if spaced else None, ensure_ascii=spaced)
    store = BlobStore(Memory(), ring("a"))
    answer = await answered(store, part(await store.put(text.encode()), skip, count))
    assert answer == {"messages": items[skip : skip + count], "offset": 100 + skip, "next_offset": None, "total": 500}


async def test_items_stay_as_they_were_written() -> None:
    """Digests are made from their text: 1.0 must not become 1."""
    store = BlobStore(Memory())
    payload = part(await store.put(b'[{"a":1.0,"b":"\\u00e9"}, 2]'), 0, 1, "calls")
    [answer] = await chain(blobs=store).encode([payload])
    assert answer.data.startswith(b'{"calls":[{"a":1.0,"b":"\\u00e9"}],"offset":100,')


async def test_a_missing_page_is_answered_in_words() -> None:
    """A query that fails for ever would tell nobody why."""
    answer = await answered(BlobStore(Memory()), part("a" * 40, 0, 1))
    assert (answer["messages"], answer["offset"], answer["next_offset"], answer["total"]) == ([], 100, None, 500)
    assert answer["problem"].startswith(f"there is no blob {'a' * 40} in memory")


@pytest.mark.parametrize("stored", [b"", b"[]", b"[1", b"{}", b"\xff", b"[1 2]", b"[1,"])
async def test_a_page_that_does_not_hold_the_items_is_answered_in_words(stored: bytes) -> None:
    """Whatever lies there."""
    store = BlobStore(Memory())
    address = await store.put(stored)
    answer = await answered(store, part(address, 0, 2))
    assert answer["problem"] == f"the page {address} does not hold the 2 items that its run stored there"


async def test_a_store_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workflow task that carries the answer would run out of time."""

    class Silent(Memory):
        async def get(self, key: str) -> bytes:
            await asyncio.Event().wait()
            return await super().get(key)

    monkeypatch.setattr("perdure.pages.SECONDS", 0.05)
    answer = await answered(BlobStore(Silent()), part("a" * 40, 0, 1))
    assert answer["problem"] == "the blob store did not answer within 0.05 s"
