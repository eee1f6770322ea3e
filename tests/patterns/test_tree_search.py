"""The pattern `TreeSearch` and the rules of its tree."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from perdure.domain.patterns.tree import ROOT, Tree, TreeSearchInput, TreeSearchResult
from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.waiting import update

ATTEMPT = st.one_of(st.none(), st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.booleans()))
EXPANSIONS = st.lists(st.lists(ATTEMPT, min_size=1, max_size=3), max_size=12)
Attempts = list[tuple[float, bool] | None]


def expand(tree: Tree, name: str, attempts: Attempts) -> None:
    """Add these attempts below a node; None is one that failed."""
    for attempt in attempts:
        _ = tree.fail(name, "no") if attempt is None else tree.add(name, "try", attempt[0], done=attempt[1])
    tree.expanded(name)


def grown(expansions: list[Attempts], depth: int = 3) -> tuple[Tree, list[str]]:
    """A tree whose selected nodes had these attempts, and which nodes they were."""
    tree, selected = Tree(depth), list[str]()
    for attempts in expansions:
        name = tree.select()
        if name is None:
            break
        selected.append(name)
        expand(tree, name, attempts)
    return tree, selected


def below(tree: Tree, name: str) -> list[float]:
    """The scores of a node and of all below it."""
    return [
        node.score for node in tree.nodes.values() if f"{node.id}.".startswith(f"{name}.") and node.score is not None
    ]


@given(EXPANSIONS)
def test_scores_count_for_every_node_above(expansions: list[Attempts]) -> None:
    """The value of a node is the sum of its score and of all scores below; errors count nowhere."""
    tree, _ = grown(expansions)
    for name, node in tree.nodes.items():
        assert node.value == pytest.approx(sum(below(tree, name)))
        assert node.visits == len(below(tree, name))


@given(EXPANSIONS)
def test_what_is_exhausted_is_never_selected(expansions: list[Attempts]) -> None:
    """Each node is selected once, and never one that failed, is done or is at the last level."""
    tree, selected = grown(expansions)
    assert len(set(selected)) == len(selected)
    nodes = [tree.nodes[name] for name in selected]
    assert all(node.state == "expanded" and not node.done and node.depth < 3 for node in nodes)


@given(st.lists(ATTEMPT, min_size=1, max_size=3), st.integers(1, 4))
def test_it_comes_to_an_end(attempts: Attempts, depth: int) -> None:
    """However promising everything looks: every node that can be expanded is, then nothing is selected."""
    tree, selected = grown([attempts] * 200, depth)
    open_each = sum(attempt is not None and not attempt[1] for attempt in attempts)
    assert len(selected) == sum(open_each**level for level in range(depth))
    assert tree.select() is None


@given(EXPANSIONS)
def test_the_best_is_the_highest_score_also_when_it_is_zero(expansions: list[Attempts]) -> None:
    """There is one as soon as anything was scored."""
    tree, _ = grown(expansions)
    scores = below(tree, ROOT)
    assert (tree.best.score if tree.best else None) == max(scores, default=None)


def test_selection_goes_to_the_promising_and_back_from_the_failed() -> None:
    """Highest first, ties by order; when all attempts below it failed, its neighbour is next."""
    tree = Tree(depth=3)
    expand(tree, ROOT, [(0.2, False), (0.8, False), (0.8, False)])
    assert tree.select() == "0.2"
    expand(tree, "0.2", [None, None])
    assert tree.select() == "0.3"
    expand(tree, "0.3", [(0.0, False), (0.1, True)])
    assert tree.path("0.3.2") == ("0.3", "0.3.2")
    assert tree.best is not None
    assert (tree.best.id, tree.reached(0.1), tree.reached(0.2)) == ("0.2", tree.nodes["0.3.2"], None)


def test_exploration_leads_to_what_was_tried_little() -> None:
    """A good branch that was visited often gives way; without exploration it does not."""
    attempts: list[Attempts] = [[(0.6, False), (0.5, False)], [(0.6, False), (0.6, False), (0.6, False)]]
    tree, _ = grown(attempts, depth=9)
    assert tree.select() == "0.2"
    tree.exploration = 0.0
    assert tree.select() == "0.1.1"


def test_a_search_that_cannot_fit_is_refused() -> None:
    """Its steps are bounded like those of every pattern."""
    with pytest.raises(ValidationError, match="make 4000 steps, at most 3000 fit"):
        TreeSearchInput.model_validate({"goal": "go", "width": 10, "expansions": 200})


def score(value: float, *, done: bool = False, feedback: str = "") -> str:
    """An evaluation."""
    return json.dumps({"score": value, "done": done, "feedback": feedback})


async def search(env: Environment, script: dict[str, Any], **fields: Any) -> tuple[TreeSearchResult, list[str]]:
    """The result of a search with this script, and how each conversation began."""
    model = env.model(script)
    handle = await env.start_pattern(
        "TreeSearch", TreeSearchResult, "the task", model=model, max_concurrent=1, **fields
    )
    result = await handle.result()
    return result, [request.conversation.messages[0].text for request in env.scripted(model).requests]


async def test_it_goes_on_where_it_is_promising(env: Environment) -> None:
    """The best of the first steps is expanded, told what was said of it; the result has tree, path and score."""
    script = {
        "*'step 1'>?two*1 of 2*Take the next step*": ["two-one"],
        "*'step 1'>?two*2 of 2*Take the next step*": [],
        "*1 of 2*Take the next step*": ["one"],
        "*2 of 2*Take the next step*": ["two"],
        "*'last step'>?one*Evaluate*": [score(0.1)],
        "*'last step'>?two?<*Evaluate*": [score(0.6, feedback="mind the gap")],
        "*'last step'>?two-one*Evaluate*": [score(0.95, done=True)],
    }
    result, told = await search(env, script, width=2)
    assert (result.success, result.output, result.path, result.score) == (True, "two-one", ("0.2", "0.2.1"), 0.95)
    assert [(node.id, node.state, node.score, node.visits, node.value) for node in result.nodes] == [
        ("0.1", "open", 0.1, 1, 0.1),
        ("0.2", "expanded", 0.6, 2, pytest.approx(1.55)),
        ("0.2.1", "open", 0.95, 1, 0.95),
        ("0.2.2", "failed", None, 0, 0.0),
    ]
    assert (result.expansions, len(result.steps)) == (2, 7)
    assert all("mind the gap" in text for text in told[4:])


async def test_a_zero_score_does_not_lose_the_best(env: Environment) -> None:
    """Nothing was worth anything: it is no success, but the first attempt is there."""
    script = {"*Take the next step*": ["poor"], "*Evaluate*": [score(0)]}
    result, _ = await search(env, script, width=2, depth=1)
    assert (result.success, result.output, result.path, result.score) == (False, "poor", ("0.1",), 0.0)
    assert result.error is not None
    assert (result.error.code, result.stop_reason) == ("SEARCH_EXHAUSTED", StopReason.ERROR)


async def test_done_but_not_good_enough_goes_on(env: Environment) -> None:
    """Until the expansions are used up; what was reached is the output."""
    script = {
        "*1 of 2*Take the next step*": ["one"],
        "*2 of 2*Take the next step*": ["two"],
        "*'last step'>?one*Evaluate*": [score(0.7, done=True)],
        "*'last step'>?two*Evaluate*": [score(0.4)],
    }
    result, _ = await search(env, script, width=2, expansions=2)
    assert (result.success, result.output, result.score, result.expansions) == (False, "one", 0.7, 2)
    assert result.error is not None
    assert result.error.code == "EXPANSION_LIMIT"
    assert [node.id for node in result.nodes] == ["0.1", "0.2", "0.2.1", "0.2.2"]


async def test_attempts_that_all_fail_are_no_zeros(env: Environment) -> None:
    """There is no best, no score, and nothing left to try."""
    result, _ = await search(env, {"*": []}, width=2)
    assert (result.success, result.output, result.score, result.path) == (False, None, None, ())
    assert {(node.state, node.score) for node in result.nodes} == {("failed", None)}


async def test_a_stopped_search_keeps_its_tree(env: Environment) -> None:
    """The best of the expansions that were over, not the attempt that came last."""
    asking = call("ask_human", question="Which?")
    script = {
        "*'step 1'>?two*Take the next step*": [asking, "never"],
        "*1 of 2*Take the next step*": ["one"],
        "*2 of 2*Take the next step*": ["two"],
        "*'last step'>?one*Evaluate*": [score(0.1)],
        "*'last step'>?two*Evaluate*": [score(0.6)],
    }
    handle = await env.start_pattern(
        "TreeSearch", TreeSearchResult, "the task", model=env.model(script), width=2, max_concurrent=1
    )
    await env.pending()
    await update(handle, "stop", {"by": "ada"})
    result = await handle.result()
    assert (result.stop_reason, result.output, result.path) == (StopReason.STOPPED, "two", ("0.2",))
    assert [node.id for node in result.nodes] == ["0.1", "0.2"]
