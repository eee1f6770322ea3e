"""One connection of a command: the client, the settings, and questions to runs that end in bounded time."""

from dataclasses import dataclass
from functools import cache
from urllib.parse import quote

from temporalio.client import (
    Client,
    RPCError,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
)
from temporalio.converter import DataConverter, WorkflowSerializationContext
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCStatusCode

from perdure.cli.cli import Cli
from perdure.cli.errors import CliError, ended, no_worker, unknown_run
from perdure.connect import Connection, connect
from perdure.contact import ANSWER, Handle
from perdure.embedded_worker import EmbeddedWorker, ensure_worker
from perdure.runtime import PerdurePlugin
from perdure.server import ensure_server
from perdure.server_record import locate
from perdure.settings import Settings, load_settings
from perdure.storage import Storage, storage_from

__all__ = ["Session", "failed_tasks", "open_session"]

FEW_ATTEMPTS = 2


def failed_tasks(described: WorkflowExecutionDescription) -> int:
    """How often the workflow task that is due was tried without success; 0 for less than would be a worker's death."""
    attempt = described.raw_description.pending_workflow_task.attempt
    return attempt - 1 if attempt > FEW_ATTEMPTS else 0


@dataclass(frozen=True)
class Session:
    """A connection with its settings."""

    cli: Cli
    settings: Settings
    connection: Connection
    storage: Storage

    @property
    def client(self) -> Client:
        """The Temporal client."""
        return self.connection.client

    @property
    def place(self) -> str:
        """The server in words."""
        return f"{self.connection.address}, namespace {self.connection.namespace}"

    def converter(self, workflow_id: str) -> DataConverter:
        """What reads the payloads of a run's history: encrypted ones belong to one run."""
        context = WorkflowSerializationContext(namespace=self.connection.namespace, workflow_id=workflow_id)
        return self.client.data_converter.with_context(context)

    def link(self, workflow_id: str, run_id: str) -> str:
        """Address of a run in the Web UI; empty where the Web UI is not known."""
        if not self.connection.ui:
            return ""
        run = f"workflows/{quote(workflow_id, safe='')}/{run_id}"
        return f"{self.connection.ui}/namespaces/{self.connection.namespace}/{run}/history"

    def handle(self, workflow_id: str, run_id: str | None = None) -> Handle:
        """Handle of a run, of the latest one with this id unless `run_id` names another."""
        return self.client.get_workflow_handle(workflow_id, run_id=run_id)

    async def worker(self, *, replace: bool = False) -> EmbeddedWorker | None:
        """See to it that a worker runs on the embedded server; None on any other server.

        `replace` puts a new one in the place of an embedded worker whose settings or code are older than ours.
        """
        return await ensure_worker(self.settings, self.connection, self.cli.out.note, replace=replace)

    def no_worker(self) -> CliError:
        """What to say when no worker answered."""
        return no_worker(self.settings.task_queue, self.place)

    def server_lives(self) -> bool:
        """Whether the process of the embedded server is there."""
        return locate(self.settings.home.absolute()) is not None

    async def revive(self) -> None:
        """Start the embedded server again; it prefers the address it had, and has every run."""
        await ensure_server(self.settings.home, self.cli.out.note)

    async def describe(self, workflow_id: str) -> WorkflowExecutionDescription:
        """What the server knows of the latest run with this id; raises CliError when there is none."""
        try:
            return await self.handle(workflow_id).describe(rpc_timeout=ANSWER)
        except RPCError as error:
            if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                raise unknown_run(workflow_id, self.place) from error
            raise

    async def open_run(self, workflow_id: str) -> Handle:
        """Handle of a run that is open, with a worker to answer for it; raises CliError when it is not open."""
        described = await self.describe(workflow_id)
        if described.status is not WorkflowExecutionStatus.RUNNING:
            raise ended(workflow_id, described.status.name if described.status else "unknown")
        await self.worker()
        return self.handle(workflow_id)


@cache
def _quiet() -> None:
    """Keep the SDK's own log lines about lost connections off the terminal: commands say it in words."""
    logging = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=logging)), error_if_already_set=False)


async def open_session(cli: Cli) -> Session:
    """Read the settings and connect; the embedded server is started when it is needed and not there."""
    _quiet()
    settings = load_settings()
    storage = storage_from(settings)
    connection = await connect(settings, plugins=[PerdurePlugin(storage)], on_progress=cli.out.note)
    return Session(cli, settings, connection, storage)
