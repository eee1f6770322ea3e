"""The workflow `TreeSearch`."""

from typing import Any, cast

from temporalio import workflow

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue
from perdure.domain.patterns.steps import Done, Found, Step, text_of
from perdure.domain.patterns.tree import ROOT, SCORE, Tree, TreeNode, TreeSearchInput, TreeSearchResult
from perdure.domain.run import ContextItem
from workflows.patterns.pattern import Pattern

__all__ = ["TreeSearch"]

ATTEMPT = """Take the next step of the task below, from where the steps so far have led. Several attempts at it are \
made side by side: take a way that the others may not take. When this step completes the task, give the whole result.

Task: """
EVALUATE = """Evaluate the last step towards the task below: how likely it leads to the goal, from 0 to 1, and whether \
the goal is reached with it.

Task: """


@workflow.defn(name="TreeSearch")
class TreeSearch(Pattern):
    """Tries several next steps, scores them, and goes on where it is most promising, back from where it is not.

    task --+--> 0.1 (0.4)
           +--> 0.2 (0.8) --+--> 0.2.1 (0.3)
           |                +--> 0.2.2 (0.9, done) --> output
           +--> 0.3 (failed)

    Source: Language Agent Tree Search, Zhou et al., 2023; selection by UCT (Kocsis and Szepesvari, 2006), with ties by
    order instead of chance. Cost: for each of `expansions` the calls of `width` attempts and one for each score.
    Failures: an attempt or evaluation that fails is a node without a score, never a zero, and is gone back from. A tree
    without anything left to try ends SEARCH_EXHAUSTED, the last expansion EXPANSION_LIMIT; both with the best path.
    """

    takes = TreeSearchInput

    @workflow.run
    async def run(self, *payload: JsonValue) -> TreeSearchResult:
        """Run to the end."""
        return await self.conduct(TreeSearchInput, TreeSearchResult, payload, self._work)

    async def _work(self, given: TreeSearchInput) -> Found:
        tree = Tree(given.depth, given.exploration)
        for number in range(1, given.expansions + 1):
            name = tree.select()
            if name is None:
                return _found(tree, number - 1, "SEARCH_EXHAUSTED", "nothing is left to try")
            self.team.stage(f"expansion {number}", 2 * given.width * given.expansions)
            await self._expand(given, tree, name, number)
            kept = tree.best
            self.team.keep(None if kept is None else tree.outputs[kept.id], **_details(tree, kept, number))
            if (goal := tree.reached(given.threshold)) is not None:
                return Found(tree.outputs[goal.id], _details(tree, goal, number))
        return _found(tree, given.expansions, "EXPANSION_LIMIT", f"the goal was not reached in {given.expansions}")

    async def _expand(self, given: TreeSearchInput, tree: Tree, name: str, number: int) -> None:
        """Try `width` next steps from this node and score them."""
        so_far = _so_far(tree, name)
        attempts = [
            Step(
                id=f"{name}.{place}",
                goal=ATTEMPT + given.goal,
                context=(*so_far, ContextItem(title="attempt", text=f"{place} of {given.width}")),
                output_schema=given.output_schema,
                iteration=number,
            )
            for place in range(1, given.width + 1)
        ]
        tried = await self.team.ask_all(attempts, given.max_concurrent)
        steps = [self._evaluation(given, so_far, done) for done in tried if done.success]
        judged = iter(await self.team.ask_all(steps, given.max_concurrent))
        for done in tried:
            if done.error is not None:
                tree.fail(name, done.error.message)
                continue
            verdict = next(judged)
            if verdict.error is not None:
                tree.fail(name, f"it could not be evaluated: {verdict.error.message}")
                continue
            said = cast("dict[str, Any]", verdict.output)
            tree.add(name, done.output, said["score"], done=said["done"], feedback=said.get("feedback", ""))
        tree.expanded(name)

    def _evaluation(self, given: TreeSearchInput, so_far: list[ContextItem], done: Done) -> Step:
        return Step(
            id=f"score {done.step.id}",
            goal=EVALUATE + given.goal,
            agent=given.evaluator,
            context=(*so_far, done.as_context("last step")),
            output_schema=SCORE,
            tools=() if given.evaluator is None else None,
            iteration=done.step.iteration,
        )


def _so_far(tree: Tree, name: str) -> list[ContextItem]:
    """The steps that led here, with what was said of them."""
    items: list[ContextItem] = []
    for number, each in enumerate(tree.path(name), start=1):
        node = tree.nodes[each]
        said = f"\n(evaluation: {node.score}; {node.feedback})" if node.feedback else ""
        items.append(ContextItem(title=f"step {number}", text=text_of(tree.outputs[each]) + said))
    return items


def _found(tree: Tree, expansions: int, code: str, words: str) -> Found:
    """The best that was reached, and why it is not the goal."""
    best = tree.best
    output = None if best is None else tree.outputs[best.id]
    return Found(output, _details(tree, best, expansions), ErrorInfo.of(code, words))


def _details(tree: Tree, end: TreeNode | None, expansions: int) -> dict[str, object]:
    """The tree, and the path to this node."""
    return {
        "nodes": tuple(node for node in tree.nodes.values() if node.id != ROOT),
        "path": () if end is None else tree.path(end.id),
        "score": None if end is None else end.score,
        "expansions": expansions,
    }
