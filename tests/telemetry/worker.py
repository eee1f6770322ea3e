"""A worker process that forgets every run between two steps, so that each step replays it; `worker.py` otherwise."""

import sys

from perdure.connect import connect
from perdure.process import run_process
from perdure.runtime import PerdurePlugin
from perdure.search_attributes import register_search_attributes
from perdure.settings import load_settings
from perdure.storage import storage_from
from perdure.telemetry.telemetry import telemetry_for
from perdure.tools.equipment import equipped
from perdure.working import starting, work
from worker import worker_for


async def serve(port: int) -> None:
    """Work until SIGTERM."""
    settings = load_settings()
    storage = storage_from(settings)
    telemetry = telemetry_for("forgetful", port=port, host="127.0.0.1")
    plugins = [PerdurePlugin(storage), *telemetry.plugins]
    place = await connect(settings, plugins=plugins, runtime=telemetry.runtime, on_progress=starting)
    found = await register_search_attributes(place.client)
    built = worker_for(
        place.client,
        settings,
        equipped(settings, storage),
        storage,
        telemetry,
        search_attributes=found,
        max_cached_workflows=0,
    )
    await work(built, place, settings, telemetry, None)


if __name__ == "__main__":
    run_process(serve(int(sys.argv[1])))
