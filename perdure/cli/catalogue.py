"""What there is: runs on the server, agents in the definitions folder, tools of a worker."""

import contextlib
import sys
from collections.abc import Sequence
from typing import TypedDict

from temporalio.client import WorkflowExecution
from temporalio.common import SearchAttributeKey

from perdure.cli.session import Session
from perdure.cli.visibility import found
from perdure.contact import shown_state
from perdure.domain.errors import PerdureError
from perdure.domain.model import JsonObject
from perdure.loading import Definitions
from perdure.settings import Settings
from perdure.tools import default_registry, load_modules
from perdure.tools.builtin import register_builtins

__all__ = ["AgentItem", "RunItem", "ToolItem", "agents", "run_item", "runs", "tools"]

AGENT = SearchAttributeKey.for_keyword("PerdureAgent")
MODEL = SearchAttributeKey.for_keyword("PerdureModel")
ROOT = SearchAttributeKey.for_keyword("PerdureRoot")
PENDING = SearchAttributeKey.for_int("PerdurePending")
LATEST = "ExecutionStatus != 'ContinuedAsNew'"
"""Of the runs that continue each other, the last one stands for all."""
COST = SearchAttributeKey.for_float("PerdureCostUsd")


class RunItem(TypedDict):
    """A run in a list; what only search attributes tell is None on a server without them."""

    workflow_id: str
    run_id: str
    type: str
    status: str
    state: str
    agent: str | None
    model: str | None
    root: str | None
    pending: int | None
    cost_usd: float | None
    started_at: str
    closed_at: str | None


class AgentItem(TypedDict):
    """An agent in a list; `problem` says what is wrong with its file."""

    name: str
    role: str | None
    description: str
    model: str | None
    tools: list[str] | None
    problem: str | None


class ToolItem(TypedDict):
    """A tool in a list."""

    name: str
    description: str
    effect: str
    schema: JsonObject
    source: str


async def runs(session: Session, kinds: Sequence[str], limit: int, query: str | None = None) -> list[RunItem]:
    """The newest runs of these workflow types, or of those that match a visibility query; raises CliError."""
    return [run_item(run) for run in await found(session, kinds, LATEST, query, limit)]


def run_item(run: WorkflowExecution) -> RunItem:
    """What the server knows of a run."""
    known, status = run.typed_search_attributes, run.status.name if run.status else "UNKNOWN"
    closed = run.close_time
    return RunItem(
        workflow_id=run.id,
        run_id=run.run_id,
        type=run.workflow_type,
        status=status,
        state=shown_state(run),
        agent=known.get(AGENT),
        model=known.get(MODEL),
        root=known.get(ROOT),
        pending=known.get(PENDING),
        cost_usd=known.get(COST),
        started_at=run.start_time.isoformat(timespec="seconds"),
        closed_at=closed.isoformat(timespec="seconds") if closed else None,
    )


def agents(settings: Settings) -> list[AgentItem]:
    """Agents by name; one whose file is wrong is listed with what is wrong."""
    definitions = Definitions(settings.definitions)
    return [_agent(definitions, name) for name in definitions.agent_names()]


def _agent(definitions: Definitions, name: str) -> AgentItem:
    try:
        spec = definitions.agent(name)
    except PerdureError as error:
        return AgentItem(name=name, role=None, description="", model=None, tools=None, problem=error.message)
    globs = None if spec.tools is None else list(spec.tools)
    return AgentItem(
        name=name, role=spec.role, description=spec.description, model=spec.model, tools=globs, problem=None
    )


def tools(settings: Settings) -> list[ToolItem]:
    """Tools by name; raises ConfigurationError for a tool module that cannot be used."""
    # Modules may print when they are imported, and stdout belongs to the answer.
    with contextlib.redirect_stdout(sys.stderr):
        register_builtins(default_registry)
        load_modules(settings.tool_modules, default_registry)
    return [
        ToolItem(
            name=spec.name,
            description=spec.description,
            effect=spec.effect.value,
            schema=spec.parameters,
            source=spec.source,
        )
        for spec in default_registry.specs()
    ]
