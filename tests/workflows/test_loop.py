"""The turn loop: answers, tools, order, structured output, and what goes wrong in the model's hands."""

import json

from perdure.domain.messages import UserMessage
from perdure.domain.run import StopReason
from perdure.testing import ALLOW_ALL, Environment, call
from tests.samples import Host


async def test_an_answer_without_tools_completes_the_run(env: Environment) -> None:
    """One model call, and its text is the output."""
    result = await env.run("say hello", model=env.model(["hello"]))
    assert (result.success, result.output, result.turns, result.tool_calls) == (True, "hello", 1, 0)
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.cost_usd) == (10, 5, 0)
    assert (await env.history()).activities == ["run.prepare", "llm.reply"]


async def test_tool_results_reach_the_model_in_the_order_of_its_calls(env: Environment, host: Host) -> None:
    """Pure calls of a turn overlap; their results keep the order of the calls."""
    model = env.model([[call("look", n=1), call("look", n=2), call("look", n=3)], "done"])
    result = await env.run("look around", model=model)
    seen = env.scripted(model).requests[-1].conversation.messages
    assert [message.text for message in seen if message.kind == "tool_result"] == ["seen 1", "seen 2", "seen 3"]
    assert result.tool_calls == 3
    assert host.most_at_once == 3


async def test_effects_that_must_not_repeat_run_alone_and_in_order(env: Environment, host: Host) -> None:
    """Neighbouring repeatable calls run together, once and compensable ones one at a time between them."""
    turn = [call("pay", n=1), call("look", n=2), call("put", n=3), call("book", n=4), call("pay", n=5)]
    await env.run("do it", model=env.model([turn, "done"]), policy=ALLOW_ALL)
    order = [value for _, value in host.log]
    assert order[0] == 1
    assert set(order[1:3]) == {2, 3}
    assert order[3:] == [4, 5]
    assert len(set(host.keys)) == 5


async def test_context_comes_before_the_goal(env: Environment) -> None:
    """Text given along is part of the first message."""
    model = env.model(["ok"])
    await env.run("sum it up", model=model, context=["plain", {"title": "minutes", "text": "we met"}])
    first = env.scripted(model).requests[0].conversation.messages[0]
    assert isinstance(first, UserMessage)
    assert first.text.index("plain") < first.text.index("we met") < first.text.index("sum it up")


async def test_unknown_tools_bad_arguments_and_failures_are_results(env: Environment) -> None:
    """The model reads what was wrong and what would be valid, and goes on."""
    turns = [call("lok", n=1), call("look", n="one"), call("fail", why="no luck"), call("look", n=1)]
    model = env.model([*turns, "done"])
    result = await env.run("try", model=model)
    assert result.success
    seen = env.scripted(model).requests[-1].conversation.messages
    results = [message for message in seen if message.kind == "tool_result"]
    assert [message.error for message in results] == ["UNKNOWN_TOOL", "INVALID_ARGUMENTS", "EXECUTION_ERROR", ""]
    assert "look" in results[0].text
    assert '"n"' in results[1].text
    assert "no luck" in results[2].text
    assert result.tool_calls == 2


async def test_the_fourth_turn_in_a_row_without_success_ends_the_run(env: Environment) -> None:
    """Three failures may be repaired; a fourth is a model that does not get on."""
    model = env.model([call("nope", n=n) for n in range(5)])
    result = await env.run("try", model=model)
    assert result.stop_reason is StopReason.ERROR
    assert result.error is not None
    assert result.error.type == "InvalidToolCalls"
    assert len(env.scripted(model).requests) == 4


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


async def test_structured_output_is_repaired_at_most_twice(env: Environment) -> None:
    """The model is told what does not fit; the output is the object."""
    model = env.model(["five", '{"n": "5"}', '{"n": 5}'])
    result = await env.run("count", model=model, output_schema=SCHEMA)
    assert result.output == {"n": 5}
    asked = env.scripted(model).requests
    assert len(asked) == 3
    assert asked[0].output_schema == SCHEMA
    last = asked[-1].conversation.messages[-1]
    assert isinstance(last, UserMessage)
    assert "n" in last.text


async def test_output_that_never_fits_ends_with_an_error(env: Environment) -> None:
    """After two repairs the run ends, successless, with the model's last words."""
    result = await env.run("count", model=env.model(["a", "b", "c", "d"]), output_schema=SCHEMA)
    assert (result.success, result.stop_reason, result.turns) == (False, StopReason.ERROR, 3)
    assert result.error is not None
    assert result.error.code == "InvalidOutput"
    assert result.output == "c"


async def test_a_script_with_steps_left_is_an_error(env: Environment) -> None:
    """A step that is never played is a wrong script."""
    result = await env.run("go", model=env.model(["done", "never"]))
    assert result.error is not None
    assert result.error.code == "UnusedStep"


async def test_every_turn_is_a_step_result(env: Environment) -> None:
    """The query `steps` tells of each turn and of the whole, also after the end."""
    handle = await env.start("go", model=env.model([["hm", call("look", n=1), call("nope", n=2)], "done"]))
    await handle.result()
    whole = await handle.query("steps")
    first, second = whole["step_results"]
    assert (first["step_id"], first["iteration"], first["success"]) == ("turn-1", 1, False)
    assert first["outputs"] == {"text": "hm", "calls": ["look", "nope"]}
    assert first["errors"] == ["UNKNOWN_TOOL"]
    assert (second["success"], second["outputs"]["text"], second["tokens_used"]) == (True, "done", 15)
    assert (whole["workflow_name"], whole["success"], whole["outputs"]) == ("Agent", True, "done")
    assert (whole["total_tokens"], whole["stop_reason"]) == (30, "completed")


async def test_the_transcript_can_be_read_page_by_page(env: Environment) -> None:
    """Every message once, in order, also after the end."""
    handle = await env.start("go", model=env.model([call("look", n=1), "done"]))
    await handle.result()
    pages = [await handle.query("transcript", {"offset": offset, "limit": 1}) for offset in range(4)]
    assert [page["next_offset"] for page in pages] == [1, 2, 3, None]
    messages = [message for page in pages for message in page["messages"]]
    assert [message["kind"] for message in messages] == ["user", "assistant", "tool_result", "assistant"]
    assert {page["total"] for page in pages} == {4}
    assert "seen 1" in json.dumps(messages[2])
