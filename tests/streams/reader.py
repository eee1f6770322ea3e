"""A reader in a process of its own: `python -m tests.streams.reader ID FILE`.

It reads the stream of a run as the settings say, and appends every event to the file as a line of JSON. Started again,
it goes on from the offset of the last line.
"""

import asyncio
import os
import sys
from pathlib import Path

from perdure.domain.events import StreamEvent
from perdure.settings import load_settings
from perdure.streams import Hub, streams_from

__all__ = ["events_in"]


def events_in(file: Path) -> list[StreamEvent]:
    """What a reader has written so far."""
    return [StreamEvent.model_validate_json(line) for line in file.read_bytes().splitlines()] if file.exists() else []


async def main(workflow_id: str, file: Path) -> None:
    """Read until killed."""
    known = events_in(file)
    hub = Hub(streams_from(load_settings()))
    with file.open("ab", buffering=0) as out:
        async for event in hub.read(workflow_id, known[-1].offset if known else ""):
            out.write(event.model_dump_json().encode() + b"\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
    os._exit(0)
