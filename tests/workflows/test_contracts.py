"""Runs of an agent with a role: its input is judged before it starts, its answer before it ends."""

import json
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from perdure.domain.contracts import contracts
from perdure.domain.run import StopReason
from perdure.testing import Environment
from tests.domain.test_contracts import INPUTS, ISSUE, REVIEW

REVIEWER: dict[str, Any] = {"name": "rev", "instructions": "You review.", "role": "reviewer", "tools": []}
INCONSISTENT = {**REVIEW, "issues": [{**ISSUE, "severity": "critical"}]}


async def test_the_contract_is_the_output_schema_and_more_than_it(env: Environment) -> None:
    """What no schema can say is judged too, fed back with role and field, and repaired."""
    model = env.model(['{"score": 5}', json.dumps(INCONSISTENT), json.dumps({**INCONSISTENT, "approved": False})])
    result = await env.run("review it", model=model, agent=REVIEWER, input=INPUTS["reviewer"])
    assert result.success
    assert result.output == {**INCONSISTENT, "approved": False}
    requests = env.scripted(model).requests
    assert requests[0].output_schema == contracts.get("reviewer").output_schema
    assert "print('hello')" in requests[0].conversation.messages[0].text
    assert "role reviewer: approved: it must be false" in requests[2].conversation.messages[-1].text


async def test_an_answer_that_never_fits_ends_with_role_and_field(env: Environment) -> None:
    """After two repairs."""
    result = await env.run("review it", model=env.model([json.dumps(INCONSISTENT)] * 4), agent=REVIEWER)
    assert (result.success, result.stop_reason, result.turns) == (False, StopReason.ERROR, 3)
    assert result.error is not None
    assert "role reviewer: approved" in result.error.message


@pytest.mark.parametrize("mode", ["react", "cot"])
async def test_the_contract_holds_in_every_mode_of_reasoning(env: Environment, mode: str) -> None:
    """The answer is judged as it was read from the text."""
    form = {
        "react": 'Action: finish\nAction Input: {{"answer": {}}}',
        "cot": "Hm.\nAnswer: {}",
    }[mode]
    good = {**INCONSISTENT, "approved": False}
    model = env.model([form.format(json.dumps(INCONSISTENT)), form.format(json.dumps(good))])
    result = await env.run("review it", model=model, agent={**REVIEWER, "reasoning": mode})
    assert result.output == good
    assert "role reviewer: approved" in env.scripted(model).requests[1].conversation.messages[-1].text


async def test_a_schema_of_the_run_stands_in_place_of_the_contract(env: Environment) -> None:
    """Whoever starts a run may ask for something else."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    result = await env.run("count", model=env.model(['{"n": 1}']), agent=REVIEWER, output_schema=schema)
    assert result.output == {"n": 1}


@pytest.mark.parametrize(
    ("agent", "given_input", "kind", "words"),
    [
        (REVIEWER, {"code": "x"}, "InvalidInput", "input of role reviewer: code"),
        (REVIEWER, {**INPUTS["reviewer"], "more": 1}, "InvalidInput", "input of role reviewer: more: unknown field"),
        ({"name": "plain"}, {"code": "x"}, "InvalidInput", "agent plain has no role"),
        ({**REVIEWER, "role": "reviewr"}, None, "ConfigurationError", "Did you mean 'reviewer'?"),
    ],
)
async def test_a_run_that_breaks_the_contract_does_not_begin(
    env: Environment, agent: dict[str, object], given_input: dict[str, object] | None, kind: str, words: str
) -> None:
    """A typed failure before the first model call."""
    model = env.model(["never"])
    handle = await env.start("go", model=model, agent=agent, input=given_input)
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == kind
    assert words in str(cause)
    assert env.scripted(model).requests == []
