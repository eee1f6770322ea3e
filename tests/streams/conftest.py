"""The stores that every test of the contract runs against: a folder, and a real Redis where one is installed."""

import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from perdure.streams.files import FileStreams
from perdure.streams.lines import Lines
from perdure.streams.ports import Streams
from perdure.streams.redis import RedisStreams

SERVER = shutil.which("redis-server")


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Redis of our own."""
    if SERVER is None:
        pytest.skip("redis-server is not installed (apt-get install redis-server)")
    folder = tmp_path_factory.mktemp("redis")
    # A socket of a name so short that every system takes it.
    with tempfile.TemporaryDirectory(prefix="r") as place:
        path = Path(place) / "s"
        command = [SERVER, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            patient = Retry(ConstantBackoff(0.02), 1_000)
            with Redis(unix_socket_path=str(path), retry=patient, retry_on_error=[RedisConnectionError]) as client:
                client.ping()  # pyright: ignore[reportUnknownMemberType] - open arguments
            yield f"unix://{path}?db=0"
            server.terminate()


@pytest.fixture(params=["files", "redis"])
async def streams(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Streams]:
    """A store without events of this test's runs."""
    store: Streams
    if request.param == "files":
        store = FileStreams(tmp_path / "streams", Lines())
    else:
        store = RedisStreams(request.getfixturevalue("redis_url"), Lines())
    yield store
    await store.close()
