"""Clean-up beside a run that has left most of its conversation in the store."""

import base64
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from perdure.keyring import Keyring
from perdure.stores.blobs import BlobStore
from perdure.stores.cleaning import clean
from perdure.stores.objects import Objects
from perdure.testing import agents, call, local_server
from tests.samples import registry_of
from tests.waiting import pending

KEYS = f"k1:{base64.b64encode(b'1' * 32).decode()}"


async def give(size: int) -> str:
    """Give a text."""
    return "".join(f"row {number}\n" for number in range(size))


async def messages_of(handle: Any) -> list[dict[str, Any]]:
    """The whole conversation of a chain, page by page."""
    found: list[dict[str, Any]] = []
    offset: int | None = 0
    while offset is not None:
        page = await handle.query("transcript", {"offset": offset, "limit": 100})
        assert not page.get("problem"), page
        found += page["messages"]
        offset = page["next_offset"]
    return found


@pytest.mark.parametrize("keys", [None, KEYS])
async def test_the_pages_and_results_of_a_chain_stay(tmp_path: Path, keys: str | None) -> None:
    """An open run still gives its whole conversation, with every large result, after a clean-up of all that is old."""
    folder = tmp_path / "store"
    place = {"blobs": str(folder), "encryption_keys": keys, "rollover_events": 40}
    async with local_server() as server, agents(registry_of(("pure", give)), client=server, settings=place) as env:
        steps = [call("give", size=6000 + number) for number in range(12)]
        handle = await env.start("x", model=env.model([*steps, call("ask_human", question="on?"), "done"]))
        await pending(handle)
        before = await messages_of(handle)
        objects = Objects.at(str(folder))
        store = BlobStore(objects, Keyring.parse(keys) if keys else None)
        useless = await store.put(b"useless")
        then = (datetime.now(UTC) - timedelta(days=40)).timestamp()
        for path in folder.rglob("*"):
            os.utime(path, (then, then))

        async def connect() -> Client:
            return env.client

        month = datetime.now(UTC) - timedelta(days=30)
        done = await clean(objects, store, connect, month, dry_run=False, say=print)
        assert done.removed == 1
        assert done.needed > len(steps), "no page of the conversation has left the run"
        assert not list(folder.glob(f"blobs/*/{useless}"))
        assert await messages_of(handle) == before
        blobs = [message["blob"] for message in before if message["kind"] == "tool_result"]
        assert [len(await store.get(blob)) for blob in blobs] == [len(await give(6000 + n)) for n in range(12)]
