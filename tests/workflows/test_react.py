"""Runs of an agent in text form: the same calls, decisions and effects as with native tool calling."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError

from perdure.domain.react import action_text, finish_text
from perdure.domain.run import StopReason
from perdure.testing import ALLOW_ALL, Call, Environment, agents, call
from tests.samples import Host, registry_of
from tests.waiting import pending, update

AGENT = {"name": "words", "instructions": "You are brief.", "reasoning": "react"}
NATIVE = {"name": "words", "instructions": "You are brief."}


def in_words(steps: Sequence[tuple[str, Call] | str]) -> list[str]:
    """The steps as a model without tools writes them."""
    return [
        finish_text("done", step)
        if isinstance(step, str)
        else action_text(step[0], step[1].tool, json.dumps(step[1].arguments))
        for step in steps
    ]


def natively(steps: Sequence[tuple[str, Call] | str]) -> list[Any]:
    """The same steps as a model with tools gives them."""
    return [step if isinstance(step, str) else [step[0], step[1]] for step in steps]


TASKS: list[list[tuple[str, Call] | str]] = [
    [("Look first.", call("look", n=1)), ("Pay it.", call("pay", n=2)), ("Put it away.", call("put", n=3)), "done"],
    [("Try.", call("lok", n=1)), ("So.", call("look", n="one")), ("Fail.", call("fail", why="no")), "gave up"],
    [("Count.", call("calculator", expression="6*7")), ("Write.", call("book", n=42)), "booked 42"],
    ["nothing to do"],
]


async def trace(env: Environment, host: Host, model: str, agent: dict[str, Any]) -> dict[str, Any]:
    """Result, calls, ledger, steps, activities and effects of a run, without what differs between any two runs."""
    host.log.clear()
    handle = await env.start("go", model=model, agent=agent, policy=ALLOW_ALL)
    result = await handle.result()
    messages: list[Any] = list(await env.transcript())
    ledger, steps = await handle.query("ledger"), await handle.query("steps")
    return {
        "output": (result.success, result.output, result.turns, result.tool_calls, result.error),
        "asked": [
            (part["tool"], part.get("arguments"))
            for message in messages
            for part in message.get("content", [])
            if part["kind"] == "call"
        ],
        "said": [part["text"] for message in messages for part in message.get("content", []) if part["kind"] == "text"],
        "answered": [(each["tool"], each["text"], each.get("error")) for each in messages if "tool" in each],
        "ledger": [{name: value for name, value in entry.items() if name != "key"} for entry in ledger["calls"]],
        "steps": [(step["success"], step["outputs"], step["errors"]) for step in steps["step_results"]],
        "activities": (await env.history()).activities,
        "effects": list(host.log),
    }


@pytest.mark.parametrize("task", TASKS)
async def test_text_and_native_calls_are_the_same_run(
    env: Environment, host: Host, task: list[tuple[str, Call] | str]
) -> None:
    """The same task gives the same calls, digests, results, steps, activities, effects and output in both forms."""
    native = await trace(env, host, env.model(natively(task)), NATIVE)
    model = env.model(in_words(task))
    words = await trace(env, host, model, AGENT)
    assert words == native
    assert all(not request.tools for request in env.scripted(model).requests)


async def test_a_call_in_text_waits_for_the_same_approval(env: Environment, host: Host) -> None:
    """People see the arguments and the thought, may edit, and the model reads of it in an observation."""
    model = env.model(in_words([("It is due.", call("pay", n=500)), "paid"]))
    handle = await env.start("pay", model=model, agent=AGENT)
    (request,) = await pending(handle)
    assert (request["tool"], request["arguments"]) == ("pay", {"n": 500})
    await update(
        handle,
        "decide",
        {"request_id": request["request_id"], "verdict": "edit", "arguments": {"n": 5}, "approver": "bob"},
    )
    assert (await handle.result()).output == "paid"
    assert host.log == [("pay", 5)]
    told = env.scripted(model).requests[-1].conversation.messages[-1]
    assert told.text.startswith("Observation: [bob changed the arguments to")


async def test_text_out_of_form_is_repaired_at_most_twice_in_a_row(env: Environment) -> None:
    """The model is reminded of the form; a good step begins the count anew."""
    good = action_text("", "look", '{"n": 1}')
    model = env.model(["hm", "well", good, "hm", "well", finish_text("", "at last")])
    result = await env.run("go", model=model, agent=AGENT)
    assert (result.success, result.output, result.turns) == (True, "at last", 6)
    told = env.scripted(model).requests[1].conversation.messages[-1]
    assert "could not be read" in told.text
    assert "Action Input" in told.text


async def test_text_that_stays_out_of_form_ends_the_run_with_a_reason(env: Environment) -> None:
    """Three answers without a step are enough."""
    model = env.model(["one", "two", "three", "four"])
    result = await env.run("go", model=model, agent=AGENT)
    assert (result.success, result.stop_reason, result.turns, result.output) == (False, StopReason.ERROR, 3, "three")
    assert result.error is not None
    assert result.error.code == "MalformedAction"
    assert "Action:" in result.error.message


async def test_a_structured_answer_is_repaired_in_the_same_form(env: Environment) -> None:
    """The schema is judged as for native agents, and the model is asked to finish again."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    model = env.model([finish_text("", {"n": "5"}), finish_text("", {"n": 5})])
    result = await env.run("go", model=model, agent=AGENT, output_schema=schema)
    assert (result.output, result.turns) == ({"n": 5}, 2)
    first, second = env.scripted(model).requests
    assert first.output_schema is None
    assert '"required":["n"]' in first.instructions
    assert "Finish again" in second.conversation.messages[-1].text


async def test_a_tool_may_not_have_the_name_of_the_end(client: Client) -> None:
    """What the model says must mean one thing: such an agent is refused before its first model call."""

    async def finish() -> str:
        """Finish."""
        return ""

    async with agents(registry_of(("pure", finish)), client=client) as env:
        handle = await env.start("go", model=env.model(["never"]), agent=AGENT)
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
    assert "'finish' ends the work" in str(failure.value.cause)
