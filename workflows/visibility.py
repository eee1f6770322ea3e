"""What the Web UI and `temporal workflow list` show of a run: search attributes, memo and current details."""

from typing import TYPE_CHECKING, Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from workflows.run import AgentRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perdure.domain.model import JsonValue
    from perdure.domain.run import RunState

__all__ = ["View"]

STATE = SearchAttributeKey.for_keyword("PerdureState")
AGENT = SearchAttributeKey.for_keyword("PerdureAgent")
MODEL = SearchAttributeKey.for_keyword("PerdureModel")
TENANT = SearchAttributeKey.for_keyword("PerdureTenant")
ROOT = SearchAttributeKey.for_keyword("PerdureRoot")
PENDING = SearchAttributeKey.for_int("PerdurePending")
COST = SearchAttributeKey.for_float("PerdureCostUsd")

MARKS = {"pending": "[ ]", "running": "[~]", "done": "[x]", "failed": "[!]", "skipped": "[-]"}
MAX_PLAN = 20
"""Items of a plan in the details; the status has all."""
MAX_ITEM = 120
"""Characters of such an item."""
MAX_KEYWORD = 255
"""Characters that a SQL server keeps of a Keyword."""
NOTABLE_COST = 1.1
"""Cost is written again when it has grown by a tenth: not on every turn, each write is an event."""


class View:
    """Remembers what was written, so that only changes become events."""

    def __init__(self) -> None:
        """Nothing written yet."""
        self._state: RunState | None = None
        self._pending = 0
        self._cost = 0.0
        self._title: str | None = None

    def show(self, run: AgentRun) -> None:
        """Write what has changed since the last time; without search attributes only the details are kept."""
        workflow.set_current_details(_details(run))
        if not run.is_prepared or not run.setup.search_attributes:
            return
        updates: list[SearchAttributeUpdate[Any]] = []
        if self._state is None:
            updates += _identity(run)
        if self._state is not run.control.state:
            self._state = run.control.state
            updates.append(STATE.value_set(self._state.value))
        if self._pending != len(run.pending):
            self._pending = len(run.pending)
            updates.append(PENDING.value_set(self._pending))
        total = run.total
        cost = total.cost_usd if total.priced else 0.0
        if cost > self._cost * NOTABLE_COST or (updates and cost > self._cost):
            self._cost = cost
            updates.append(COST.value_set(round(cost, 6)))
        if updates:
            workflow.upsert_search_attributes(updates)  # pyright: ignore[reportUnknownMemberType] - open generic
        self._remember_title(run)

    def _remember_title(self, run: AgentRun) -> None:
        title = run.pending[0].title if run.pending else None
        if title != self._title:
            self._title = title
            workflow.upsert_memo({"pending": title})


def _identity(run: AgentRun) -> list[SearchAttributeUpdate[Any]]:
    root = run.given.lineage.root if run.given.lineage else workflow.info().workflow_id
    return [
        AGENT.value_set(run.setup.agent.name),
        MODEL.value_set(run.setup.model),
        TENANT.value_set(run.given.tenant),
        ROOT.value_set(root[:MAX_KEYWORD]),
    ]


def _details(run: AgentRun) -> str:
    """Markdown for the Web UI."""
    control, spent = run.control, run.total
    lines = [f"**{control.state}**" + (f", waiting for {control.waiting_for}" if control.waiting_for else "")]
    if run.is_prepared:
        lines.append(f"Agent `{run.setup.agent.name}` on `{run.setup.model}`")
    if run.progress is not None:
        lines.append(f"{run.progress.stage}: {run.progress.done} of {run.progress.total} steps")
    cost = f", {spent.cost_usd:.4f} USD" if spent.priced else ""
    lines.append(f"Turns: {spent.turns}, tool calls: {spent.tool_calls}, tokens: {spent.tokens}{cost}")
    lines += [f"- `{request.request_id}` {request.title}" for request in run.pending]
    if run.plan:
        lines.append(_plan(run.plan))
    return "\n\n".join(lines)


def _plan(plan: "Sequence[JsonValue]") -> str:
    """The plan as a list, one item a line."""
    items = [item for item in plan if isinstance(item, dict)]
    lines = [
        f"- {MARKS.get(str(item.get('status')), '[ ]')} `{item.get('id')}` {item.get('text')}"[:MAX_ITEM].replace(
            "\n", " "
        )
        for item in items[:MAX_PLAN]
    ]
    more = len(items) - len(lines)
    return "\n".join([*lines, f"- and {more} more"] if more else lines)
