"""The workflow `Definition`: stages of every kind, failures, events, reviews, a coordinator."""

import json
from typing import Any

from temporalio.client import WorkflowHandle

from perdure.domain.definition.models import Definition
from perdure.domain.definition.run import DefinitionResult
from perdure.domain.run import StopReason
from perdure.testing import ALLOW_ALL, Environment, agents, call
from tests.samples import Host, sample_tools
from tests.waiting import eventually, pending, update

Handle = WorkflowHandle[Any, DefinitionResult]


async def start(env: Environment, model: str, stages: list[dict[str, Any]], **fields: Any) -> Handle:
    """A run of these stages; fields that are not the definition's own are those of its input."""
    own = {name: fields.pop(name) for name in ("type", "agents", "coordinator", "inputs", "output") if name in fields}
    given = fields.pop("values", {})
    definition = {"name": "tried", "stages": stages, **own}
    return await env.start_pattern(
        "Definition", DefinitionResult, "go", model=model, definition=definition, inputs=given, **fields
    )


def agent(name: str, goal: str, **fields: Any) -> dict[str, Any]:
    """A stage of the default agent."""
    return {"id": name, "agent": "default", "goal": goal, **fields}


async def test_a_stage_sees_the_one_before_unless_it_names_others(env: Environment) -> None:
    """The second sees the first as context, the third only what its goal names."""
    model = env.model({"*say a*": ["A"], "*say b*": ["B"], "*say c*": ["C"]})
    stages = [agent("a", "say a"), agent("b", "say b"), agent("c", "say c after {{ stages.a.output }}")]
    handle = await start(env, model, stages)
    result = await handle.result()
    assert (result.success, result.output) == (True, "C")
    seen = [item.conversation.messages[0].text for item in env.scripted(model).requests]
    assert seen == ["say a", "<context title='a'>\nA\n</context>\n\nsay b", "say c after A"]
    assert list(result.stages) == ["a", "b", "c"]
    declared = Definition.model_validate({"name": "tried", "stages": stages})
    assert result.definition_sha256 == declared.digest
    notices = (await handle.query("status"))["notices"]
    assert f"tried sha256:{declared.digest}" in [notice["text"] for notice in notices]


async def test_a_failure_ends_the_whole_is_left_out_or_has_a_default(env: Environment) -> None:
    """By default nothing runs after it; what needs a failed stage does not run; a default counts as success."""
    model = env.model({"*bad*": [], "*good*": ["fine"]})
    handle = await start(env, model, [agent("x", "bad"), agent("y", "good")])
    stopped = await handle.result()
    assert (stopped.success, stopped.stop_reason, list(stopped.stages)) == (False, StopReason.ERROR, ["x"])
    assert stopped.error is not None
    assert (stopped.error.code, "x: UnexpectedStep" in stopped.error.message) == ("STAGE_FAILED", True)
    stages = [
        agent("x", "bad", on_failure="continue"),
        agent("y", "good", needs=["x"]),
        agent("z", "bad", on_failure={"default": [1]}),
        agent("w", "good {{ stages.z.output }}", needs=["z"]),
    ]
    handle = await start(env, model, stages)
    result = await handle.result()
    assert (result.success, result.output) == (True, "fine")
    assert {name: end.success for name, end in result.stages.items()} == {"x": False, "y": False, "z": True, "w": True}
    assert result.stages["y"].skipped == "it needs x, which did not succeed"
    assert env.scripted(model).requests[-1].conversation.messages[0].text == "good [1]"


async def test_a_tool_stage_keeps_to_policy_and_ledger(env: Environment) -> None:
    """A tool with an effect asks a person, who may edit; its key and state are in the ledger."""
    host = Host()
    async with agents(sample_tools(host), client=env.client) as own:
        stages = [{"id": "paid", "tool": "pay", "arguments": {"n": "{{ inputs.n }}"}}]
        handle = await start(own, own.model([]), stages, inputs={"n": {"type": "integer"}}, values={"n": 4})
        (request,) = await pending(handle)
        assert (request["tool"], request["arguments"], request["agent"]) == ("pay", {"n": 4}, "tried")
        edit = {"request_id": request["request_id"], "verdict": "edit", "arguments": {"n": 5}, "approver": "ada"}
        await update(handle, "decide", edit)
        result = await handle.result()
        assert (result.success, result.tool_calls) == (True, 1)
        calls = (await handle.query("ledger"))["calls"]
        assert [(each["tool"], each["state"]) for each in calls] == [("pay", "done")]
        handle = await start(own, own.model([]), stages, inputs={"n": {"type": "integer"}}, values={"n": 4})
        (request,) = await pending(handle)
        await handle.signal("reject", {"request_id": request["request_id"], "approver": "ada", "reason": "no"})
        rejected = await handle.result()
        assert (rejected.success, rejected.stages["paid"].error is not None) == (False, True)
        assert "REJECTED" in str(rejected.error)


async def test_tool_calls_of_stages_side_by_side(env: Environment) -> None:
    """Each has its own answer, as a value when it is JSON; the transcript pairs calls and answers."""
    stages = [{"id": f"s{n}", "tool": "calculator", "arguments": {"expression": f"{n}*2"}} for n in range(6)]
    handle = await start(env, env.model([]), stages, type="parallel", policy=ALLOW_ALL)
    result = await handle.result()
    assert result.output == {f"s{n}": 2 * n for n in range(6)}
    page = await handle.query("transcript")
    assert len(page["messages"]) == 12


async def test_a_graph_runs_by_needs_and_stops_those_at_work(env: Environment) -> None:
    """A failure of one tells the others to stop; also a wait for an event ends."""
    model = env.model({"*bad*": [], "*slow*": [call("ask_human", question="?"), "never"], "*ok*": ["ok"]})
    stages = [
        agent("slow", "slow"),
        {"id": "event", "wait": "never"},
        agent("ok", "ok"),
        agent("bad", "bad {{ stages.ok.output }}", needs=["ok"]),
        agent("after", "ok", needs=["slow"]),
    ]
    handle = await start(env, model, stages, type="graph")
    result = await handle.result()
    assert (result.success, "stage bad" in str(result.error)) == (False, True)
    assert result.stages["ok"].success
    assert not result.stages["slow"].success
    assert "after" not in result.stages


async def test_events_are_kept_and_repeated_ones_dropped(env: Environment) -> None:
    """Two events with the same id are one; an early one is there when its stage begins; silence can be an answer."""
    model = env.model({"*first*": [call("ask_human", question="?"), "A"]})
    stages = [
        agent("first", "first"),
        {"id": "paid", "wait": "payment", "timeout": "1h"},
        {"id": "again", "wait": "payment", "timeout": 0.2, "on_timeout": "continue"},
        {"id": "last", "wait": "payment", "timeout": 0.2},
    ]
    handle = await start(env, model, stages, output="stages.paid.output.amount")
    (request,) = await env.pending()
    for _ in range(2):
        await handle.signal("event", {"name": "payment", "data": {"amount": 5}, "id": "e1"})
    await handle.signal("event", {"nonsense": True})
    answer = {"request_id": request.request_id, "verdict": "respond", "response": "now", "approver": "ada"}
    await update(handle, "decide", answer)
    result = await handle.result()
    assert (result.stages["paid"].output, result.stages["again"].success) == ({"amount": 5}, True)
    assert (result.success, result.stages["last"].error is not None) == (False, True)
    assert "TIMEOUT" in str(result.error)
    texts = [notice["text"] for notice in (await handle.query("status"))["notices"]]
    assert any("'e1' came before" in text for text in texts)


async def test_people_review_what_was_made(env: Environment) -> None:
    """An edit is the output of the review; what follows sees it."""
    model = env.model({"*send*": ["sent"], "*": ["draft"]})
    stages = [
        agent("text", "write"),
        {"id": "ok", "review": "result", "approvers": ["ada"], "title": "Look at {{ stages.text.output }}"},
        agent("sent", "send {{ stages.ok.output }}"),
    ]
    handle = await start(env, model, stages)
    (request,) = await pending(handle)
    assert (request["title"], request["arguments"], request["kind"]) == ("Look at draft", {"text": "draft"}, "result")
    edit = {
        "request_id": request["request_id"],
        "verdict": "edit",
        "arguments": {"text": "better"},
        "approver": "ada",
        "digest": request["digest"],
    }
    answer = await update(handle, "decide", edit)
    assert answer["accepted"], answer["code"] + answer["reason"]
    assert (await handle.result()).output == "sent"
    assert "send better" in env.scripted(model).requests[-1].conversation.messages[0].text


async def test_a_map_over_no_list_is_a_failure_of_its_stage(env: Environment) -> None:
    """Also an expression that meets values that do not fit."""
    stages = [
        {"id": "m", "map": "inputs.x", "stage": agent("i", "never"), "on_failure": "continue"},
        {"id": "e", "condition": "length(inputs.n) > `1`", "then": [agent("t", "never")], "on_failure": "continue"},
    ]
    handle = await start(env, env.model([]), stages, inputs={"x": {}, "n": {}}, values={"x": "text", "n": 5})
    result = await handle.result()
    codes = [end.error.code for end in result.stages.values() if end.error is not None]
    assert codes == ["NOT_A_LIST", "EXPRESSION_FAILED"]


async def test_a_coordinator_gives_out_the_work(env: Environment) -> None:
    """A plan with a mistake is made again; a task that needs a failed one is not run; the coordinator answers."""
    bad = {"tasks": [{"id": "a", "agent": "worker", "goal": "dig", "needs": ["nothing"]}]}
    good = {
        "tasks": [
            {"id": "a", "agent": "worker", "goal": "dig"},
            {"id": "b", "agent": "worker", "goal": "fail"},
            {"id": "c", "agent": "worker", "goal": "bury", "needs": ["b"]},
        ]
    }
    model = env.model(
        {
            "*cannot be done*": [json.dumps(good)],
            "*Give tasks*": [json.dumps(bad)],
            "*answer with the result*": ["a hole"],
            "*dig": ["dug"],
            "*fail": [],
        }
    )
    team = {"boss": {"instructions": "You lead."}, "worker": {"description": "digs", "instructions": "You dig."}}
    handle = await start(env, model, [], type="hierarchical", coordinator="boss", agents=team)
    result = await handle.result()
    assert (result.success, result.output) == (True, "a hole")
    assert {name: end.success for name, end in result.stages.items()} == {
        "coordinator.plan": True,
        "a": True,
        "b": False,
        "c": False,
        "coordinator.result": True,
    }
    last = env.scripted(model).requests[-1].conversation.messages[0].text
    assert ("dug" in last, "b failed" in last, "not run: it needs b" in last) == (True, True, True)


async def test_what_was_reached_is_kept_when_it_is_stopped(env: Environment) -> None:
    """The stages that have ended are in the result."""
    model = env.model({"*two": [call("ask_human", question="?"), "never"], "*one": ["A"]})
    handle = await start(env, model, [agent("one", "one"), agent("two", "two")])
    await env.pending()
    await update(handle, "stop", {"by": "ada"})
    result = await handle.result()
    assert (result.stop_reason, result.output, result.stages["one"].output) == (StopReason.STOPPED, "A", "A")
    assert result.definition == "tried"


async def test_mistakes_end_it_before_anything_runs(env: Environment) -> None:
    """All of them at once, also in a definition that did not come from a file."""
    handle = await start(env, env.model([]), [agent("a", "{{ stages.b.output }}"), agent("a", "x", needs=["c"])])
    failure = await eventually(lambda: failed(handle), bool)
    assert "no stage has the id 'b'" in failure
    assert "another stage is called 'a'" in failure
    assert "no stage has the id 'c'" in failure


async def failed(handle: Handle) -> str:
    """The words of the failure of a run."""
    try:
        await handle.result()
    except Exception as error:  # noqa: BLE001 - its cause is what is looked at
        return str(error.__cause__)
    return ""


async def test_a_thousand_stages_run(env: Environment) -> None:
    """Tools, conditions and a few agents; the history stays far below the limits."""
    stages: list[dict[str, Any]] = []
    for number in range(1_000):
        kind = number % 50
        if kind == 0:
            stages.append(agent(f"s{number}", f"say {number}"))
        elif kind % 2:
            stages.append({"id": f"s{number}", "tool": "calculator", "arguments": {"expression": f"{number}+1"}})
        else:
            never = {"condition": f"stages.s{number - 1}.output == `0`", "then": [agent(f"n{number}", "never")]}
            stages.append({"id": f"s{number}", **never})
    limits = {"tool_calls": 2_000, "tokens": 10_000_000}
    handle = await start(env, env.model(["said"]), stages, limits=limits)
    result = await handle.result()
    assert (result.success, len(result.stages), result.tool_calls) == (True, 1_000, 500)
    assert result.stages["s999"].output == 1_000
    assert len((await handle.fetch_history()).events) < 10_000
