"""OpenTelemetry for runs: one trace each, named by the run, without a word of what runs say.

Imported only when traces are switched on.
"""

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio import workflow
from temporalio.contrib.opentelemetry import OpenTelemetryPlugin, ReplaySafeTracerProvider
from temporalio.contrib.opentelemetry._id_generator import TemporalIdGenerator  # the public package leaves it out
from temporalio.converter import PayloadConverter

from perdure.domain.errors import PerdureError
from perdure.telemetry.spans import Note, Value

__all__ = ["OtelSpans", "Quiet", "start_tracing"]

HEADER = "_tracer-data"
"""Where Temporal's plugin keeps the trace that a workflow was started in."""
DELAY_MS = 500
"""How often spans are sent: what a worker had not sent yet when it was killed is lost."""
FLUSH_MS = 3_000
READS = ("HandleQuery:", "QueryWorkflow:", "ValidateUpdate:")
"""Spans of questions that change nothing: whoever watches a run asks many each second."""
TOOL = "execute_tool"
FOREIGN = ("anthropic",)
"""Libraries that trace the call of the model themselves: ours would be counted twice."""


class RunTraceIds(TemporalIdGenerator):
    """Ids of spans are Temporal's, equal on every replay; a trace that a workflow begins has the id of its first run.

    Signals and updates that come without a trace land in that of the run, which may be its parent's.
    """

    def generate_trace_id(self) -> int:
        """See base class."""
        if not workflow.in_workflow():
            return super().generate_trace_id()
        info = workflow.info()
        own, header = int(info.first_execution_run_id.replace("-", ""), 16), info.headers.get(HEADER)
        if header is None:
            return own
        (carrier,) = PayloadConverter.default.from_payloads([header])
        given = trace.get_current_span(TraceContextTextMapPropagator().extract(carrier))
        return given.get_span_context().trace_id or own


class Quiet(SpanExporter):
    """Passes spans on without words of errors, which may quote what runs say, and without those that only repeat."""

    def __init__(self, inner: SpanExporter) -> None:
        """Pass them on to this one."""
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See base class."""
        kept = [_wordless(span) for span in spans if not _repeats(span)]
        return self._inner.export(kept) if kept else SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """See base class."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = FLUSH_MS) -> bool:
        """See base class."""
        return self._inner.force_flush(timeout_millis)


def _repeats(span: ReadableSpan) -> bool:
    scope = span.instrumentation_scope
    return span.name.startswith(READS) or (scope is not None and scope.name.split(".")[0] in FOREIGN)


def _wordless(span: ReadableSpan) -> ReadableSpan:
    """The span as it is but for texts of exceptions."""
    if span.status.description is None and not span.events:
        return span
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=[_named(event) for event in span.events],
        links=span.links,
        kind=span.kind,
        instrumentation_scope=span.instrumentation_scope,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
    )


def _named(event: Event) -> Event:
    kept = {key: value for key, value in (event.attributes or {}).items() if key == "exception.type"}
    return Event(event.name, kept, event.timestamp)


class OtelSpans:
    """Spans for the calls that a worker makes to the outside."""

    def __init__(self, provider: ReplaySafeTracerProvider) -> None:
        """Open them with this provider."""
        self._provider = provider
        self._tracer = provider.get_tracer("perdure")

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Value], /) -> Generator[Note]:
        """See `perdure.telemetry.spans.Spans`."""
        # As the GenAI conventions have it: a tool is run here, a model is called elsewhere.
        kind = SpanKind.INTERNAL if attributes.get("gen_ai.operation.name") == TOOL else SpanKind.CLIENT
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span.set_attributes
            except BaseException as error:
                _failed(span, error)
                raise

    def close(self) -> None:
        """Send what is left; takes at most some seconds."""
        self._provider.force_flush(FLUSH_MS)


def _failed(span: Span, error: BaseException) -> None:
    span.set_attribute("error.type", error.code if isinstance(error, PerdureError) else type(error).__name__)
    span.set_status(StatusCode.ERROR)


def start_tracing(service: str, exporter: SpanExporter | None = None) -> tuple[OpenTelemetryPlugin, OtelSpans]:
    """Trace this process from now on; to be called once, for the tracer of OpenTelemetry is global.

    OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over `service`; other OTEL_ variables mean what they always do.
    """
    ids = RunTraceIds(RandomIdGenerator())
    # What the environment says of the resource is merged over ours by Resource.create.
    resource = Resource.create({} if "OTEL_SERVICE_NAME" in os.environ else {SERVICE_NAME: service})
    provider = TracerProvider(resource=resource, id_generator=ids, shutdown_on_exit=False)
    delay = None if "OTEL_BSP_SCHEDULE_DELAY" in os.environ else DELAY_MS
    provider.add_span_processor(BatchSpanProcessor(Quiet(exporter or OTLPSpanExporter()), schedule_delay_millis=delay))
    replay_safe = ReplaySafeTracerProvider(provider, ids)
    trace.set_tracer_provider(replay_safe)
    return OpenTelemetryPlugin(add_temporal_spans=True), OtelSpans(replay_safe)
