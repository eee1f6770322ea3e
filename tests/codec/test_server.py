"""The codec server over HTTP: who may ask, what is answered, and what is said when something cannot be opened."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from temporalio.api.common.v1 import Payload

from perdure.codec_server import MAX_BODY, Guard, codec_app, serve_until
from perdure.keyring import Key, Keyring
from perdure.storage import Storage
from perdure.stores.blobs import BlobStore
from tests.codec.samples import Memory, chain, json_payload, ring
from tests.codec.test_external import LARGE, converter

UI = "https://temporal.example.com"


@dataclass(frozen=True)
class Server:
    """A codec server that listens on loopback."""

    address: str
    http: httpx2.AsyncClient

    async def post(self, path: str, payloads: list[Payload], **headers: str) -> httpx2.Response:
        """Ask as the Web UI does."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(self.address + path, content=body(payloads), headers=names)


@asynccontextmanager
async def serving(storage: Storage, guard: Guard | None = None) -> AsyncGenerator[Server]:
    """Run a server for the length of a block."""
    ended = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app = codec_app(storage, [UI], guard or Guard())
        task = asyncio.create_task(serve_until(ended, app, listening))
        try:
            async with httpx2.AsyncClient() as http:
                yield Server(f"http://127.0.0.1:{listening.getsockname()[1]}", http)
        finally:
            ended.set()
            await asyncio.wait_for(task, 10)


def body(payloads: list[Payload]) -> str:
    """The JSON form of payloads."""
    return json.dumps(
        {
            "payloads": [
                {
                    "metadata": {name: base64.b64encode(value).decode() for name, value in item.metadata.items()},
                    "data": base64.b64encode(item.data).decode(),
                }
                for item in payloads
            ]
        }
    )


def texts(answer: httpx2.Response) -> list[Any]:
    """The JSON values of an answer."""
    assert answer.status_code == 200, answer.text
    return [json.loads(base64.b64decode(item["data"])) for item in answer.json()["payloads"]]


def storage_of(keyring: Keyring | None = None, objects: Memory | None = None) -> Storage:
    """A storage in memory."""
    return Storage(BlobStore(objects or Memory(), keyring), keyring)


@pytest.mark.parametrize("path", ["/decode", "/default/decode", "/download"])
async def test_payloads_of_any_kind_are_decoded(path: str) -> None:
    """Encrypted, compressed, stored outside and plain ones, in order; the namespace may be in the path."""
    objects = Memory()
    sealed = await chain(ring("a")).encode([json_payload(b'"one"')])
    packed = await chain(compression=True).encode([json_payload(b'"two two two two two two two two"' * 1)])
    stored = await converter(objects, ring("a")).encode([LARGE])
    async with serving(storage_of(ring("b", "a"), objects)) as server:
        answer = await server.post(path, [*sealed, *packed, json_payload(b"3"), *stored], X_Namespace="default")
    assert texts(answer) == ["one", "two two two two two two two two", 3, LARGE]


async def test_what_it_encodes_is_opened_by_every_run() -> None:
    """Nobody tells it which run an input is for."""
    async with serving(storage_of(ring("a"))) as server:
        answer = await server.post("/default/encode", [json_payload(b'"input"')])
        [item] = answer.json()["payloads"]
    encoded = Payload(
        metadata={name: base64.b64decode(value) for name, value in item["metadata"].items()},
        data=base64.b64decode(item["data"]),
    )
    assert b"input" not in encoded.SerializeToString()
    assert await chain(ring("a"), run="any").decode([encoded]) == [json_payload(b'"input"')]


async def test_each_cause_has_its_own_error() -> None:
    """Type and words as JSON, with a status that is not 200."""
    objects = Memory()
    sealed = await chain(ring("a")).encode([json_payload(b"1")])
    stored = await converter(objects, ring("a")).encode([LARGE])
    changed = [Payload(metadata=sealed[0].metadata, data=sealed[0].data[:-1] + b"\0")]
    cases = [
        (storage_of(ring("b")), sealed, 422, "KeyUnknown"),
        (storage_of(Keyring((Key("a", b"x" * 32),))), sealed, 422, "WrongKey"),
        (storage_of(ring("a")), changed, 422, "Tampered"),
        (storage_of(ring("a")), stored, 404, "BlobMissing"),
    ]
    for storage, payloads, status, kind in cases:
        async with serving(storage) as server:
            answer = await server.post("/decode", payloads)
        assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
        assert len(answer.json()["error"]["message"]) > 20


@pytest.mark.parametrize("sent", [b"", b"{", b"\xff", b'{"payloads": 1}', b'{"x": 1}'])
async def test_a_body_that_is_not_the_protocol_is_refused(sent: bytes) -> None:
    """With words about what it should be."""
    async with serving(storage_of()) as server:
        answer = await server.http.post(f"{server.address}/decode", content=sent)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "InvalidInput")


async def test_a_body_without_payloads_gets_none() -> None:
    """The Web UI asks so for an empty history."""
    async with serving(storage_of()) as server:
        answer = await server.http.post(f"{server.address}/decode", content=b"{}")
    assert (answer.status_code, answer.json()) == (200, {})


async def test_too_large_a_body_is_refused() -> None:
    """It would fill the memory."""
    async with serving(storage_of()) as server:
        answer = await server.http.post(f"{server.address}/decode", content=b" " * (MAX_BODY + 1))
    assert (answer.status_code, answer.json()["error"]["type"]) == (413, "TooLarge")


@pytest.mark.parametrize(
    ("guard", "headers", "status"),
    [
        (Guard(token="right"), {}, 401),  # noqa: S106 - a token for a test
        (Guard(token="right"), {"Authorization": "Bearer wrong"}, 401),  # noqa: S106 - see above
        (Guard(token="right"), {"Authorization": "Basic right"}, 401),  # noqa: S106 - see above
        (Guard(token="right"), {"Authorization": "Bearer \u00e9"}, 401),  # noqa: S106 - see above
        (Guard(token="right"), {"Authorization": "Bearer right"}, 200),  # noqa: S106 - see above
        (Guard(user_header="X-User"), {}, 401),
        (Guard(user_header="X-User"), {"X-User": ""}, 401),
        (Guard(user_header="X-User"), {"X-User": "ada"}, 200),
        (Guard(), {"Host": "evil.example.com"}, 400),
        (Guard(), {"Host": "[::1]:8081"}, 200),
        (Guard(), {"Host": "localhost:8081"}, 200),
        (Guard(), {}, 200),
    ],
)
async def test_only_those_who_may_get_an_answer(guard: Guard, headers: dict[str, str], status: int) -> None:
    """A bearer token, a user named by the proxy, or anybody on this machine."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    async with serving(storage_of(), guard) as server:
        answer = await server.http.post(f"{server.address}/decode", content=b"{}", headers=raw)
    assert answer.status_code == status
    assert "right" not in answer.text
    assert "right" not in repr(guard)


async def test_browsers_are_told_which_web_ui_may_ask() -> None:
    """The given origin is allowed with a token, others are not; errors can be read by it too."""
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-namespace"}
    async with serving(storage_of(), Guard(token="right")) as server:  # noqa: S106 - a token for a test
        own = await server.http.options(f"{server.address}/decode", headers={"Origin": UI, **ask})
        other = await server.http.options(f"{server.address}/decode", headers={"Origin": "https://evil.com", **ask})
        refused = await server.post("/decode", [], Origin=UI)
    assert (own.status_code, own.headers["access-control-allow-origin"]) == (200, UI)
    assert "authorization" in own.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-origin" not in other.headers
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, UI)


async def test_other_paths_and_methods_do_not_exist() -> None:
    """There is nothing to look at."""
    async with serving(storage_of()) as server:
        codes = [
            (await server.http.get(f"{server.address}/decode")).status_code,
            (await server.http.post(f"{server.address}/other", content=b"{}")).status_code,
        ]
    assert codes == [405, 404]
