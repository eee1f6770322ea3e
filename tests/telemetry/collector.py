"""An OpenTelemetry collector on loopback that keeps what it is sent."""

import gzip
from collections import Counter
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.serving import Served

__all__ = ["Collector", "Seen"]


@dataclass(frozen=True)
class Seen:
    """One span; ids are hex, `parent` is empty for a root."""

    name: str
    trace: str
    id: str
    parent: str
    scope: str
    service: str
    failed: bool
    kind: str
    attributes: dict[str, Any]


class Collector(Served):
    """Takes spans over HTTP for as long as the block lasts."""

    def __init__(self) -> None:
        """Take any port."""
        self.spans: list[Seen] = []
        self.raw = b""
        super().__init__(Starlette(routes=[Route("/v1/traces", self._take, methods=["POST"])]))

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.raw += body
        self.spans += _spans(ExportTraceServiceRequest.FromString(body))
        return Response(b"", media_type="application/x-protobuf")

    def environment(self) -> dict[str, str]:
        """What leads a worker here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def named(self, prefix: str) -> list[Seen]:
        """Spans whose names begin like this."""
        return [span for span in self.spans if span.name.startswith(prefix)]

    def counts(self) -> Counter[str]:
        """How many spans there are of each name."""
        return Counter(span.name for span in self.spans)


def _spans(request: Any) -> list[Seen]:
    return [
        Seen(
            name=span.name,
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            scope=scoped.scope.name,
            service=_attributes(resource.resource.attributes)["service.name"],
            failed=span.status.code == span.status.STATUS_CODE_ERROR,
            kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            attributes=_attributes(span.attributes),
        )
        for resource in request.resource_spans
        for scoped in resource.scope_spans
        for span in scoped.spans
    ]


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_plain(item) for item in value.array_value.values] if kind == "array_value" else getattr(value, kind)
