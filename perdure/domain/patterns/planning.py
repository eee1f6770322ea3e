"""Plans as data: their items, the answer by which a planner gives one, what can be wrong with it; and `PlanExecute`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, cast

from pydantic import Field, StringConstraints, model_validator

from perdure.domain.agents import AgentSpec, Name
from perdure.domain.model import JsonObject, JsonValue, Model
from perdure.domain.patterns.graph import Node, mistakes
from perdure.domain.patterns.steps import PatternInput, PatternResult, StepId, Worker, text_of
from perdure.domain.policy import Level, Rule
from perdure.domain.run import ContextItem

__all__ = [
    "ItemStatus",
    "PlanExecuteInput",
    "PlanExecuteResult",
    "PlanItem",
    "PlannedInput",
    "PlannedResult",
    "as_answer",
    "described",
    "plan_mistakes",
    "plan_nodes",
    "plan_of",
    "plan_schema",
    "report_of",
    "shown",
]

MAX_ITEMS = 100
MAX_TOLD = 2_000
"""Characters of a result that a planner is told."""
MAX_SHOWN = 500
"""Characters of a text or result in the status, which holds the whole plan."""

ItemStatus = Literal["pending", "running", "done", "failed", "skipped"]


class PlanItem(Model, frozen=True):
    """One item of a plan. `agent` is who does it, `needs` are items whose results it builds on.

    `result` is there when it is done, `error` says why it failed or was skipped.
    """

    id: StepId
    text: Annotated[str, StringConstraints(min_length=1)]
    agent: str = ""
    needs: tuple[str, ...] = ()
    priority: int = 0
    capabilities: tuple[str, ...] = ()
    status: ItemStatus = "pending"
    result: JsonValue = None
    error: str = ""


def plan_schema(agents: Iterable[str], most: int = MAX_ITEMS, *, skilled: bool = False) -> JsonObject:
    """Shape of a planner's answer: `items`, done by these agents; `skilled` lets them say what capabilities they take.

    A capability may be one that nobody has: that such an item cannot be done is for the pattern to say.
    """
    names: JsonObject = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    item: JsonObject = {
        "id": {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"},
        "text": {"type": "string", "minLength": 1, "description": "all that has to be done"},
        "needs": {**names, "description": "ids of the items whose results it builds on"},
        "priority": {"type": "integer", "description": "of items that are ready the highest begins first"},
    }
    if who := list(agents):
        item["agent"] = {"type": "string", "enum": [*who], "description": "who does it"}
    if skilled:
        item["capabilities"] = {**names, "description": "what it takes, in the words of those who can do it"}
    return {
        "type": "object",
        "properties": {
            "items": {
                "type": "array",
                "maxItems": most,
                "items": {
                    "type": "object",
                    "properties": item,
                    "required": ["id", "text"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["items"],
        "additionalProperties": False,
    }


def plan_of(answer: JsonValue) -> tuple[PlanItem, ...]:
    """The items of an answer that has the shape of `plan_schema`."""
    return PlanAnswer.model_validate(answer).items


def as_answer(items: Iterable[PlanItem]) -> JsonObject:
    """A plan in the shape of `plan_schema`, as people review and edit it."""
    fields = {"id", "text", "agent", "needs", "priority", "capabilities"}
    return {"items": [item.model_dump(mode="json", include=fields, exclude_defaults=True) for item in items]}


class PlanAnswer(Model, frozen=True):
    """A planner's answer."""

    items: tuple[PlanItem, ...]


def plan_nodes(items: Iterable[PlanItem], done: Iterable[str] = ()) -> tuple[Node, ...]:
    """The items as a graph; what is done already is not waited for."""
    over = frozenset(done)
    return tuple(Node(item.id, tuple(need for need in item.needs if need not in over), item.priority) for item in items)


def plan_mistakes(items: Sequence[PlanItem], done: Iterable[str] = (), *, first: bool = True) -> list[str]:
    """Say everything that is wrong with a plan, or with the rest of one when some items are `done`."""
    over = list(done)
    again = [f"item {item.id!r} is done: the rest of the plan needs other ids" for item in items if item.id in over]
    empty = ["the plan has no items"] if first and not items else []
    return [*empty, *again, *mistakes([Node(item.id, item.needs, item.priority) for item in items], over)]


def described(agents: Mapping[str, str]) -> list[ContextItem]:
    """Those who can do items, as a planner is told."""
    lines = [f"{name}: {words}" if words else name for name, words in agents.items()]
    return [ContextItem(title="who can do items", text="\n".join(lines))] if lines else []


def report_of(items: Iterable[PlanItem]) -> ContextItem:
    """How a plan stands, as a planner is told: what is done, what failed and why, what was not run."""
    lines = [
        f"- {item.id} ({item.status}): {item.text}"
        + (f"\n  result: {text_of(item.result)[:MAX_TOLD]}" if item.status == "done" else "")
        + (f"\n  why: {item.error[:MAX_TOLD]}" if item.error else "")
        for item in items
    ]
    return ContextItem(title="the plan so far", text="\n".join(lines))


def shown(item: PlanItem) -> JsonObject:
    """An item as the status shows it, with the beginnings of what is long."""
    said: dict[str, Any] = item.model_dump(mode="json", exclude_defaults=True)
    said |= {"text": item.text[:MAX_SHOWN], "status": item.status}
    if item.status == "done":
        said["result"] = text_of(item.result)[:MAX_SHOWN]
    return said


class PlannedInput(PatternInput, frozen=True):
    """Input of every pattern that works by a plan: `replans` bounds how often the rest is planned anew."""

    replans: int = Field(default=2, ge=0, le=10)
    max_items: int = Field(default=30, ge=1, le=MAX_ITEMS)


class PlannedResult(PatternResult, frozen=True):
    """Result of every pattern that works by a plan: the plan as it stands at the end, and how often it was made."""

    plan: tuple[PlanItem, ...] = ()
    plans: int = 0


class PlanExecuteInput(PlannedInput, frozen=True):
    """Input of `PlanExecute`: `planner` makes the plan and gives the answer, `agents` do its items.

    Without them the pattern's agent does, and plans without tools. With `review` (or `plan: "review"`) people see and
    edit each plan before it is carried out; `reviewers` is a rule that says who may, and how long it waits for them.
    """

    planner: Worker | None = None
    agents: dict[Name, Worker] = Field(default={}, max_length=50)
    review: bool = False
    reviewers: Rule = Rule(level=Level.REVIEW)

    @model_validator(mode="before")
    @classmethod
    def _how_it_plans(cls, data: Any) -> Any:  # noqa: ANN401 - judged by the fields
        """`plan` as the agent's field of that name: this pattern always plans, so it says whether people review."""
        if not isinstance(data, dict) or "plan" not in data:
            return cast("Any", data)
        fields = dict(cast("dict[str, Any]", data))
        plan = fields.pop("plan")
        if plan not in ("auto", "review"):
            msg = f'plan: this pattern works by a plan: "auto" or "review", not {plan!r}'
            raise ValueError(msg)
        return {**fields, "review": fields.get("review", False) or plan == "review"}

    @property
    def descriptions(self) -> dict[str, str]:
        """What is known of those who can do items, by name."""
        return {
            name: agent.description or "" if isinstance(agent, AgentSpec) else "" for name, agent in self.agents.items()
        }


class PlanExecuteResult(PlannedResult, frozen=True):
    """Result of `PlanExecute`; without success `output` is what the items came to that are done, by id."""
