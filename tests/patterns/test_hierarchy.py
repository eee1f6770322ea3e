"""The pattern `Hierarchy` and its rule of who does what."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from perdure.domain.patterns.hierarchy import Assignment, HierarchyInput, HierarchyResult, WorkerSpec, assign
from perdure.domain.patterns.planning import PlanItem
from perdure.testing import Environment

SKILLS = st.lists(st.sampled_from("xyz"), max_size=3, unique=True)
TASKS = st.lists(st.tuples(SKILLS, st.sampled_from(["", "ann", "nobody"]), st.integers(-1, 1)), max_size=8)
WORKERS = st.fixed_dictionaries({"ann": SKILLS, "ben": SKILLS, "cid": SKILLS})


def crew(skills: dict[str, list[str]]) -> dict[str, WorkerSpec]:
    """Workers with these capabilities."""
    return {name: WorkerSpec(capabilities=tuple(has)) for name, has in skills.items()}


def task(name: str, *skills: str, agent: str = "", priority: int = 0) -> PlanItem:
    """A task that takes these capabilities."""
    return PlanItem(id=name, text=name, capabilities=skills, agent=agent, priority=priority)


@given(TASKS, WORKERS)
def test_nobody_fits_better_than_the_worker_that_has_it(
    given_tasks: list[tuple[list[str], str, int]], skills: dict[str, list[str]]
) -> None:
    """A worker that is named and exists has the task; else nobody has more of what it takes, and none only if none."""
    tasks = [task(f"t{n}", *wants, agent=who, priority=rank) for n, (wants, who, rank) in enumerate(given_tasks)]
    found = assign(tasks, crew(skills))
    fit = {one.id: {name: len({*one.capabilities} & {*has}) for name, has in skills.items()} for one in tasks}
    free = [one for one in tasks if one.agent != "ann"]
    assert list(found) == [one.id for one in tasks]
    assert all(found[one.id].worker == "ann" for one in tasks if one.agent == "ann")
    assert all(fit[one.id].get(found[one.id].worker, 0) == max(fit[one.id].values()) for one in free)
    assert {one.id for one in free if not found[one.id].worker} == {
        one.id for one in free if one.capabilities and max(fit[one.id].values()) == 0
    }


def test_alike_workers_take_turns() -> None:
    """The fewest tasks so far, then the order; tasks of higher priority choose first; those before count."""
    workers = crew({"ann": ["x"], "ben": ["X", "y"]})
    found = assign([task("a", "x"), task("b", "x"), task("c", "x", "y"), task("d", "x", priority=9)], workers)
    assert {name: one.worker for name, one in found.items()} == {"a": "ben", "b": "ann", "c": "ben", "d": "ann"}
    assert assign([task("a", "x")], workers, load={"ann": 3}) == {"a": Assignment("ben")}


def test_what_nobody_can_do_goes_to_the_default_or_says_so() -> None:
    """An unknown worker that the manager names counts as none."""
    workers = crew({"ann": ["x"], "ben": []})
    wanted = task("a", "fly", "swim", agent="zoe")
    assert assign([wanted], workers, "ben") == {"a": Assignment("ben")}
    assert assign([wanted], workers)["a"] == Assignment(
        "", "no worker can do fly, swim, and there is no default worker"
    )
    assert assign([task("a")], workers) == {"a": Assignment("ann")}


def test_an_unknown_default_is_refused() -> None:
    """With a suggestion."""
    with pytest.raises(ValidationError, match="Did you mean 'ben'"):
        HierarchyInput.model_validate({"goal": "go", "workers": {"ben": {}}, "default": "bne"})


def worker(name: str, *skills: str) -> dict[str, Any]:
    """A worker that the script knows by its instructions."""
    agent: dict[str, Any] = {"name": name, "instructions": f"You are {name}.", "tools": []}
    return {"agent": agent, "capabilities": list(skills), "description": f"{name} is here"}


async def test_tasks_go_to_those_who_can(env: Environment) -> None:
    """The manager is told who can do what; its own choice wins; the result says who did what."""
    plan = [
        {"id": "a", "text": "do a", "capabilities": ["x"]},
        {"id": "b", "text": "do b", "capabilities": ["x"], "agent": "ben", "needs": ["a"]},
    ]
    model = env.model(
        {"*Make a plan for*": [json.dumps({"items": plan})], "You are ann.*do a": ["A"], "You are ben.*do b": ["B"],
         "*Give the final answer*": ["AB"]}
    )  # fmt: skip
    workers = {"ann": worker("ann", "x"), "ben": worker("ben", "y")}
    handle = await env.start_pattern("Hierarchy", HierarchyResult, "go", model=model, workers=workers)
    result = await handle.result()
    assert (result.success, result.output) == (True, "AB")
    assert [(each.id, each.agent, each.result) for each in result.plan] == [("a", "ann", "A"), ("b", "ben", "B")]
    told = env.scripted(model).requests[0].conversation.messages[0].text
    assert "ann: ann is here; can do: x\nben: ben is here; can do: y" in told


async def test_a_task_that_nobody_can_do_is_planned_anew(env: Environment) -> None:
    """It fails as unassigned without a model call, what needs it is not run, and the manager hears why."""
    plan = [
        {"id": "a", "text": "do a", "agent": "ann"},
        {"id": "b", "text": "do b", "capabilities": ["y"]},
        {"id": "c", "text": "do c", "needs": ["b"]},
    ]
    rest = [{"id": "b", "text": "do it otherwise", "capabilities": ["x"], "needs": ["a"]}]
    model = env.model(
        {"*Make a plan for*": [json.dumps({"items": plan})], "You are *do a": ["A"],
         "*has failed in part*": [json.dumps({"items": rest})], "You are ann.*do it otherwise": ["B"],
         "*Give the final answer*": ["AB"]}
    )  # fmt: skip
    workers = {"ann": worker("ann", "x"), "ben": worker("ben")}
    handle = await env.start_pattern("Hierarchy", HierarchyResult, "go", model=model, workers=workers)
    result = await handle.result()
    assert (result.success, result.output, result.plans) == (True, "AB", 2)
    assert {each.id: each.status for each in result.plan} == {"a": "done", "b": "done", "c": "skipped"}
    told = [request.conversation.messages[0].text for request in env.scripted(model).requests]
    assert "- b (failed): do b\n  why: no worker can do y, and there is no default worker" in told[2]
    assert not any(text.endswith(("do b", "do c")) for text in told)
