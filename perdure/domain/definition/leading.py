"""What a coordinator answers: tasks for its agents, and what is wrong with them."""

from collections.abc import Sequence

from pydantic import Field, ValidationError

from perdure.domain.arguments import closest
from perdure.domain.definition.needs import cycle
from perdure.domain.explain import explain
from perdure.domain.model import JsonObject, JsonValue, Model
from perdure.domain.patterns.steps import StepId

__all__ = ["MAX_TASKS", "Plan", "Task", "plan_of", "plan_schema"]

MAX_TASKS = 50


class Task(Model, frozen=True):
    """One task: which agent does what, after which others."""

    id: StepId
    agent: str
    goal: str = Field(min_length=1)
    needs: tuple[str, ...] = ()


class Plan(Model, frozen=True):
    """Tasks that are done as soon as those that they need are."""

    tasks: tuple[Task, ...] = Field(min_length=1, max_length=MAX_TASKS)


def plan_schema(agents: Sequence[str]) -> JsonObject:
    """JSON Schema of a plan over these agents."""
    task: JsonObject = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "agent": {"type": "string", "enum": [*agents]},
            "goal": {"type": "string"},
            "needs": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["id", "agent", "goal"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"tasks": {"type": "array", "items": task, "minItems": 1, "maxItems": MAX_TASKS}},
        "required": ["tasks"],
        "additionalProperties": False,
    }


def plan_of(answer: JsonValue, agents: Sequence[str]) -> tuple[Plan | None, str]:
    """The plan in an answer, or what is wrong with it: also ids that are not there, and circles."""
    try:
        plan = Plan.model_validate(answer)
    except ValidationError as error:
        return None, explain(error)
    names = [task.id for task in plan.tasks]
    wrong = [f"two tasks are called {name!r}" for name in dict.fromkeys(names) if names.count(name) > 1]
    for task in plan.tasks:
        if task.agent not in agents:
            wrong.append(f"task {task.id}: no agent is called {task.agent!r}.{closest(task.agent, agents)}")
        wrong += [f"task {task.id} needs {need!r}, which is no task" for need in task.needs if need not in names]
    if circle := cycle({task.id: task.needs for task in plan.tasks}):
        wrong.append(f"tasks need each other in a circle: {' -> '.join([*circle, circle[0]])}")
    return (None, "; ".join(wrong)) if wrong else (plan, "")
