"""The agents that ship: there, described, equipped with tools that exist, and fit for their roles."""

from pathlib import Path

import pytest

from perdure.domain.contracts import contracts
from perdure.loading import Definitions
from perdure.testing import Environment

DEFINITIONS = Definitions(Path(__file__).parents[1] / "definitions")
NAMES = ("analyst", "architect", "coder", "coordinator", "critic", "researcher", "reviewer", "writer")
ROLES = ("architect", "coder", "reviewer")


@pytest.mark.parametrize("name", NAMES)
async def test_an_agent_runs_with_its_tools(env: Environment, name: str) -> None:
    """Every glob finds a tool, and the instructions reach the model."""
    spec = DEFINITIONS.agent(name)
    model, agent = env.model(["never mind"]), spec.model_dump(mode="json", exclude_unset=True)
    await env.run("go", model=model, agent=agent, limits={"turns": 1})
    (request,) = env.scripted(model).requests
    assert {tool.name for tool in request.tools} == set(spec.tools or ())
    assert request.instructions == spec.instructions
    assert len(spec.instructions) > 300


def test_roles_with_a_contract_are_those_that_have_one() -> None:
    """The agent is called what its role is called."""
    assert tuple(name for name in NAMES if DEFINITIONS.agent(name).role) == ROLES
    assert all(contracts.get(name).output_schema for name in ROLES)


def test_only_agents_that_are_to_write_can_write() -> None:
    """Least privilege: those who read, judge or design have no tool with an effect."""
    writers = [name for name in NAMES if "file_write" in (DEFINITIONS.agent(name).tools or ())]
    assert writers == ["analyst", "writer"]
