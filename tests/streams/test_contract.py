"""What every store of streams does, over files and over a real Redis."""

import asyncio
import tracemalloc
import uuid
from pathlib import Path

import pytest

from perdure.streams import Hub, Streams
from perdure.streams.files import FileStreams
from tests.streams.helpers import at_most, event, texts, words


@pytest.fixture
def run() -> str:
    """A workflow id that no other test uses, of a kind that no file system takes as it is."""
    return f"../a run/ü:{uuid.uuid4()}" + "x" * 300


async def test_events_come_back_in_order_as_they_were(streams: Streams, run: str) -> None:
    """With every field, and an offset."""
    given = [event("one\ntwo"), event(kind="tool.end", segment="call-7", epoch=3, data={"a": [1, "ü\n"]}, key="k")]
    await streams.publish(run, given)
    found = await streams.read(run, "", 10)
    assert [each.model_copy(update={"offset": ""}) for each in found] == given
    assert found[-1].offset == await streams.end(run)


async def test_a_stream_that_nobody_wrote_is_empty(streams: Streams, run: str) -> None:
    """Reading before the run has begun is no error."""
    assert await streams.read(run, "", 10) == []


async def test_streams_of_runs_are_apart(streams: Streams, run: str) -> None:
    """Also where ids differ only in what file names cannot hold."""
    await streams.publish(f"{run}/1", words("one"))
    await streams.publish(f"{run}:1", words("two"))
    assert texts(await streams.read(f"{run}/1", "", 10)) == ["one"]


async def test_a_reader_goes_on_from_any_offset(streams: Streams, run: str) -> None:
    """Each offset is right behind its event; a page holds what was asked for."""
    await streams.publish(run, words(*range(5)))
    everything = await streams.read(run, "", 10)
    rests = [texts(await streams.read(run, each.offset, 10)) for each in everything]
    assert rests == [["1", "2", "3", "4"], ["2", "3", "4"], ["3", "4"], ["4"], []]
    assert texts(await streams.read(run, everything[0].offset, 2)) == ["1", "2"]


async def test_offsets_are_in_order(streams: Streams, run: str) -> None:
    """As the rank says."""
    await streams.publish(run, words(*range(12)))
    ranks = [streams.rank(each.offset) for each in await streams.read(run, "", 20)]
    assert ranks == sorted(set(ranks))
    assert streams.rank("") < ranks[0]


async def test_a_follower_has_what_was_and_what_comes(streams: Streams, run: str) -> None:
    """It may begin before there is a stream."""
    reader = asyncio.create_task(at_most(streams.follow(run, ""), 4))
    await streams.publish(run, words("a", "b"))
    await streams.publish(run, words("c", "d"))
    assert texts(await asyncio.wait_for(reader, 20)) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("offset", ["99999999999999-0", "999999999", "nonsense", "-5", "٣"])
async def test_a_reader_whose_place_is_unknown_is_told_and_begins_anew(streams: Streams, run: str, offset: str) -> None:
    """An offset of a stream that is gone, or of another store, is no error and loses nothing."""
    await streams.publish(run, words("a", "b"))
    told, *rest = await streams.read(run, offset, 10)
    assert (told.kind, told.segment, told.data) == ("segment.reset", "", {"gap": True})
    assert texts(rest) == ["a", "b"]
    followed = await asyncio.wait_for(at_most(streams.follow(run, offset), 3), 20)
    assert texts(followed) == [told.text, "a", "b"]
    assert texts(await streams.read(run, told.offset, 10)) == ["a", "b"]


async def test_writers_at_the_same_time_lose_nothing(streams: Streams, run: str) -> None:
    """Batches stay together, each writer's in its order."""
    batches = [words(*(f"{writer}.{number}.{part}" for part in range(3))) for writer in range(4) for number in range(5)]
    await asyncio.gather(*(streams.publish(run, batch) for batch in batches))
    found = texts(await streams.read(run, "", 100))
    triples = [found[place : place + 3] for place in range(0, 60, 3)]
    assert sorted(triples) == sorted(texts(batch) for batch in batches)


async def test_one_subscription_serves_many_readers(streams: Streams, run: str) -> None:
    """Each from its own place, and each event once; the last one to leave ends it."""
    await streams.publish(run, words(*range(3)))
    first = (await streams.read(run, "", 1))[0].offset
    hub = Hub(streams)
    readers = [asyncio.create_task(at_most(hub.read(run, after), count)) for after, count in (("", 6), (first, 5)) * 4]
    await asyncio.sleep(0)
    assert hub.subscriptions == 1
    await streams.publish(run, words(*range(3, 6)))
    found = [texts(each) for each in await asyncio.wait_for(asyncio.gather(*readers), 20)]
    assert found == [["0", "1", "2", "3", "4", "5"], ["1", "2", "3", "4", "5"]] * 4
    assert hub.subscriptions == 0


async def test_a_slow_reader_holds_nobody_up_and_loses_nothing(streams: Streams, run: str) -> None:
    """What it has not read waits in the store; its queue stays as small as it is."""
    hub, total = Hub(streams, room=3), 40
    slow = hub.read(run)
    quick = asyncio.create_task(at_most(hub.read(run), total))
    await streams.publish(run, words(0))
    found = [(await anext(slow)).text]
    for number in range(1, total):
        await streams.publish(run, words(number))
    assert texts(await asyncio.wait_for(quick, 20)) == [str(number) for number in range(total)]
    while len(found) < total:
        found.append((await asyncio.wait_for(anext(slow), 20)).text)
    await slow.aclose()
    assert found == [str(number) for number in range(total)]


async def test_a_reader_that_stands_still_costs_bounded_memory(tmp_path: Path) -> None:
    """Twenty million characters pass by one that has taken a single event; then it has all of them."""
    streams = FileStreams(tmp_path)
    hub, text, total = Hub(streams), "x" * 100_000, 200
    slow, quick = hub.read("run"), hub.read("run")
    await streams.publish("run", words(0))
    assert [(await anext(each)).text for each in (slow, quick)] == ["0", "0"]
    tracemalloc.start()
    for _ in range(total):
        await streams.publish("run", words(text))
        assert (await asyncio.wait_for(anext(quick), 20)).text == text
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 4_000_000
    found = [await asyncio.wait_for(anext(slow), 20) for _ in range(total)]
    assert texts(found) == [text] * total
    await quick.aclose()
    await slow.aclose()
