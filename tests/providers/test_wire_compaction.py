"""Long runs over each wire: budgets, an overflow in the middle, and requests that stay valid and small."""

from typing import Any

import pytest
from temporalio.client import Client

from perdure.domain.agents import AgentSpec
from perdure.testing import ALLOW_ALL, agents
from tests.providers.conftest import Serve
from tests.providers.helpers import MODELS
from tests.providers.test_wire_views import answered_ids, called_ids
from tests.samples import registry_of

TURNS = 30
OVERFLOW = {
    "error": {"status": 400, "code": "context_length_exceeded", "message": "maximum context length is 9 tokens"}
}


async def look(n: int) -> str:
    """Look something up."""
    return f"seen {n} ".ljust(3_000, "x")


def steps() -> list[dict[str, Any]]:
    """Turns with a call each, an overflow before the tenth, a last word."""
    calls = [{"text": f"step {n}", "calls": [{"tool": "look", "arguments": {"n": n}}]} for n in range(TURNS)]
    return [*calls[:9], OVERFLOW, *calls[9:], {"text": "done"}]


@pytest.mark.parametrize("strategy", ["summarise", "lowest_relevance"])
@pytest.mark.parametrize("model", MODELS)
async def test_a_run_outlives_its_window(client: Client, serve: Serve, model: str, strategy: str) -> None:
    """Every step is played once and in order, whatever has left; no request is much larger than the budget."""
    server = serve(steps())
    context = {"window": 20_000, "strategy": strategy}
    spec = AgentSpec.model_validate({"name": "a", "settings": {"max_output_tokens": 1_000, "context": context}})
    async with agents(registry_of(("pure", look)), client=client) as env:
        result = await env.run("look at it all", model=model, agent=spec, policy=ALLOW_ALL, limits={"turns": 50})
        history = await env.history()
    assert (result.success, result.output, result.turns) == (True, "done", TURNS + 1)
    asked = [entry for entry in server.log if not entry["summary"]]
    assert [entry["turn"] for entry in asked] == [*range(10), *range(9, TURNS + 1)]
    compactions = history.count("context.compact")
    assert compactions >= 3
    assert sum(entry["summary"] for entry in server.log) == (compactions if strategy == "summarise" else 0)
    bodies = [entry["body"].get("messages") or entry["body"]["input"] for entry in asked]
    assert all(sorted(called_ids(body)) == sorted(answered_ids(body)) for body in bodies)
    assert all("look at it all" in str(body) for body in bodies)
    assert max(len(str(body)) for body in bodies) < 60_000
