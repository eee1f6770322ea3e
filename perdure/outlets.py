"""Where the runs of a worker tell of themselves, and what checks who speaks to them, made from the settings."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from perdure.identity import Verifier
from perdure.keyring import Keyring
from perdure.notify import Notifier, notifier_from
from perdure.settings import Settings
from perdure.stores.audit import AuditLog
from perdure.streams import StreamWriter, streams_from

__all__ = ["Outlets", "outlets_for"]


@dataclass(frozen=True)
class Outlets:
    """The streams of events, the audit logs, the ways to people, and the public keys (None: no token counts)."""

    events: StreamWriter
    audit: AuditLog
    notifier: Notifier
    verifier: Verifier | None


@asynccontextmanager
async def outlets_for(settings: Settings, keyring: Keyring | None) -> AsyncGenerator[Outlets]:
    """Open what the settings name, for the length of a block; SettingsError for what cannot be."""
    streams = streams_from(settings)
    events = StreamWriter(streams)
    verifier = Verifier(settings.public_keys) if settings.public_keys else None
    try:
        yield Outlets(events, AuditLog(settings.audit_folder, keyring), notifier_from(settings), verifier)
    finally:
        await events.close()
        await streams.close()
