"""The one plugin that makes client, worker, replayer and tests agree: payloads, sandbox, what fails a workflow."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypedDict

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    DefaultPayloadConverter,
    PayloadConverter,
)
from temporalio.exceptions import ApplicationError
from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from perdure.codec import PayloadChain
from perdure.domain.model import Model
from perdure.run_ahead import GuardedRunner
from perdure.storage import Storage
from perdure.stores.external import external_storage

__all__ = ["DATA_CONVERTER", "PASSTHROUGH", "TIMING", "PerdurePlugin", "Timing", "converter_for"]

PASSTHROUGH = (
    "perdure.domain",
    "jmespath",
    "pydantic",
    "jsonschema",
    "jsonschema_specifications",
    "referencing",
    "rpds",
    "attrs",
)
"""Pure modules that workflows share with the worker instead of importing them again for every run."""
OUR_WORKFLOWS = "workflows"
"""Shared too, but for the replay gate: to import them again costs 80 ms and half a megabyte for every run."""


class Timing(TypedDict):
    """Options of a worker that decide how soon others notice."""

    sticky_queue_schedule_to_start_timeout: timedelta
    max_heartbeat_throttle_interval: timedelta
    default_heartbeat_throttle_interval: timedelta
    graceful_shutdown_timeout: timedelta


TIMING = Timing(
    # How long a dead worker's next workflow task waits for it: part of the recovery time.
    sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
    # Cancellations ride on heartbeats: they reach a running call within this time.
    max_heartbeat_throttle_interval=timedelta(seconds=1),
    default_heartbeat_throttle_interval=timedelta(seconds=1),
    # On SIGTERM what runs may finish; the default would cancel model calls at once.
    graceful_shutdown_timeout=timedelta(seconds=30),
)


class ModelPayloadConverter(PydanticJSONPlainPayloadConverter):
    """JSON by pydantic, in which each of our models decides what of it travels (`Model.wire_json`)."""

    def to_payload(self, value: Any) -> Payload | None:  # noqa: ANN401 - signature of the base class
        """See base class."""
        if isinstance(value, Model):
            return Payload(metadata={"encoding": self.encoding.encode()}, data=value.wire_json().encode())
        return super().to_payload(value)


class ModelConverters(CompositePayloadConverter):
    """Temporal's default converters with ours for JSON."""

    def __init__(self) -> None:
        """Replace the JSON converter, keep the others."""
        json = ModelPayloadConverter()
        defaults = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(*(c if c.encoding != json.encoding else json for c in defaults))


class PlainFailures(DefaultFailureConverter):
    """Failures that were raised on purpose carry words, not the place in our code where they were raised."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """See base class."""
        super().to_failure(exception, payload_converter, failure)
        if isinstance(exception, ApplicationError):
            failure.stack_trace = ""


class SealedFailures(PlainFailures):
    """The same, with the words where the codec encrypts them; type and code of a failure stay plain."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """See base class."""
        super().to_failure(exception, payload_converter, failure)
        words = {"message": failure.message, "stack_trace": failure.stack_trace}
        failure.encoded_attributes.CopyFrom(payload_converter.to_payloads([words])[0])
        failure.message = "Encoded failure"
        failure.stack_trace = ""


DATA_CONVERTER = DataConverter(payload_converter_class=ModelConverters, failure_converter_class=PlainFailures)


def converter_for(storage: Storage | None) -> DataConverter:
    """Converter with the payload chain of a storage; None: payloads stay as they are, whatever their size."""
    if storage is None:
        return DATA_CONVERTER
    return replace(
        DATA_CONVERTER,
        payload_codec=PayloadChain(storage.blobs, storage.keyring, storage.compression),
        failure_converter_class=PlainFailures if storage.keyring is None else SealedFailures,
        external_storage=external_storage(storage.blobs, storage.keyring),
    )


def _sandbox(runner: WorkflowRunner | None, shared: Sequence[str]) -> WorkflowRunner:
    if isinstance(runner, SandboxedWorkflowRunner):
        runner = replace(runner, restrictions=runner.restrictions.with_passthrough_modules(*shared))
    return GuardedRunner(runner or SandboxedWorkflowRunner())


class PerdurePlugin(SimplePlugin):
    """Give it to `Client.connect(plugins=[...])`; workers of that client and the `Replayer` take the same settings.

    Only a pydantic ValidationError fails a workflow by itself: any other unforeseen exception keeps the run open,
    waiting for a worker with mended code (a rollback completes it). Without `storage` nothing is encrypted,
    compressed or stored outside of histories: that is for replaying plain histories and for tests. `strict` also
    keeps our own workflow modules in the sandbox, where every I/O, clock and random number is refused.
    """

    def __init__(self, storage: Storage | None = None, *, strict: bool = False) -> None:
        """Build the plugin."""
        shared = PASSTHROUGH if strict else (*PASSTHROUGH, OUR_WORKFLOWS)
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - the base leaves a Callable open
            "perdure",
            data_converter=converter_for(storage),
            workflow_runner=partial(_sandbox, shared=shared),
            workflow_failure_exception_types=[ValidationError],
        )

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:  # noqa: A002 - base
        """See base class."""
        config = worker.config(active_config=True)
        runner = config["workflow_runner"]  # pyright: ignore[reportTypedDictNotRequiredAccess] - a worker has one
        if isinstance(runner, GuardedRunner):
            runner.guard(worker)
        await super().run_worker(worker, next)
