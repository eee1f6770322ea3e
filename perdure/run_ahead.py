"""Lets go of a run that a query has carried beyond its last workflow task: what it did there would not replay.

A query that meets a run in no cache (its worker was killed) is answered from the history, and that may hold events
that no workflow task has taken in yet. The SDK's core runs the workflow over them all the same, at the time of the
last task and without the events that are still to come, keeps it in the cache, and goes on from there when the task
comes. Every later replay takes those events in with that task, at its time: `workflow.now()` is another, signals come
first, and what depends on either differs. So such a run answers the query and leaves the cache.
"""

from collections.abc import Callable
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import Worker, WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.workflow import Info

__all__ = ["GuardedRunner"]

LOOKING = frozenset({"query_workflow", "remove_from_cache"})
"""Jobs that do not carry a workflow on."""


class GuardedRunner(WorkflowRunner):
    """Runs workflows with another runner; guards those of the worker that it was told of."""

    def __init__(self, runner: WorkflowRunner) -> None:
        """Guard what this runner runs."""
        self._runner = runner
        self._worker: Worker | None = None

    def guard(self, worker: Worker) -> None:
        """Runs can be let go of from now on, by this worker."""
        self._worker = worker

    def prepare_workflow(self, defn: Any) -> None:  # noqa: ANN401 - the SDK keeps this type to itself
        """See base class."""
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """See base class."""
        return _Guarded(self._runner.create_instance(det), self._let_go)

    def set_worker_level_failure_exception_types(self, types: Any) -> None:  # noqa: ANN401 - as in the base class
        """See base class."""
        self._runner.set_worker_level_failure_exception_types(types)

    def _let_go(self, run_id: str) -> None:
        if self._worker is not None:
            # The SDK has no public way; tests/workflows/test_run_ahead.py shows that this one works.
            self._worker._bridge_worker.request_workflow_eviction(run_id)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


class _Guarded(WorkflowInstance):
    """A run that notices when it is carried on without a workflow task."""

    def __init__(self, run: WorkflowInstance, let_go: Callable[[str], None]) -> None:
        self._run = run
        self._let_go = let_go
        self._replayed_until: int | None = None
        """Time of the latest activation, in nanoseconds, if it was a replay."""

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """See base class."""
        if any(job.WhichOneof("variant") not in LOOKING for job in act.jobs):
            at = act.timestamp.ToNanoseconds()
            if not act.is_replaying and at == self._replayed_until:  # a workflow task has a time of its own
                self._let_go(act.run_id)
            self._replayed_until = at if act.is_replaying else None
        return self._run.activate(act)

    def get_serialization_context(self, command_info: Any) -> SerializationContext | None:  # noqa: ANN401 - private type
        """See base class."""
        return self._run.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:  # noqa: ANN401 - private type
        """See base class."""
        return self._run.get_external_store_context(command_info)

    def get_info(self) -> Info:
        """See base class."""
        return self._run.get_info()

    def get_thread_id(self) -> int | None:
        """See base class."""
        return self._run.get_thread_id()
