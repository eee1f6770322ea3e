"""Asking a Temporal frontend, once and within seconds, whether it answers."""

import asyncio
import re
from datetime import timedelta

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.service import ConnectConfig, RetryConfig, RPCError, RPCStatusCode, ServiceClient

__all__ = ["FORBIDDEN", "why_unreachable"]

FORBIDDEN = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED})
"""Answers of a server that is there and does not let us."""

ONCE = RetryConfig(max_retries=0)


async def why_unreachable(config: ConnectConfig, *, namespace: str = "default", seconds: float = 4.0) -> str | None:
    """None when the frontend serves the namespace, else one line about what failed.

    A server that answers and only forbids describing the namespace counts as reached.
    """
    config.retry_config = ONCE
    config.connect_timeout = timedelta(seconds=seconds)
    try:
        async with asyncio.timeout(seconds):
            service = await ServiceClient.connect(config)
            request = DescribeNamespaceRequest(namespace=namespace)
            await service.workflow_service.describe_namespace(request, timeout=timedelta(seconds=seconds))
    except TimeoutError:
        return f"no answer within {seconds:g} seconds"
    except RPCError as error:
        return None if error.status is RPCStatusCode.PERMISSION_DENIED else f"{error.status.name}: {error.message}"
    except (RuntimeError, ValueError) as error:
        return _in_words(str(error))
    return None


def _in_words(text: str) -> str:
    # The bridge raises RuntimeError with the source of nested Rust values; the quoted parts are their messages.
    return ": ".join(re.findall(r'"([^"]+)"', text)[:2]) or text
