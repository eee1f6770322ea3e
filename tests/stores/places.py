"""Places for objects: a folder, and a bucket of an S3 server over real HTTP."""

import os
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

__all__ = ["bucket_server", "in_bucket"]

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "test-id",
    "AWS_SECRET_ACCESS_KEY": "test-secret-value",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def bucket_server() -> Generator[str]:
    """An S3 server on loopback with the bucket `perdure-test`; gives its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        request = urllib.request.Request(f"{address}/perdure-test", method="PUT")  # noqa: S310 - our own address
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own address
            assert answer.status == HTTPStatus.OK
        yield address
    finally:
        server.stop()


def in_bucket(patch: pytest.MonkeyPatch, address: str, folder: Path) -> str:
    """Point the AWS_ variables at the server; gives a place in the bucket that only this test uses."""
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT")]:
        patch.delenv(name)
    for name, value in {**VARIABLES, "AWS_ENDPOINT_URL": address}.items():
        patch.setenv(name, value)
    return f"s3://perdure-test/{folder.name}"
