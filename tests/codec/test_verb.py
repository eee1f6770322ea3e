"""`codec-server` as a process, asked by the real `temporal` CLI."""

import asyncio
import base64
import json
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.worker import Worker

from perdure.runtime import PerdurePlugin
from perdure.server_process import find_binary
from perdure.settings import Settings
from perdure.storage import storage_from
from tests.cli.shell import ROOT, Answer, Shell
from tests.codec.journey import ACTIVITIES, WORKFLOWS
from tests.codec.samples import Memory, key_setting
from tests.codec.test_journey import LARGE, Place

TOKEN = "token-for-a-test"  # noqa: S105 - a token for a test


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder with keys and a place for blobs."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PERDURE_HOME": str(tmp_path / "home")}
    return Shell(tmp_path, {**env, "PERDURE_ENCRYPTION_KEYS": key_setting("k")})


@asynccontextmanager
async def served(shell: Shell, *arguments: str) -> AsyncGenerator[str]:
    """Run `codec-server` on a free port; gives its address, and ends it by Ctrl-C."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "starter.py"),
        "codec-server",
        "--port",
        "0",
        "-o",
        "jsonl",
        *arguments,
        cwd=shell.folder,
        env=shell.env,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        yield line["address"]
    finally:
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 30) == 0


async def show(client: Client, workflow_id: str, *arguments: str) -> Answer:
    """What `temporal workflow show` prints."""
    process = await asyncio.create_subprocess_exec(
        str(find_binary()),
        *("workflow", "show", "-w", workflow_id, "-o", "json"),
        *("--address", client.service_client.config.target_host, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return Answer(process.returncode or 0, out.decode(), err.decode())


async def test_the_temporal_cli_shows_plain_text_to_who_has_the_token(client: Client, shell: Shell) -> None:
    """What is encrypted, and what lies in the blob store; without the server or the token it shows neither."""
    storage = storage_from(Settings(home=shell.folder / "home", encryption_keys=SecretStr(key_setting("k"))))
    own = Client(client.service_client, namespace=client.namespace, plugins=[PerdurePlugin(storage)])
    async with Worker(own, task_queue=str(shell.folder), workflows=WORKFLOWS, activities=ACTIVITIES):
        handle = await Place(own, str(shell.folder), Memory(), storage.blobs).start(LARGE)
        await handle.signal("tell", LARGE)
        assert await handle.result() == LARGE
    (shell.folder / "token").write_text(TOKEN + "\n")
    plain = await show(client, handle.id)
    async with served(shell, "--token-file", "token") as address:
        bearer = ("--codec-endpoint", f"{address}/{{namespace}}", "--codec-auth", f"Bearer {TOKEN}")
        shown = await show(client, handle.id, *bearer)
        stranger = await show(client, handle.id, "--codec-endpoint", address)
    assert plain.code == shown.code == 0, plain.err + shown.err
    # The CLI prints payloads as they are in JSON: the bytes in base64.
    beginning = base64.b64encode(f'"{LARGE[:998]}'.encode()).decode()
    assert shown.out.count(beginning) >= 5, shown.out[:3000]
    assert beginning not in plain.out + stranger.out


def test_on_other_addresses_than_loopback_it_needs_a_token(shell: Shell) -> None:
    """Whoever reaches it could read every run."""
    answer = shell("codec-server", "--host", "0.0.0.0")  # noqa: S104 - it must be refused
    assert answer.code == 2
    assert "give --token-file, --user-header or PERDURE_CODEC_TOKEN, or listen on 127.0.0.1" in answer.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--token-file", "none"), "the token file none cannot be read"),
        (("--token-file", "empty"), "the token file empty is empty"),
        (("--token-file", "empty", "--user-header", "X-User"), "not both"),
    ],
)
def test_wrong_options_are_explained(shell: Shell, arguments: tuple[str, ...], words: str) -> None:
    """Exit code 2, in words."""
    shell.file("empty", " \n")
    answer = shell("codec-server", *arguments)
    assert answer.code == 2
    assert words in answer.err


async def test_a_port_that_is_taken_is_named(shell: Shell) -> None:
    """Somebody may run it twice."""
    async with served(shell) as address:
        answer = await asyncio.to_thread(shell, "codec-server", "--port", address.rpartition(":")[2])
    assert answer.code == 2
    assert "cannot listen on 127.0.0.1" in answer.err


def test_doctor_tries_the_blob_store_and_tells_of_encryption(shell: Shell) -> None:
    """It writes and reads, names the key by its id, and leaves nothing behind."""
    checks = {item["name"]: item for item in shell("doctor", "-o", "json").json["items"]}
    assert checks["blobs"]["status"] == "ok"
    assert "encrypted with key k (1 can decrypt), compressed" in checks["blobs"]["detail"]
    assert not [path for path in (shell.folder / "home" / "blobs").rglob("*") if path.is_file()]
    broken = shell("doctor", "-o", "json", env={"PERDURE_BLOBS": "/proc/nowhere"})
    found = {item["name"]: item for item in broken.json["items"]}
    assert (broken.code, found["blobs"]["status"]) == (1, "fail")
    assert "/proc/nowhere cannot hold blobs" in found["blobs"]["detail"]
    shell("server", "stop")
