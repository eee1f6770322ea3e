"""The only door from workflows to the outside: methods of objects that hold Protocols, never a vendor SDK."""

from collections.abc import Callable
from typing import Any

from temporalio.client import Client

from activities.archive import ArchiveActivities
from activities.context import ContextActivities
from activities.conversations import Conversations
from activities.llm import LlmActivities
from activities.prepare import Equipment, PrepareActivities
from activities.sessions import Documents, SessionActivities
from activities.tools import ToolActivities
from perdure.tools.host import ToolHost

__all__ = ["activities_for"]


def activities_for(
    client: Client, worker: Equipment, host: ToolHost, store: Documents, conversations: Conversations
) -> list[Callable[..., Any]]:
    """Every activity that a worker serves, over what it brings to its runs."""
    tools = ToolActivities(host, worker.settings.deny_tools, blobs=store, threshold=worker.settings.blob_threshold)
    sessions = SessionActivities(store)
    return [
        PrepareActivities(worker, conversations).prepare,
        LlmActivities(worker.providers, conversations).reply,
        ContextActivities(worker.providers, conversations, store).compact,
        ArchiveActivities(client, store).archive,
        sessions.open,
        sessions.close,
        sessions.reply,
        tools.call,
        tools.verify,
    ]
