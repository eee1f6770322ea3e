"""A blob store in the memory of the test, which can hold a write back: before it is kept, or before it is answered."""

import asyncio
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.serving import Served

__all__ = ["Bucket", "Hold"]

Hold = Literal["before it is kept", "after it is kept"]


class Bucket(Served):
    """As much of S3 as a worker needs. While `hold` is set a write is never answered."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__(Starlette(routes=[Route("/bucket/{key:path}", self._handle, methods=["GET", "HEAD", "PUT"])]))
        self._kept: dict[str, tuple[bytes, str]] = {}
        self.hold: Hold | None = None
        self.held: list[float] = []
        """When writes were held back."""

    def env(self) -> dict[str, str]:
        """Environment of a worker whose blobs lie here."""
        return {
            "PERDURE_BLOBS": "s3://bucket/chaos",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "chaos",
            "AWS_SECRET_ACCESS_KEY": "chaos",
            "AWS_REGION": "us-east-1",
        }

    async def _handle(self, request: Request) -> Response:
        key: str = request.path_params["key"]
        if request.method == "PUT":
            return await self._put(key, await request.body())
        if key not in self._kept:
            return Response(status_code=404)
        content, modified = self._kept[key]
        return Response(content, headers={"etag": '"chaos"', "last-modified": modified})

    async def _put(self, key: str, content: bytes) -> Response:
        if self.hold != "before it is kept":
            self._kept[key] = (content, format_datetime(datetime.now(UTC), usegmt=True))
        if self.hold is not None:
            self.held.append(time.time())
            await asyncio.Event().wait()
        return Response(headers={"etag": '"chaos"'})
