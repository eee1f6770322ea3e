"""What is special about streams in files: torn lines, the cap, sealed lines, a disk that fails."""

import asyncio
import sys
from pathlib import Path

import pytest

from perdure.domain.errors import KeyUnknown, StoreUnavailable
from perdure.keyring import Key, Keyring
from perdure.streams.files import FileStreams
from perdure.streams.lines import Lines
from perdure.streams.pieces import pieces
from tests.streams.helpers import at_most, texts, words

RUN = "run-1"


def newest(folder: Path) -> Path:
    """The file that grows."""
    (stream,) = folder.iterdir()
    return pieces(stream)[-1].path


async def test_a_line_that_is_not_finished_is_waited_for(tmp_path: Path) -> None:
    """Half a line is no event yet; the whole one is."""
    streams = FileStreams(tmp_path)
    await streams.publish(RUN, words("a", "b"))
    data = newest(tmp_path).read_bytes()
    newest(tmp_path).write_bytes(data[:-5])
    (first,) = await streams.read(RUN, "", 10)
    assert first.text == "a"
    newest(tmp_path).write_bytes(data)
    assert texts(await streams.read(RUN, first.offset, 10)) == ["b"]


async def test_a_torn_line_of_a_dead_writer_spoils_no_other(tmp_path: Path) -> None:
    """The next writer closes it, and readers pass over it, wherever they stand."""
    streams = FileStreams(tmp_path)
    await streams.publish(RUN, words("a", "lost"))
    newest(tmp_path).write_bytes(newest(tmp_path).read_bytes()[:-7])
    reader = asyncio.create_task(at_most(streams.follow(RUN, ""), 2))
    await streams.publish(RUN, words("b"))
    assert texts(await asyncio.wait_for(reader, 20)) == ["a", "b"]


async def test_a_stream_stays_below_its_cap_and_says_what_is_gone(tmp_path: Path) -> None:
    """The newest events stay; a reader of an old place is told, one that kept up is not."""
    cap = 20_000
    streams = FileStreams(tmp_path, cap=cap)
    seen: list[str] = []
    place, early = "", ""
    for number in range(200):
        await streams.publish(RUN, words(f"{number} " + "x" * 400))
        (each,) = await streams.read(RUN, place, 10)
        seen.append(each.text.split()[0])
        place = each.offset
        early = early or place
    assert seen == [str(number) for number in range(200)]
    (stream,) = tmp_path.iterdir()
    assert cap // 2 < sum(piece.size for piece in pieces(stream)) <= cap + 1_000
    told, *rest = await streams.read(RUN, early, 1_000)
    assert told.data == {"gap": True}
    numbers = [int(each.text.split()[0]) for each in rest]
    assert numbers == list(range(numbers[0], 200))
    assert texts(await streams.read(RUN, told.offset, 1_000)) == texts(rest)


async def test_a_torn_line_at_the_end_of_a_full_file_stops_nobody(tmp_path: Path) -> None:
    """The reader goes on in the next file."""
    streams = FileStreams(tmp_path, cap=200)
    await streams.publish(RUN, words("a" * 200, "lost"))
    newest(tmp_path).write_bytes(newest(tmp_path).read_bytes()[:-7])
    await streams.publish(RUN, words("b"))
    assert texts(await streams.read(RUN, "", 10)) == ["a" * 200, "b"]


async def test_long_streams_are_read_in_pages_without_a_seam(tmp_path: Path) -> None:
    """A follower that comes late has all of it."""
    streams = FileStreams(tmp_path)
    given = [f"{number}" + "y" * 3_000 for number in range(1_500)]
    await streams.publish(RUN, words(*given))
    assert texts(await asyncio.wait_for(at_most(streams.follow(RUN, ""), 1_500), 60)) == given


async def test_with_keys_nothing_lies_open(tmp_path: Path) -> None:
    """Neither text nor kind; another run's place opens nothing, and who lacks the key is told."""
    ring = Keyring((Key("k1", b"1" * 32),))
    streams = FileStreams(tmp_path, Lines(ring))
    await streams.publish(RUN, words("the secret"))
    data = newest(tmp_path).read_bytes()
    assert b"secret" not in data
    assert b"text" not in data
    assert texts(await streams.read(RUN, "", 10)) == ["the secret"]
    await streams.publish("other", words("mine"))
    (folder,) = (each for each in tmp_path.iterdir() if each.name.startswith("other"))
    pieces(folder)[0].path.write_bytes(data)
    assert await streams.read("other", "", 10) == []
    with pytest.raises(KeyUnknown, match="PERDURE_ENCRYPTION_KEYS"):
        await FileStreams(tmp_path).read(RUN, "", 10)


async def test_only_the_owner_can_read(tmp_path: Path) -> None:
    """Streams hold what models say."""
    await FileStreams(tmp_path / "streams").publish(RUN, words("a"))
    assert (tmp_path / "streams").stat().st_mode & 0o077 == 0
    assert newest(tmp_path / "streams").stat().st_mode & 0o077 == 0


async def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """In words, and typed."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        await FileStreams(tmp_path / "file").publish(RUN, words("a"))
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        await FileStreams(tmp_path / "file").read(RUN, "", 1)


WRITER = """
import asyncio, sys
from pathlib import Path
from perdure.streams.files import FileStreams
from tests.streams.helpers import words

async def main():
    streams, number = FileStreams(Path(sys.argv[1])), 0
    while True:
        await streams.publish("run-1", words(*range(number, number + 20)))
        number += 20

asyncio.run(main())
"""


async def test_a_writer_that_is_killed_leaves_every_event_whole_or_none(tmp_path: Path) -> None:
    """SIGKILL in the middle of writing: the events before it are all there, and others go on behind them."""
    streams = FileStreams(tmp_path)
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, str(tmp_path))
    before = await asyncio.wait_for(at_most(streams.follow(RUN, ""), 200), 60)
    writer.kill()
    await writer.wait()
    rest = await streams.read(RUN, before[-1].offset, 1_000_000)
    await streams.publish(RUN, words("after"))
    found = texts([*before, *rest, *await streams.read(RUN, (rest or before)[-1].offset, 10)])
    assert found == [*(str(number) for number in range(len(found) - 1)), "after"]
