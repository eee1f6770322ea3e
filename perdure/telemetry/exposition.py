"""Text for Prometheus: what Temporal's runtime exposes on a port of its own, and how long its task queue is."""

import asyncio
import http.client
import socket
from collections.abc import Iterator
from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, RPCError
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from perdure.telemetry.meters import BUCKETS

__all__ = ["CONTENT_TYPE", "Exposition"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LOOPBACK = "127.0.0.1"
ATTEMPTS = 5
"""Another process may take the free port that was found before the runtime does."""
RELAY_SECONDS = 5.0
RPC_TIMEOUT = timedelta(seconds=2)
KINDS = {
    "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}
ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Exposition:
    """A runtime whose metrics can be read; give `runtime` to the client of everything that is to be measured."""

    def __init__(self) -> None:
        """Start the runtime; it listens on loopback, on a port that was free."""
        self.runtime, self._port = _started()

    async def text(self, client: Client, task_queue: str) -> bytes:
        """Everything, now. Without an answer of the server only the length of its task queue is missing."""
        relayed, backlog = await asyncio.gather(asyncio.to_thread(self._relayed), _backlog(client, task_queue))
        return relayed + backlog

    def _relayed(self) -> bytes:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=RELAY_SECONDS)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read()
        finally:
            connection.close()


def _started(attempts: int = ATTEMPTS) -> tuple[Runtime, int]:
    port = _free_port()
    try:
        return Runtime(telemetry=_telemetry(f"{LOOPBACK}:{port}")), port
    except ValueError:  # the port is not free any more
        if attempts == 1:
            raise
        return _started(attempts - 1)


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listening:
        return listening.getsockname()[1]


def _telemetry(address: str) -> TelemetryConfig:
    metrics = PrometheusConfig(
        bind_address=address,
        counters_total_suffix=True,
        unit_suffix=True,
        durations_as_seconds=True,
        histogram_bucket_overrides=BUCKETS,
    )
    return TelemetryConfig(metrics=metrics, attach_service_name=False)


async def _backlog(client: Client, task_queue: str) -> bytes:
    try:
        found = await asyncio.gather(*(_length(client, task_queue, kind) for kind in KINDS))
    except RPCError:
        return b""
    return "".join(f"{line}\n" for line in _lines(task_queue, dict(zip(KINDS, found, strict=True)))).encode()


async def _length(client: Client, task_queue: str, kind: str) -> tuple[int, float]:
    """Tasks that wait, and seconds for which the oldest one has waited."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=KINDS[kind],
        report_stats=True,
    )
    answer = await client.workflow_service.describe_task_queue(request, timeout=RPC_TIMEOUT)
    age = answer.stats.approximate_backlog_age
    return answer.stats.approximate_backlog_count, age.seconds + age.nanos / 1e9


def _lines(task_queue: str, found: dict[str, tuple[int, float]]) -> Iterator[str]:
    about = {
        "perdure_task_queue_backlog": "Tasks that wait for a worker, by the server's estimate",
        "perdure_task_queue_backlog_age_seconds": "How long the oldest of them has waited",
    }
    for place, (name, words) in enumerate(about.items()):
        yield f"# HELP {name} {words}"
        yield f"# TYPE {name} gauge"
        for kind, values in found.items():
            yield f'{name}{{task_queue="{task_queue.translate(ESCAPES)}",kind="{kind}"}} {values[place]}'
