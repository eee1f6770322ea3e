"""Leased budgets: whatever a tree of runs does, together it never spends more than the limits of its root."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.domain.agents import Limits
from perdure.domain.budget import Spent
from perdure.domain.leases import Lease, Leases
from perdure.domain.patterns.decompose import DecomposeResult
from perdure.domain.patterns.parallel import ParallelResult
from perdure.domain.run import Usage
from perdure.testing import Environment
from perdure.testing.history import chain_of

LIMIT = 3_000


@dataclass
class Node:
    """A run of a tree: what it has spent itself, and the leases of its children."""

    limits: Limits
    spent: Spent = field(default_factory=Spent)
    leases: Leases = field(default_factory=Leases)
    children: dict[str, "Node"] = field(default_factory=dict[str, "Node"])


def limited(lease: Lease) -> Limits | None:
    """Limits of a child on this lease; None when it can have none of something, and does nothing."""
    if lease.tool_calls == 0:
        return None
    return Limits(tokens=lease.tokens, tool_calls=lease.tool_calls, cost_usd=lease.cost_usd)


def work(node: Node, data: st.DataObject, depth: int, total: Spent) -> None:
    """Let a run do what runs do, in any order: spend of its own, start children, settle them or lose them."""
    for number in range(data.draw(st.integers(0, 5))):
        kind = data.draw(st.sampled_from(["spend", "start", "start", "settle", "lose"]))
        if kind == "spend":
            spend(node, data, total)
        elif kind == "start":
            lease = node.leases.grant(str(number), node.limits, node.spent, data.draw(st.integers(1, 4)))
            limits = limited(lease) if isinstance(lease, Lease) else None
            if limits is not None:
                node.children[str(number)] = Node(limits)
                if depth:
                    work(node.children[str(number)], data, depth - 1, total)
        elif node.children:
            settle(node, data.draw(st.sampled_from(sorted(node.children))), lost=kind == "lose")
        check(node)


def spend(node: Node, data: st.DataObject, total: Spent) -> None:
    """A model call and tool calls within what is free, which is what a run reserves before it begins them."""
    out = node.leases.out.values()
    free = node.limits.tokens - node.spent.tokens - sum(lease.tokens for lease in out)
    calls = node.limits.tool_calls - node.spent.tool_calls - sum(lease.tool_calls for lease in out)
    money = (node.limits.cost_usd or 0) - node.spent.cost_usd - sum(lease.cost_usd or 0 for lease in out)
    part = data.draw(st.floats(0, 1))
    used = Usage(input_tokens=int(free * part), cost_usd=max(0.0, money) * part)
    node.spent.settle_child(used, int(calls * part))
    total.settle_child(used, int(calls * part))


def settle(node: Node, name: str, *, lost: bool) -> None:
    """A child has ended, and those below it before; of one that is lost nobody knows what it has used: all counts."""
    for below in list(node.children[name].children):
        settle(node.children[name], below, lost=False)
    lease, child = node.leases.settle(name), node.children.pop(name)
    known = Usage(input_tokens=child.spent.input_tokens, cost_usd=child.spent.cost_usd)
    most = Usage(input_tokens=lease.tokens, cost_usd=lease.cost_usd)
    node.spent.settle_child(most if lost else known, lease.tool_calls if lost else child.spent.tool_calls)


def check(node: Node) -> None:
    """What is spent and what is out are within the limits."""
    out = node.leases.out.values()
    assert node.spent.tokens + sum(lease.tokens for lease in out) <= node.limits.tokens
    assert node.spent.tool_calls + sum(lease.tool_calls for lease in out) <= node.limits.tool_calls
    assert node.limits.cost_usd is not None
    assert node.spent.cost_usd + sum(lease.cost_usd or 0 for lease in out) <= node.limits.cost_usd * (1 + 1e-9)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 2_000), st.integers(1, 60), st.floats(0.001, 10))
def test_a_tree_of_leases_never_exceeds_the_limit(
    data: st.DataObject, tokens: int, tool_calls: int, cost_usd: float
) -> None:
    """Five levels that spend, start, settle and lose as they like: all together stay within the root's limits."""
    root, total = Node(Limits(tokens=tokens, tool_calls=tool_calls, cost_usd=cost_usd)), Spent()
    for _ in range(3):
        work(root, data, 5, total)
    assert total.tokens <= tokens
    assert total.tool_calls <= tool_calls
    assert total.cost_usd <= cost_usd * (1 + 1e-9)


@given(st.integers(1, 500), st.integers(1, 20))
def test_equal_parts_come_out_of_what_is_free(tokens: int, parts: int) -> None:
    """Each of them gets the same and all of them fit; what is settled unused can be leased again."""
    leases, limits = Leases(), Limits(tokens=tokens, tool_calls=tokens)
    granted = [leases.grant(str(n), limits, Spent(), parts - n) for n in range(parts)]
    sizes = [lease.tokens for lease in granted if isinstance(lease, Lease)]
    assert sum(sizes) <= tokens
    assert max(sizes, default=0) - min(sizes, default=0) <= 1
    for name in list(leases.out):
        leases.settle(name)
    again = leases.grant("again", limits, Spent(), 1)
    assert isinstance(again, Lease)
    assert again.tokens == tokens


def script() -> dict[str, Any]:
    """A model for the provider that counts what it is sent: the left half is divided again, down to the fifth level."""
    plan = json.dumps({"direct": False, "subtasks": ["the left half of it", "the right half of it"]})
    direct = json.dumps({"direct": True, "subtasks": []})
    return {
        "conversations": [
            {"when": "You plan.*Task: the right half of it", "steps": [{"text": direct}]},
            {"when": "You plan.*", "steps": [{"text": plan}]},
            {"when": "You solve.*", "steps": [{"text": "solved " * 5}]},
            {"when": "*", "steps": [{"text": "put together " * 3}]},
        ]
    }


def agent(name: str) -> dict[str, Any]:
    """An agent with instructions that cost something in every call, and with no tools."""
    return {"agent": {"name": name, "instructions": f"You {name}. " + "Be careful and brief. " * 5, "tools": []}}


async def results_below(env: Environment, workflow_id: str) -> list[dict[str, Any]]:
    """Results of all agents below a run, as their histories have them."""
    found: list[dict[str, Any]] = []
    history = await chain_of(env.client, env.client.get_workflow_handle(workflow_id))
    for event in history.events:
        if event.HasField("child_workflow_execution_completed_event_attributes"):
            ended = event.child_workflow_execution_completed_event_attributes
            if ended.workflow_type.name == "Agent":
                (value,) = await env.client.data_converter.decode(ended.result.payloads)
                found.append(value)
            else:
                found += await results_below(env, ended.workflow_execution.workflow_id)
    return found


def tokens_of(results: list[dict[str, Any]]) -> int:
    """What these agents have used together."""
    return sum(each["usage"]["input_tokens"] + each["usage"]["output_tokens"] for each in results)


@pytest.mark.parametrize("limit", [LIMIT, 1_000_000])
async def test_five_levels_of_subtasks_stay_within_the_limit_of_the_root(
    env: Environment, tmp_path: Path, limit: int
) -> None:
    """What all agents of the tree have used, by their own histories, is what the root counts, and within its limit."""
    path = tmp_path / "script.yaml"
    path.write_text(yaml.safe_dump(script()), encoding="utf-8")
    handle = await env.start_pattern(
        "Decompose",
        DecomposeResult,
        "the whole of it",
        model=f"scripted:{path}",
        max_depth=5,
        max_subtasks=2,
        planner=agent("plan"),
        solver=agent("solve"),
        synthesis=agent("edit"),
        limits={"depth": 6, "tokens": limit},
    )
    result = await handle.result()
    used = tokens_of(await results_below(env, handle.id))
    assert used == result.usage.input_tokens + result.usage.output_tokens
    assert 0 < used <= limit
    assert (result.failed > 0) == (limit == LIMIT)


async def test_what_a_call_has_beside_the_conversation_counts_before_it(env: Environment, tmp_path: Path) -> None:
    """Long instructions that alone exceed the lease: the model is not asked at all."""
    path = tmp_path / "script.yaml"
    path.write_text(yaml.safe_dump({"steps": [{"text": "short"}]}), encoding="utf-8")
    long: dict[str, Any] = {"name": "long", "instructions": "Mind this. " * 1_000, "tools": []}
    handle = await env.start_pattern(
        "Parallel",
        ParallelResult,
        "go",
        model=f"scripted:{path}",
        branches=[{"id": "a", "agent": long}],
        limits={"tokens": 2_000},
    )
    result = await handle.result()
    assert (result.usage.input_tokens, result.failures["a"].code) == (0, "TOKEN_LIMIT")
