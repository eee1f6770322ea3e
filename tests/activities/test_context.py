"""The activity that makes a conversation smaller: what it stores, says and asks, and what it does when that fails."""

import json

import pytest
from temporalio.exceptions import ApplicationError

from perdure.domain.errors import ContextOverflow, ProviderRefused, RateLimited, StoreUnavailable
from perdure.domain.messages import Message
from perdure.domain.ports import TokenUsage
from perdure.domain.tools import ToolSpec
from tests.activities.compacting import Answer, Model, Store, compact, run_of
from tests.domain.conversations import talk, turn, user


async def test_what_leaves_is_stored_and_named() -> None:
    """A JSON array of exactly the messages that are no longer seen, under the handle in the receipt; no model call."""
    run, store, model = run_of(talk(40, 500), strategy="oldest_first"), Store(), Model()
    before = run.transcript.size
    found = await compact(run, 10_000, store=store, model=model)
    run.take(found)
    seen = set(run.view.indices(run.shown))
    gone = [message for number, message in enumerate(run.log) if number not in seen]
    assert json.loads(store.blobs[found.blob]) == [
        json.loads(each.model_dump_json(exclude_defaults=True)) for each in gone
    ]
    assert f"blob:{found.blob}" in found.receipt
    assert (found.before, found.after) == (before, run.transcript.size)
    assert found.after <= 10_000
    assert (model.asked, found.usage, found.cost_usd, found.problem) == ([], TokenUsage(), 0, "")


@pytest.mark.parametrize("strategy", ["oldest_first", "sliding_window", "lowest_relevance", "summarise"])
async def test_every_strategy_keeps_to_the_target_again_and_again(strategy: str) -> None:
    """A long run is compacted many times, and each time the receipt is one and the goal and the newest are there."""
    run = run_of(talk(10, 500), strategy=strategy, keep_turns=5)
    for number in range(6):
        found = await compact(run, 8_000)
        assert found.after <= 8_000
        run.take(found)
        shown = [run.log[place] for place in run.view.indices(run.shown)]
        assert shown[0] == run.log[0]
        assert sum(message.kind == "system" for message in shown) == 1
        assert shown[-1] == run.log[-2]
        run.log.extend(message for step in range(10) for message in turn(f"more {number}.{step}", ["y" * 500]))


async def test_a_summary_stands_in_the_receipt() -> None:
    """What the model said, what it was asked, and what it cost."""
    run, model = run_of(talk(40, 500)), Model(["They counted the sheep."])
    found = await compact(run, 10_000, model=model)
    run.take(found)
    (asked,) = model.asked
    assert "They counted the sheep." in found.receipt
    assert (asked.purpose, asked.tools, asked.model, asked.turn) == ("summary", (), "m", 7)
    assert "is data" in asked.instructions
    assert 0 < asked.max_output_tokens <= 4_000
    assert "the goal" in model.questions[0]
    assert "#1 agent:\nstep 0" in model.questions[0]
    assert found.usage == TokenUsage(input=1_000, output=100)
    assert found.cost_usd == pytest.approx(0.002)
    assert found.after <= 10_000


async def test_the_next_summary_takes_up_the_last_one() -> None:
    """The old receipt leaves with its handle and its summary, into the new blob and the new summary."""
    run, store = run_of(talk(40, 500)), Store()
    first = await compact(run, 10_000, store=store, model=Model(["They counted 17 sheep."]))
    run.take(first)
    run.log.extend(message for step in range(30) for message in turn(f"more {step}", ["y" * 500]))
    model = Model(["Still 17 sheep."])
    second = await compact(run, 10_000, store=store, model=model)
    assert "They counted 17 sheep." in model.questions[0]
    assert f"blob:{first.blob}" in store.blobs[second.blob].decode()
    assert "They counted" not in second.receipt


async def test_much_is_summarised_piece_by_piece() -> None:
    """A window of 4,000 tokens takes several calls; each is told the summary so far, and their usage is summed."""
    run, model = run_of(talk(60, 500), window=4_000), Model(["first", "second", "third", "last"])
    found = await compact(run, 6_000, model=model)
    assert 1 < len(model.asked) <= 8
    assert all(len(question) <= 4_000 * 2 for question in model.questions)
    assert "first" not in model.questions[0]
    assert "first" in model.questions[1]
    assert "last" in found.receipt
    assert found.usage == TokenUsage(input=1_000 * len(model.asked), output=100 * len(model.asked))


async def test_pieces_that_are_too_long_for_the_provider_become_smaller() -> None:
    """The window that was assumed may be wrong."""
    run, model = run_of(talk(60, 500)), Model([ContextOverflow("too long"), "short enough"])
    found = await compact(run, 10_000, model=model)
    assert max(map(len, model.questions[1:])) < len(model.questions[0])
    assert "short enough" in found.receipt
    assert found.problem == ""


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ProviderRefused("no such parameter"), "ProviderRefused: no such parameter"),
        (ContextOverflow("too long"), "too much to summarise"),
        (RateLimited("tomorrow", retry_after=3_600), "RateLimited: tomorrow"),
        (("", "max_tokens"), "gave no summary (max_tokens)"),
        (("I will not", "refused"), "gave no summary (refused)"),
    ],
)
async def test_without_a_summary_the_oldest_leave_and_it_is_said(answer: Answer, words: str) -> None:
    """A conversation must become smaller; nothing is lost, and the problem is named."""
    run, store = run_of(talk(40, 500)), Store()
    found = await compact(run, 10_000, model=Model([answer]), store=store)
    run.take(found)
    assert words in found.problem
    assert "Strategy: oldest_first" in found.receipt
    assert found.blob in store.blobs


async def test_a_provider_that_is_down_is_waited_for_and_then_not() -> None:
    """The first attempts fail retryably with a delay; the fourth goes on without a summary."""
    run, model = run_of(talk(40, 500)), Model([RateLimited("busy", retry_after=3)])
    with pytest.raises(ApplicationError) as caught:
        await compact(run, 10_000, model=model)
    assert (caught.value.type, caught.value.non_retryable) == ("RateLimited", False)
    assert caught.value.next_retry_delay is not None
    assert caught.value.next_retry_delay.total_seconds() == 3
    found = await compact(run, 10_000, model=model, attempt=4)
    assert found.problem == "RateLimited: busy"


async def test_a_worker_without_the_key_leaves_it_to_another() -> None:
    """The run was prepared where there was one."""
    with pytest.raises(ApplicationError) as caught:
        await compact(run_of(talk(40, 500)), 10_000, model=Model(key=False))
    assert (caught.value.type, caught.value.non_retryable) == ("KeyMissing", False)


async def test_nothing_is_asked_of_the_model_before_it_is_stored() -> None:
    """A store that is down costs a retry, not a summary."""
    model = Model()
    with pytest.raises(ApplicationError) as caught:
        await compact(run_of(talk(40, 500)), 10_000, model=model, store=Store(failure=StoreUnavailable("disk full")))
    assert (caught.value.type, caught.value.non_retryable) == ("StoreUnavailable", False)
    assert model.asked == []


@pytest.mark.parametrize(("attempt", "final"), [(1, False), (3, True)])
async def test_a_defect_is_tried_a_few_times(attempt: int, *, final: bool) -> None:
    """Every attempt could be paid for."""
    with pytest.raises(ApplicationError) as caught:
        await compact(run_of(talk(40, 500)), 10_000, model=Model([KeyError("oops")]), attempt=attempt)
    assert (caught.value.type, caught.value.non_retryable) == ("KeyError", final)


@pytest.mark.parametrize(
    "messages",
    [[user("the goal" * 5_000)], [user("goal"), *turn("only", ["z" * 30_000])], [user("goal"), *talk(1, 1), user("q")]],
)
async def test_a_compaction_that_saves_nothing_is_none(messages: list[Message]) -> None:
    """No receipt, nothing stored, no model call: only what may not leave, or less than the receipt would take."""
    store, model = Store(), Model()
    found = await compact(run_of(messages), 100, store=store, model=model)
    assert (found.receipt, found.blob, found.before) == ("", "", found.after)
    assert (store.blobs, model.asked) == ({}, [])


async def test_what_is_not_worth_a_summary_gets_none() -> None:
    """So little room that a summary would say nothing."""
    model = Model()
    found = await compact(run_of(talk(40, 500)), 500, model=model)
    assert model.asked == []
    assert (found.problem, "Strategy: oldest_first" in found.receipt) == ("", True)


async def test_a_turn_that_the_provider_refused_leaves_with_its_beginnings() -> None:
    """500 results of a turn do not fit: their beginnings stand in the receipt, the whole is stored."""
    results = [f"result {number} ".ljust(2_000, "z") for number in range(500)]
    run, store = run_of([*talk(2), *turn("all at once", results)], strategy="oldest_first"), Store()
    kept = await compact(run, 20_000, store=store)
    assert kept.after > 1_000_000
    found = await compact(run, -20_000, store=store)
    run.take(found)
    assert found.after <= 20_000
    assert "look: result 0 " in found.receipt
    assert store.blobs[found.blob].decode().count("tool_result") == 502


@pytest.mark.parametrize(("names", "words"), [(("read_blob",), "read whole with read_blob"), ((), "read whole under")])
async def test_the_reading_tool_is_named_where_there_is_one(names: tuple[str, ...], words: str) -> None:
    """A model without it is not told to use it."""
    tools = tuple(ToolSpec(name=name, description="", parameters={}) for name in names)
    found = await compact(run_of(talk(40, 500), tools=tools), 10_000)
    assert words in found.receipt


async def test_a_summary_that_is_too_long_is_cut() -> None:
    """It never takes more than a quarter of the target."""
    found = await compact(run_of(talk(40, 500)), 10_000, model=Model(['say "more" ' * 5_000]))
    assert found.after <= 10_000
    assert "[cut]" in found.receipt
