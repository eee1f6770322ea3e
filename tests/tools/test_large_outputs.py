"""What is kept of a tool's result that is too large for a conversation."""

import asyncio
import re
import time
from hashlib import sha256

import pytest

from perdure.domain.errors import KeyUnknown, StoreUnavailable
from perdure.tools.outputs import MAX_OUTPUT, Kept, Outputs

TEXT = "".join(f"row {number}\n" for number in range(10_000))


class Memory:
    """A store in memory; the first `failures` puts fail, and each takes `seconds`."""

    def __init__(self, failures: int = 0, seconds: float = 0, error: Exception | None = None) -> None:
        self.stored: dict[str, bytes] = {}
        self.puts = 0
        self._failures = failures
        self._seconds = seconds
        self._error = error or StoreUnavailable("the disk is full")

    async def put(self, data: bytes) -> str:
        """See Blobs."""
        self.puts += 1
        await asyncio.sleep(self._seconds)
        if self.puts <= self._failures:
            raise self._error
        address = sha256(data).hexdigest()[:40]
        self.stored[address] = data
        return address

    async def get(self, address: str) -> bytes:
        """See Blobs."""
        return self.stored[address]


@pytest.mark.parametrize("text", ["", "short", "x" * 32_768, "ü" * 16_384, "\U0001f600" * 8192])
async def test_what_fits_stays(text: str) -> None:
    """Up to the threshold, in bytes of UTF-8, nothing is stored."""
    store = Memory()
    assert await Outputs(store).keep(text, 10) == Kept(text)
    assert store.puts == 0


@pytest.mark.parametrize("text", ["x" * 32_769, "ü" * 16_385, "\U0001f600" * 8193, TEXT])
async def test_what_is_larger_is_stored_once_and_whole(text: str) -> None:
    """The bytes of its UTF-8, under the address that the outcome names."""
    store = Memory()
    kept = await Outputs(store).keep(text, 10)
    again = await Outputs(store).keep(text, 10)
    assert store.stored == {kept.blob: text.encode()}
    assert again == kept
    assert kept.size == len(text)


async def test_the_note_says_what_is_left_out_and_how_to_read_it() -> None:
    """Beginning and end are whole lines; positions are those of read_blob."""
    kept = await Outputs(Memory()).keep(TEXT, 10)
    head, note, tail = re.split(r"\n(\[\.\.\. .* \.\.\.\])\n", kept.text)
    assert TEXT.startswith(head + "\n")
    assert TEXT.endswith(tail)
    assert tail.startswith("row ")
    begin, end = len(head) + 1, len(TEXT) - len(tail)
    assert f"left out the characters {begin:,} to {end:,} of {len(TEXT):,}" in note
    assert f"The whole text (88.9 KB) is stored as blob:{kept.blob}: read_blob reads any part of it" in note
    assert len(kept.text) < 4400


async def test_few_wide_characters_are_shortened_too() -> None:
    """Above a low threshold beginning and end do not overlap."""
    kept = await Outputs(Memory(), threshold=1000).keep("ü" * 600, 10)
    assert kept.text.startswith("ü" * 150 + "\n[...")
    assert "left out the characters 150 to 450 of 600" in kept.text


async def test_a_store_that_comes_back_is_waited_for() -> None:
    """The same bytes again, until they are stored."""
    store = Memory(failures=2)
    kept = await Outputs(store).keep(TEXT, 10)
    assert store.puts == 3
    assert kept.blob in store.stored


@pytest.mark.parametrize(
    ("store", "why"),
    [
        (Memory(failures=99), "the disk is full"),
        (Memory(failures=99, error=KeyUnknown("no key k1")), "no key k1"),
        (Memory(failures=99, error=RuntimeError("secret details")), "RuntimeError"),
        (Memory(seconds=60), "the blob store did not answer within 1 s"),
    ],
)
async def test_without_a_store_beginning_and_end_are_kept(store: Memory, why: str) -> None:
    """The tool has run: its outcome is a value in bounded time, whatever the store does."""
    begin = time.monotonic()
    kept = await Outputs(store, patience=0.8).keep(TEXT, 10)
    assert time.monotonic() - begin < 5
    assert (kept.blob, kept.size) == ("", 0)
    assert f"The call was made, but they are lost, because the text could not be stored: {why}. ...]" in kept.text
    assert kept.text.startswith("row 0\n")
    assert kept.text.endswith("row 9999\n")


async def test_the_time_of_the_attempt_bounds_the_trying() -> None:
    """Less than the usual patience, when the tool has used most of its time."""
    begin = time.monotonic()
    kept = await Outputs(Memory(seconds=60)).keep(TEXT, 0.3)
    assert time.monotonic() - begin < 5
    assert "could not be stored" in kept.text


async def test_the_largest_result_is_bounded() -> None:
    """Above the bound it is not stored, and the model learns what to do."""
    store = Memory()
    kept = await Outputs(store).keep("x" * (MAX_OUTPUT + 1), 60)
    assert store.puts == 0
    assert "more than 268.4 MB are not stored; ask for less at once" in kept.text
    assert len(kept.text) < 4400


async def test_forty_megabytes_leave_the_loop_free() -> None:
    """What the loop has to do meanwhile, such as heartbeats, is done."""
    longest, end = 0.0, asyncio.Event()

    async def beat() -> None:
        nonlocal longest
        while not end.is_set():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    beating = asyncio.create_task(beat())
    kept = await Outputs(Memory()).keep("ü" * 20_000_000, 60)
    end.set()
    await beating
    assert kept.size == 20_000_000
    assert longest < 1
