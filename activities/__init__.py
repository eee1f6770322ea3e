"""The only door from workflows to the outside: methods of objects that hold Protocols, never a vendor SDK."""

from collections.abc import Callable
from typing import Any

from temporalio.client import Client

from activities.archive import ArchiveActivities
from activities.context import ContextActivities
from activities.conversations import Conversations
from activities.identity import IdentityActivities
from activities.llm import LlmActivities
from activities.prepare import Equipment, PrepareActivities
from activities.record import RecordActivities
from activities.sessions import Documents, SessionActivities
from activities.tools import ToolActivities
from perdure.outlets import Outlets
from perdure.tools.host import ToolHost

__all__ = ["activities_for"]


def activities_for(  # noqa: PLR0913, PLR0917 - what a worker brings
    client: Client,
    worker: Equipment,
    host: ToolHost,
    store: Documents,
    conversations: Conversations,
    outlets: Outlets,
) -> list[Callable[..., Any]]:
    """Every activity that a worker serves, over what it brings to its runs."""
    records = RecordActivities(client, outlets)
    settings, events = worker.settings, outlets.events
    tools = ToolActivities(host, settings.deny_tools, blobs=store, threshold=settings.blob_threshold, events=events)
    sessions = SessionActivities(store)
    return [
        PrepareActivities(worker, conversations).prepare,
        LlmActivities(worker.providers, conversations, events).reply,
        ContextActivities(worker.providers, conversations, store).compact,
        ArchiveActivities(client, store).archive,
        IdentityActivities(outlets.verifier).check,
        records.record,
        records.notify,
        records.decide,
        sessions.open,
        sessions.close,
        sessions.reply,
        tools.call,
        tools.verify,
    ]
