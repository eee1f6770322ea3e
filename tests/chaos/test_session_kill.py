"""A session of 200 questions from three senders at once, over rollovers and the death of a worker."""

import asyncio
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from perdure.testing import History, eventually, local_server
from perdure.testing.history import chain_of
from tests.chaos.echo import EchoModel, echo_of
from tests.chaos.looking import pages_of
from tests.chaos.senders import AskOnce, Senders, by_start, by_update
from tests.chaos.workers import KeptWorker, environment_of

QUESTIONS = {"ann": 67, "ben": 67, "cleo": 66}
EVENTS = "300"
"""Events of a history after which the session continues as new: some 25 questions."""
ROLLOVERS = 4
MOST_AGAIN = 10
"""Attempts that may have to be repeated, of 400: an update that meets the end of its run can be lost."""
RECOVERY = 10.0
SEEDS = range(int(os.environ.get("CHAOS_SEEDS", "1")))


@pytest.mark.parametrize("ask_once", [by_start, by_update])
@pytest.mark.parametrize("seed", SEEDS)
async def test_two_hundred_questions_are_answered_once_and_in_order(
    tmp_path: Path, seed: int, ask_once: AskOnce
) -> None:
    """Each question is sent twice under its id; the worker is killed somewhere in the middle."""
    name, kill_at = "session", random.Random(seed).randint(60, 140)  # noqa: S311 - reproducible, not secret
    async with local_server("--db-filename", str(tmp_path / "temporal.db")) as client:
        with EchoModel(delay=0.02) as model:
            own = {"PERDURE_ROLLOVER_EVENTS": EVENTS}
            worker = KeptWorker(model.env() | environment_of(client, name, tmp_path) | own, tmp_path / "worker.log")
            keeper = asyncio.create_task(worker.keep())
            senders = Senders(client, name, name, ask_once)
            try:
                await client.start_workflow("Session", {"model": "openai-chat:echo"}, id=name, task_queue=name)
                work = asyncio.gather(*(senders.send(sender, count) for sender, count in QUESTIONS.items()))

                async def asked() -> int:
                    return len(model.asked)

                await eventually(asked, lambda count: count >= kill_at, 120)
                assert await worker.kill()
                await asyncio.wait_for(work, 300)
                history = await chain_of(client, client.get_workflow_handle(name))
                messages = await pages_of(client.get_workflow_handle(name), "transcript", "messages")
            finally:
                worker.end()
                await keeper
    assert senders.again.total() <= MOST_AGAIN, senders.again
    check_replies(senders.replies)
    check_transcript(messages)
    check_model_calls(history, [text for _, text in model.asked])
    assert len(history.runs) > ROLLOVERS
    (death,) = worker.deaths
    assert min(at - death for at, _ in model.asked if at > death) < RECOVERY


def text_of(sender: str, n: int) -> str:
    """The n-th question of a sender."""
    return f"question {n} of {sender}"


def check_replies(replies: dict[str, list[str]]) -> None:
    """Every message id got the same reply twice, and it is the one to its question."""
    assert replies == {
        f"{sender}-{n}": [echo_of(text_of(sender, n))] * 2 for sender, count in QUESTIONS.items() for n in range(count)
    }


def check_transcript(messages: list[dict[str, Any]]) -> None:
    """Each question stands once, followed by its reply, and each sender's questions in the order of sending."""
    questions = [message["text"] for message in messages if message["kind"] == "user"]
    replies = ["".join(part["text"] for part in message["content"]) for message in messages[1::2]]
    assert [message["kind"] for message in messages] == ["user", "assistant"] * sum(QUESTIONS.values())
    assert replies == [echo_of(question) for question in questions]
    for sender, count in QUESTIONS.items():
        own = [question for question in questions if question.endswith(sender)]
        assert own == [text_of(sender, n) for n in range(count)]


def check_model_calls(history: History, asked: list[str]) -> None:
    """One model call for each question; only the one that the kill cut short may have reached the model twice."""
    total = sum(QUESTIONS.values())
    scheduled = {
        (run.run_id, event.event_id)
        for run in history.runs
        for event in run.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "llm.reply"
    }
    completed = Counter(
        (run.run_id, event.activity_task_completed_event_attributes.scheduled_event_id)
        for run in history.runs
        for event in run.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
    )
    assert len(scheduled) == total
    assert all(completed[one] == 1 for one in scheduled)
    times = Counter(asked)
    assert len(times) == total
    assert sum(times.values()) <= total + 1
