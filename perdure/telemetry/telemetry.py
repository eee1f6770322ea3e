"""All that a worker tells about itself as one value: health and metrics on a port, traces where they are asked for."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog
from temporalio.client import Client, Plugin
from temporalio.runtime import Runtime
from temporalio.worker import Interceptor

from perdure.domain.ports import Price
from perdure.settings import SettingsError
from perdure.telemetry.exposition import Exposition
from perdure.telemetry.health import Health, health_app
from perdure.telemetry.interceptor import Measuring
from perdure.telemetry.models import MeasuredProviders, Resolver
from perdure.telemetry.spans import NO_SPANS, Spans

__all__ = ["OFF", "Telemetry", "telemetry_for"]

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Standard variables that switch traces on."""
FLUSH_SECONDS = 5

log = structlog.get_logger()


@dataclass(frozen=True)
class Telemetry:
    """What measures a process. As it comes it measures nothing: metrics go nowhere and traces are off."""

    exposition: Exposition | None = None
    spans: Spans = NO_SPANS
    plugins: Sequence[Plugin] = ()
    flush: Callable[[], None] | None = None
    host: str = ""
    port: int = 0

    @property
    def runtime(self) -> Runtime | None:
        """For `connect`: where metrics are kept; None: the default one, which keeps none."""
        return None if self.exposition is None else self.exposition.runtime

    @property
    def interceptors(self) -> list[Interceptor]:
        """For the worker."""
        return [Measuring(self.spans)]

    def measured(self, providers: Resolver, prices: Callable[[str], Price | None]) -> MeasuredProviders:
        """The same providers, with their calls measured."""
        return MeasuredProviders(providers, prices, self.spans)

    @asynccontextmanager
    async def serving(self, client: Client, task_queue: str) -> AsyncGenerator[Health]:
        """Serve health and metrics, if a port was named, for as long as the block lasts; then send what is left."""
        health = Health(client, task_queue)
        try:
            if self.exposition is None:
                yield health
                return
            # Imported here: most workers serve nothing.
            from perdure.listening import listen, serve_until  # noqa: PLC0415

            try:
                listening = listen(self.host, self.port)
            except OSError as error:
                place = f"{self.host}:{self.port}"
                raise SettingsError(f"--health-port: cannot listen on {place}: {error.strerror or error}") from None
            ended = asyncio.Event()
            server = asyncio.create_task(serve_until(ended, health_app(health, self.exposition), listening))
            log.info("worker.health", host=self.host, port=self.port)
            try:
                yield health
            finally:
                ended.set()
                await server
        finally:
            await self._flush()

    async def _flush(self) -> None:
        if self.flush is not None:
            with suppress(TimeoutError):  # nobody is there to take spans
                await asyncio.wait_for(asyncio.to_thread(self.flush), FLUSH_SECONDS)


OFF = Telemetry()


def telemetry_for(service: str, *, port: int | None, host: str) -> Telemetry:
    """Telemetry of a process: health and metrics with a port, traces where the environment names a collector."""
    exposition = None if port is None else Exposition()
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return Telemetry(exposition, host=host, port=port or 0)
    # Imported here: OpenTelemetry takes a while, and most workers are not traced.
    from perdure.telemetry.tracing import start_tracing  # noqa: PLC0415

    plugin, spans = start_tracing(service)
    log.info("worker.traced")
    return Telemetry(exposition, spans, [plugin], spans.close, host, port or 0)
