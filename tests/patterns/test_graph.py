"""The pattern `Graph`: its rules, and when each task begins, by its history."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from perdure.domain.patterns.graph import Frontier, GraphResult, Node, cycles, layers, mistakes
from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.waiting import eventually, update

NAMES = "abcdefgh"
EDGES = st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=20)


def graph(edges: set[tuple[str, str]]) -> list[Node]:
    """A task for each name, which needs the second of each of its pairs."""
    return [Node(name, tuple(sorted(need for user, need in edges if user == name))) for name in NAMES]


def tree(edges: set[tuple[str, str]]) -> list[Node]:
    """A graph without cycles: pairs that do not go back are left out."""
    return graph({(user, need) for user, need in edges if need < user})


def reachable(start: str, edges: set[tuple[str, str]]) -> set[str]:
    """Everything that this one needs, directly or not."""
    found: set[str] = set()
    for _ in NAMES:
        found |= {need for user, need in edges if user == start or user in found}
    return found


@given(EDGES)
def test_every_need_on_a_cycle_is_on_one_that_is_named(edges: set[tuple[str, str]]) -> None:
    """And every path that is named is a cycle of needs that are there."""
    found = cycles(graph(edges))
    named = {pair for path in found for pair in pairwise(path)}
    assert named <= edges
    assert all(path[0] == path[-1] and len(set(path)) == len(path) - 1 >= 2 for path in found)
    assert named == {(user, need) for user, need in edges if user != need and user in reachable(need, edges)}


def test_all_mistakes_are_reported_at_once() -> None:
    """Twice the same id, needs that are unknown, of itself and named twice, and both cycles with their paths."""
    found = mistakes(
        [
            Node("draft", ("reserch", "draft")),
            Node("research"),
            Node("research", ("draft", "draft")),
            Node("a", ("b",)),
            Node("b", ("c",)),
            Node("c", ("a", "d")),
            Node("d", ("c",)),
        ]
    )
    assert found == [
        "2 tasks are called 'research': ids must differ",
        "task 'draft' needs 'reserch', which is no task. Did you mean 'research'?",
        "task 'draft' needs itself",
        "task 'research' needs 'draft' 2 times: once is enough",
        "tasks wait for each other: a -> b -> c -> a",
        "tasks wait for each other: c -> d -> c",
    ]


@given(EDGES)
def test_layers_come_after_what_they_need(edges: set[tuple[str, str]]) -> None:
    """Each task is one layer below the last that it needs, and every task is in one layer."""
    nodes = tree(edges)
    place = {name: number for number, layer in enumerate(layers(nodes)) for name in layer}
    assert place == {node.id: 1 + max((place[need] for need in node.needs), default=-1) for node in nodes}


@given(EDGES, st.sets(st.sampled_from(NAMES)), st.randoms())
def test_a_task_runs_exactly_when_all_it_needs_is_done(edges: set[tuple[str, str]], bad: set[str], luck: Any) -> None:
    """In whatever order tasks end: what needs a failed one is skipped and says which, all else runs once."""
    nodes = tree(edges)
    frontier, running, done, failed = Frontier(nodes), list[str](), set[str](), set[str]()
    skipped: dict[str, str] = {}
    needs = {node.id: set(node.needs) for node in nodes}
    while frontier.has_ready or running:
        taken = iter(frontier.take, None)
        begun = list(taken)
        assert all(needs[name] <= done for name in begun)
        running += begun
        name = running.pop(luck.randrange(len(running)))
        (failed if name in bad else done).add(name)
        skipped |= {skip.id: skip.because for skip in frontier.ended(name, success=name not in bad)}
    pairs = {(node.id, need) for node in nodes for need in node.needs}
    assert (frontier.waiting, sorted([*done, *failed, *skipped])) == (0, list(NAMES))
    assert all(because in failed & reachable(name, pairs) for name, because in skipped.items())
    assert all(not reachable(name, pairs) & bad for name in done | failed)


def test_priority_then_order() -> None:
    """Of those that are ready the most urgent begins, of equal ones the first."""
    frontier = Frontier([Node("a"), Node("b", priority=1), Node("c"), Node("d", priority=1)])
    assert list(iter(frontier.take, None)) == ["b", "d", "a", "c"]


def test_a_long_chain_needs_no_stack() -> None:
    """A thousand tasks in a row, and the same closed to a ring."""
    row = [Node(f"t{n}", (f"t{n - 1}",) if n else ()) for n in range(1_000)]
    assert (mistakes(row), len(layers(row))) == ([], 1_000)
    (ring,) = cycles([Node("t0", ("t999",)), *row[1:]])
    assert len(ring) == 1_001


async def test_a_graph_with_mistakes_starts_nothing(env: Environment) -> None:
    """The run fails with all of them in words; no child and no model call was made."""
    model = env.model(["never"])
    tasks = [{"id": "a", "needs": ["b"]}, {"id": "b", "needs": ["a"]}, {"id": "gather", "needs": ["gahter"]}]
    handle = await env.start_pattern("Graph", GraphResult, "go", model=model, tasks=tasks)
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "InvalidInput"
    assert "a -> b -> a" in cause.message
    assert "Did you mean 'gather'?" in cause.message
    assert (env.scripted(model).requests, (await env.history(handle)).activities) == ([], [])


async def test_what_needs_a_failed_task_is_not_run(env: Environment) -> None:
    """Directly or through another; what does not need it runs to its end."""
    model = env.model({"*do bad": [], "*do good": ["well"], "*do apart": ["so"], "*": ["never"]})
    tasks = [
        {"id": "bad", "goal": "do bad"},
        {"id": "good", "goal": "do good"},
        {"id": "both", "goal": "do both", "needs": ["good", "bad"]},
        {"id": "far", "goal": "do far", "needs": ["both"]},
        {"id": "apart", "goal": "do apart", "needs": ["good"]},
    ]
    handle = await env.start_pattern("Graph", GraphResult, "go", model=model, tasks=tasks)
    result = await handle.result()
    assert (result.success, result.stop_reason) == (False, StopReason.ERROR)
    assert result.status == {"bad": "failed", "good": "done", "both": "skipped", "far": "skipped", "apart": "done"}
    assert result.outputs == {"good": "well", "apart": "so"}
    assert result.skipped == {"both": "it needs 'bad', which failed", "far": "it needs 'bad', which failed"}
    assert (list(result.failures), result.failures["bad"].code) == (["bad"], "UnexpectedStep")
    assert result.error is not None
    assert (result.error.code, "both, far" in result.error.message) == ("TASKS_FAILED", True)
    assert sorted(step.step_id for step in result.steps) == ["apart", "bad", "good"]
    asked = [request.conversation.messages[0].text.split()[-1] for request in env.scripted(model).requests]
    assert sorted(asked) == ["apart", "bad", "good"]


async def test_a_stopped_graph_keeps_what_is_done(env: Environment) -> None:
    """Outputs and states of the tasks that had ended are in the result; nothing begins any more."""
    model = env.model({"*do a": ["A"], "*do b": [call("ask_human", question="When?"), "never"], "*": ["never"]})
    tasks = [
        {"id": "a", "goal": "do a"},
        {"id": "b", "goal": "do b", "needs": ["a"]},
        {"id": "c", "goal": "do c", "needs": ["b"]},
    ]
    handle = await env.start_pattern("Graph", GraphResult, "go", model=model, tasks=tasks)
    await env.pending()
    await update(handle, "stop", {"by": "ada"})
    result = await handle.result()
    assert (result.success, result.stop_reason, result.outputs) == (False, StopReason.STOPPED, {"a": "A"})
    assert (result.status, result.output) == ({"a": "done"}, {"a": "A"})


async def test_at_most_so_many_run_at_once(env: Environment) -> None:
    """Two of four wait for a person: the others have not begun."""
    model = env.model({"*": [call("ask_human", question="When?"), "ok"]})
    handle = await env.start_pattern(
        "Graph", GraphResult, "go", model=model, tasks=[{"id": name} for name in "abcd"], max_concurrent=2
    )
    await env.pending(2)
    assert len((await handle.query("status"))["children"]) == 2
    for request in await env.pending(2):
        answer = {"request_id": request.request_id, "verdict": "respond", "response": "now", "approver": "ada"}
        await update(env.client.get_workflow_handle(request.workflow_id), "decide", answer)
    await eventually(lambda: handle.query("status"), lambda status: len(status["children"]) == 4)
