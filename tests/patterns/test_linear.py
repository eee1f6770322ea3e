"""The pattern `Linear`."""

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from perdure.domain.patterns.linear import LinearResult
from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.waiting import update

STEPS = [{"id": "a", "goal": "do a"}, {"id": "b", "goal": "do b"}, {"id": "c", "goal": "do c"}]


def asked(env: Environment, model: str) -> list[str]:
    """First message of every conversation, in order."""
    return [request.conversation.messages[0].text for request in env.scripted(model).requests]


async def test_each_step_is_given_the_output_of_the_one_before(env: Environment) -> None:
    """By default of that one alone; the last output is that of the whole, in the schema of the whole."""
    model = env.model({"*do a": ["A!"], "*do b": ["B!"], "*do c": ['{"n": 3}']})
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    handle = await env.start_pattern("Linear", LinearResult, "go", model=model, steps=STEPS, output_schema=schema)
    result = await handle.result()
    assert (result.success, result.output, result.failed) == (True, {"n": 3}, None)
    assert result.outputs == {"a": "A!", "b": "B!", "c": {"n": 3}}
    assert asked(env, model) == [
        "do a",
        "<context title='a'>\nA!\n</context>\n\ndo b",
        "<context title='b'>\nB!\n</context>\n\ndo c",
    ]
    progress = (await handle.query("status"))["progress"]
    assert (progress["stage"], progress["done"], progress["total"]) == ("c", 3, 3)


async def test_all_earlier_outputs_are_carried_on_request(env: Environment) -> None:
    """In the order of the steps."""
    model = env.model({"*do a": ["A!"], "*do b": ["B!"], "*do c": ["C!"]})
    handle = await env.start_pattern("Linear", LinearResult, "go", model=model, steps=STEPS, carry="all")
    assert (await handle.result()).output == "C!"
    last = "<context title='a'>\nA!\n</context>\n\n<context title='b'>\nB!\n</context>\n\ndo c"
    assert asked(env, model)[-1] == last


async def test_it_stops_at_the_first_failure_with_what_was_reached(env: Environment) -> None:
    """The step behind the failed one is never run: the model is not asked, and there is no child for it."""
    model = env.model({"*do a": ["A!"], "*do b": [], "*do c": ["never"]})
    handle = await env.start_pattern("Linear", LinearResult, "go", model=model, steps=STEPS)
    result = await handle.result()
    assert (result.success, result.stop_reason) == (False, StopReason.ERROR)
    assert (result.output, result.outputs, result.failed) == ("A!", {"a": "A!"}, "b")
    assert result.error is not None
    assert (result.error.code, "step 'b' (2 of 3) failed: UnexpectedStep" in result.error.message) == (
        "STEP_FAILED",
        True,
    )
    assert [(step.step_id, step.success) for step in result.steps] == [("a", True), ("b", False)]
    assert [text for text in asked(env, model) if "do c" in text] == []
    assert len((await handle.query("status"))["children"]) == 2


async def test_stopped_it_keeps_what_was_reached(env: Environment) -> None:
    """The outputs so far are there, and nothing failed."""
    model = env.model({"*do a": ["A!"], "*do b": [call("ask_human", question="When?"), "never"]})
    handle = await env.start_pattern("Linear", LinearResult, "go", model=model, steps=STEPS)
    await env.pending()
    await update(handle, "stop", {"by": "ada"})
    result = await handle.result()
    assert (result.success, result.stop_reason, result.failed) == (False, StopReason.STOPPED, None)
    assert (result.output, result.outputs) == ("A!", {"a": "A!"})


async def test_two_steps_of_one_name_are_refused(env: Environment) -> None:
    """Before anything runs, in words that name it."""
    steps = [{"id": "a"}, {"id": "a"}]
    handle = await env.start_pattern("Linear", LinearResult, "go", model=env.model([]), steps=steps)
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert (caught.value.cause.type, "two steps are called 'a'" in caught.value.cause.message) == ("InvalidInput", True)
