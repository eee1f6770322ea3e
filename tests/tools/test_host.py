"""What a tool returns or raises becomes a value that the model can act on."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, JsonValue

from perdure.domain.tools import CallOutcome, ToolCall, ToolSpec
from perdure.tools import CallInfo, CurrentCall, OutcomeUnknown, Registry, ToolHost, calling, current_call
from perdure.tools.builtin import register_builtins
from perdure.tools.declare import declare
from perdure.tools.options import Options
from tests.tools.helpers import hosting, request


class Point(BaseModel):
    """A model as a result."""

    x: int
    y: Decimal


ANSWERS: dict[str, Any] = {
    "text": "plain",
    "number": 3,
    "nothing": None,
    "list": [1, {"a": "ü"}],
    "model": Point(x=1, y=Decimal("2.50")),
    "nan": float("nan"),
    "nul": "a\0b",
    "half": "a\ud800b",
    "half inside": {"k\ud800": "v"},
    "object": object(),
    "bytes": b"\xff",
}
ANSWERS["circle"] = [ANSWERS["list"]]
ANSWERS["circle"].append(ANSWERS["circle"])


async def give(what: str) -> Any:
    """Give something."""
    return ANSWERS[what]


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("text", "plain"),
        ("number", "3"),
        ("nothing", "null"),
        ("list", '[1,{"a":"ü"}]'),
        ("model", '{"x":1,"y":"2.50"}'),
        ("nan", '"NaN"'),
        ("nul", "a\N{REPLACEMENT CHARACTER}b"),
        ("half", "a\N{REPLACEMENT CHARACTER}b"),
        ("half inside", '{"k\\ud800": "v"}'),
    ],
)
async def test_results_become_text_that_a_payload_can_hold(what: str, text: str) -> None:
    """Text stays, all else is JSON; the outcome can always be written and read again."""
    async with hosting(give) as call:
        outcome = await call("give", what=what)
    assert outcome == CallOutcome(text=text)
    assert CallOutcome.model_validate_json(outcome.wire_json()) == outcome


@pytest.mark.parametrize("what", ["object", "bytes", "circle"])
async def test_a_result_that_is_not_json(what: str) -> None:
    """For an effect that must not happen twice the words say that it did happen."""
    async with hosting(give) as call:
        once = await call("give", what=what)
    async with hosting(give, effect="pure") as call:
        pure = await call("give", what=what)
    assert (once.error, once.unknown) == ("EXECUTION_ERROR", False)
    assert "do not repeat it" in once.text
    assert pure.error == "EXECUTION_ERROR"
    assert "do not repeat it" not in pure.text


async def test_an_unknown_tool_is_answered_with_what_there_is() -> None:
    """Also a tool that only the workflow can host."""
    registry = Registry()
    register_builtins(registry)
    host = ToolHost(registry)
    wrong = await host.run(request("calculater"), CallInfo(workflow_id="w"))
    hosted = await host.run(request("ask_human", question="?"), CallInfo(workflow_id="w"))
    assert wrong.error == hosted.error == "UNKNOWN_TOOL"
    assert wrong.text.startswith(
        "There is no tool 'calculater'. Did you mean 'calculator'? Registered tools: ask_human"
    )
    assert "hosted by the workflow" in hosted.text


async def test_invalid_arguments_never_reach_the_tool() -> None:
    """Neither those the schema refuses nor those only Python can refuse."""
    ran: list[str] = []

    async def pay(amount: Decimal) -> str:
        """Pay."""
        ran.append(str(amount))
        return "paid"

    async with hosting(pay) as call:
        outcomes = [await call("pay", amount="x"), await call("pay", amount="NaN"), await call("pay", amuont=1)]
        good = await call("pay", amount="2.50")
    assert {outcome.error for outcome in outcomes} == {"INVALID_ARGUMENTS"}
    assert all("amount" in outcome.text for outcome in outcomes)
    assert (good.text, ran) == ("paid", ["2.50"])


class RudeError(Exception):
    """An exception that cannot even be written."""

    def __str__(self) -> str:
        raise ValueError


async def fail(how: str) -> str:  # noqa: C901 - one case for each way to fail
    """Fail."""
    match how:
        case "plain":
            raise ValueError("no such customer")
        case "rude":
            raise RudeError
        case "exit":
            raise SystemExit(3)
        case "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(fail("plain"))
        case "lost":
            raise OutcomeUnknown("the bank did not answer")
        case "lost in a group":
            async with asyncio.TaskGroup() as group:
                group.create_task(fail("lost"))
        case "time":
            raise TimeoutError("read")
        case "cut":
            raise ConnectionResetError("peer")
        case "cancelled":
            raise asyncio.CancelledError
        case "long":
            raise ValueError("x" * 100_000)
        case _:
            raise StopIteration
    return "never"


def fail_plainly() -> str:
    """Fail in a thread."""
    return next(iter(()))


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("plain", "ValueError: no such customer"),
        ("rude", "RudeError"),
        ("exit", "SystemExit: 3"),
        ("group", "ValueError: no such customer"),
        ("stop", "RuntimeError: coroutine raised StopIteration"),
    ],
)
async def test_an_exception_is_a_failed_call_with_type_and_message(how: str, text: str) -> None:
    """Also those that would end a program; the next call runs."""
    async with hosting(fail, give) as call:
        assert await call("fail", how=how) == CallOutcome(error="EXECUTION_ERROR", text=text)
        assert (await call("give", what="text")).text == "plain"


async def test_a_failure_in_a_thread() -> None:
    """StopIteration, which asyncio cannot carry, does not hang the call."""
    async with hosting(fail_plainly, timeout=20) as call:
        outcome = await call("fail_plainly")
    assert outcome == CallOutcome(error="EXECUTION_ERROR", text="RuntimeError: StopIteration: ")


async def test_a_long_error_is_cut() -> None:
    """An exception does not flood the conversation."""
    async with hosting(fail) as call:
        assert len((await call("fail", how="long")).text) < 5000


@pytest.mark.parametrize("how", ["lost", "lost in a group", "time", "cut", "cancelled"])
async def test_a_lost_answer_is_unknown_only_where_it_matters(how: str) -> None:
    """For once and compensable the outcome is unknown; pure and idempotent tools have simply failed."""
    async with hosting(fail, effect="once") as call:
        once = await call("fail", how=how)
    async with hosting(fail, effect="idempotent") as call:
        again = await call("fail", how=how)
    assert (once.error, once.unknown) == ("UNKNOWN_OUTCOME", True)
    assert (again.error, again.unknown) == ("EXECUTION_ERROR", False)


def who() -> dict[str, Any]:
    """Say which call this is."""
    call = current_call()
    return {"key": call.key, "tool": call.tool, "workflow_id": call.workflow_id, "attempt": call.attempt}


async def test_a_tool_knows_its_call_on_the_loop_and_in_a_thread() -> None:
    """Key, tool, workflow and attempt."""

    async def whom() -> dict[str, Any]:
        """Say which call this is."""
        return who()

    async with hosting(who, whom) as call:
        plain, on_loop = await call("who", key="k7"), await call("whom", key="k8")
    assert plain.text == '{"key":"k7","tool":"who","workflow_id":"run-1","attempt":2}'
    assert on_loop.text == '{"key":"k8","tool":"whom","workflow_id":"run-1","attempt":2}'


def test_outside_of_a_call_there_is_none() -> None:
    """The error says what to do in a unit test, and that works."""
    with pytest.raises(RuntimeError, match="only inside a tool"):
        current_call()
    with calling(CurrentCall(key="k", tool="t", workflow_id="w", attempt=1)):
        assert current_call().key == "k"
        current_call().heartbeat()


async def test_heartbeats_arrive_on_the_callers_loop() -> None:
    """With their details, in order, from a tool in a thread."""
    seen: list[tuple[JsonValue, bool]] = []
    loop = asyncio.get_running_loop()

    def work() -> str:
        """Work."""
        current_call().heartbeat({"done": 1})
        current_call().heartbeat()
        return "ok"

    registry = Registry()
    registry.add(declare(work, Options("test")))
    host = ToolHost(registry)
    info = CallInfo("w", 1, heartbeat=lambda details: seen.append((details, asyncio.get_running_loop() is loop)))
    await host.run(request("work"), info)
    await host.close()
    assert seen == [({"done": 1}, True), (None, True)]


async def test_calls_that_come_from_elsewhere_are_checked_too() -> None:
    """A call as the activity gets it, by JSON, with every field."""
    call = ToolCall.model_validate_json('{"number":3,"tool":"give","arguments":{"what":"number"},"key":"k"}')
    async with hosting(give) as caller:
        assert (await caller.host.run(call, CallInfo("w"))).text == "3"


def test_hosted_tools_have_no_call() -> None:
    """What the workflow hosts is only a description."""
    registry = Registry()
    register_builtins(registry)
    specs: list[ToolSpec] = registry.select(["ask_human", "delegate"])
    assert [spec.host for spec in specs] == ["workflow", "workflow"]
    assert all(spec.parameters["additionalProperties"] is False for spec in specs)
