"""Who polls a task queue: workers that somebody started on this machine and that are still alive."""

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

__all__ = ["is_alive", "local_pollers", "recent_pollers"]

RECENT = timedelta(seconds=70)
"""A worker polls again within 60 seconds; the server lists it for minutes after its death."""

ZOMBIE = "Z"
RPC_TIMEOUT = timedelta(seconds=5)


async def recent_pollers(client: Client, task_queue: str) -> list[str]:
    """Identities (by default `pid@host`) that polled for workflow tasks lately; raises RPCError."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    answer = await client.workflow_service.describe_task_queue(request, timeout=RPC_TIMEOUT)
    since = datetime.now(UTC) - RECENT
    return [poller.identity for poller in answer.pollers if poller.last_access_time.ToDatetime(tzinfo=UTC) >= since]


async def local_pollers(client: Client, task_queue: str) -> list[int]:
    """Process ids of the pollers on this machine that are alive."""
    ours = [name.partition("@") for name in await recent_pollers(client, task_queue)]
    pids = {int(pid) for pid, _, host in ours if host == socket.gethostname() and pid.isdecimal()}
    return sorted(pid for pid in pids if is_alive(pid))


def is_alive(pid: int) -> bool:
    """Whether a process with this id runs; one that has ended and was not yet waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return state.rpartition(")")[2].split()[0] != ZOMBIE
