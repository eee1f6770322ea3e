"""Modes of reasoning: a chain of thought before the answer, and a small tree of thoughts before the work."""

import json

from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.samples import Host

CHAIN = {"name": "chain", "instructions": "You are careful.", "reasoning": "cot"}
TREE = {"name": "tree", "instructions": "You are careful.", "reasoning": "tot"}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def thoughts(**scores: float) -> str:
    """One level of thoughts."""
    return json.dumps({"thoughts": [{"thought": name, "score": score} for name, score in scores.items()]})


async def test_the_output_of_a_chain_is_its_answer(env: Environment, host: Host) -> None:
    """Thoughts stay in the transcript, tools are called natively, and the output is what follows the label."""
    model = env.model([["I look.", call("look", n=1)], "First this.\nThen that.\nAnswer: it is 1"])
    result = await env.run("what is it?", model=model, agent=CHAIN)
    assert (result.success, result.output) == (True, "it is 1")
    assert "First this." in json.dumps((await env.transcript())[-1])
    assert host.log == [("look", 1)]
    asked = env.scripted(model).requests[0]
    assert asked.tools
    assert "step by step" in asked.instructions


async def test_a_chain_without_an_answer_is_asked_for_it_and_then_ends(env: Environment) -> None:
    """Two repairs, then a clear reason."""
    repaired = await env.run("go", model=env.model(["five", "Answer: 5"]), agent=CHAIN)
    assert (repaired.output, repaired.turns) == ("5", 2)
    result = await env.run("go", model=env.model(["five", "5", "v", "never"]), agent=CHAIN)
    assert (result.success, result.stop_reason, result.turns) == (False, StopReason.ERROR, 3)
    assert result.error is not None
    assert 'no line begins with "Answer:"' in result.error.message


async def test_a_chain_thinks_in_words_before_a_structured_answer(env: Environment) -> None:
    """A native structured output would leave no room for thoughts; the answer is judged all the same."""
    model = env.model(['Hm.\nAnswer: {"n": "5"}', 'Oh.\nAnswer:\n```json\n{"n": 5}\n```'])
    result = await env.run("count", model=model, agent=CHAIN, output_schema=SCHEMA)
    assert result.output == {"n": 5}
    first, second = env.scripted(model).requests
    assert first.output_schema is None
    assert '"required":["n"]' in first.instructions
    assert 'begins with "Answer:"' in second.conversation.messages[-1].text


async def test_a_tree_pursues_the_best_thought_of_each_level(env: Environment, host: Host) -> None:
    """Two levels of scored thoughts without tools, then the work on the best one, with tools."""
    steps = [thoughts(guess=0.1, look=0.9, ask=0.5), thoughts(once=0.4, twice=0.4), call("look", n=1), "seen"]
    model = env.model(steps)
    result = await env.run("what is it?", model=model, agent=TREE)
    assert (result.success, result.output, result.turns) == (True, "seen", 4)
    assert host.log == [("look", 1)]
    requests = env.scripted(model).requests
    assert [bool(request.tools) for request in requests] == [False, False, True, True]
    assert [request.output_schema is None for request in requests] == [False, False, True, True]
    told = [message.text for message in requests[-1].conversation.messages if message.kind == "user"]
    assert "Thought 2 is pursued (score 0.9): look" in told[1]
    assert "Thought 1 is pursued (score 0.4): once" in told[2]
    assert requests[-1].instructions == "You are careful."


async def test_thoughts_that_do_not_fit_are_asked_for_again_and_then_end_the_run(env: Environment) -> None:
    """The model is told which field is wrong; after two repairs there is a reason."""
    model = env.model(["think!", thoughts(a=2.0, b=0.1), thoughts(a=0.2, b=0.1), thoughts(c=0.3, d=0.1), "done"])
    assert (await env.run("go", model=model, agent=TREE)).output == "done"
    assert "thoughts.0.score" in str(await env.transcript())
    result = await env.run("go", model=env.model(["a", "b", "c", "d"]), agent=TREE)
    assert result.error is not None
    assert (result.error.code, result.turns) == ("InvalidOutput", 3)


async def test_each_question_of_a_session_has_its_own_tree(env: Environment) -> None:
    """Levels count anew with every question."""
    level = thoughts(a=0.2, b=0.1)
    model = env.model([level, level, "one", level, level, "two"])
    fields = {"agent": TREE, "model": model}
    assert await env.ask("tree-session", "first?", "m1", **fields) == await env.ask("tree-session", "first?", "m1")
    await env.ask("tree-session", "second?", "m2")
    assert len(env.scripted(model).requests) == 6
    await env.client.get_workflow_handle("tree-session").terminate()
