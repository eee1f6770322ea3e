"""A run on a real server and the naive model of it: random moves go to both, and after each both must show the same."""

import asyncio
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, cast

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer

from perdure.domain.messages import Message
from perdure.domain.run import RunResult
from perdure.runtime import PerdurePlugin
from perdure.testing import Call, Environment, eventually
from tests.domain.naive_control import Said
from tests.waiting import update
from tests.workflows.gated import Gate, GatedModel
from tests.workflows.naive_run import REFUSED, NaiveRun
from workflows import WORKFLOWS

__all__ = ["Pair", "dangling"]

LIMITS = {"turns": 1_000, "tool_calls": 1_000}
PATIENCE = 120
"""Seconds until both have to be the same, on a machine with much else to do."""
PAUSE = 0.03
TURNS = (("look",), ("pay",), ("look", "pay"), ("pay", "look"), ("pay", "pay"))
TOLD = ("control.", "decision.refused")


class Pair:
    """Both, and the random numbers that choose what happens."""

    def __init__(self, env: Environment, seed: int, tools: Gate) -> None:
        """Begin nothing; `tools` is the gate of the run's tools."""
        self.env = env
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.tools = tools
        self.model = GatedModel()
        self.naive = NaiveRun()
        self.moves: list[str] = []
        self.requests: dict[int, str] = {}
        self.calls = 0
        self._handle: WorkflowHandle[Any, RunResult] | None = None

    @property
    def handle(self) -> WorkflowHandle[Any, RunResult]:
        """The run."""
        assert self._handle is not None
        return self._handle

    async def play(self, steps: int) -> None:
        """Make so many random moves, then let the run come to its end; both must agree all the way."""
        self._handle = await self.env.start("go", model=self.env.model(self.model), limits=LIMITS)
        try:
            await self._same()
            for _ in range(steps):
                if self.naive.at != "over":
                    await self._move(self._choices())
            while self.naive.at != "over":
                await self._move(self._ways_out())
            await self._ended()
        except BaseException as error:
            error.add_note(f"seed {self.seed}: {', '.join(self.moves)}")
            raise

    async def _move(self, choices: list[tuple[int, Callable[[], Any]]]) -> None:
        move = self.random.choices([move for _, move in choices], [weight for weight, _ in choices])[0]
        await move()
        await self._same()

    def _choices(self) -> list[tuple[int, Callable[[], Any]]]:
        there: dict[str, list[tuple[int, Callable[[], Any]]]] = {
            "model": [(1, self._answers), (6, self._calls)],
            "asking": [(6, self._decides)],
            "look": [(4, self._returns)],
            "pay": [(4, self._returns)],
        }
        verbs = [(weight, self._verb(verb)) for weight, verb in ((2, "pause"), (3, "resume"), (2, "interrupt"))]
        people = [(6, self._steers), (1, self._decides_wrongly), (1, self._stops if self.calls else self._steers)]
        return [*verbs, *people, *there.get(self.naive.at, [])]

    def _ways_out(self) -> list[tuple[int, Callable[[], Any]]]:
        way = {"model": self._answers, "asking": self._decides, "look": self._returns, "pay": self._returns}
        return [(1, way.get(self.naive.at, self._verb("resume")))]

    def _verb(self, verb: str) -> Callable[[], Any]:
        return lambda: self._acts(verb)

    async def _stops(self) -> None:
        await self._acts("stop")

    async def _acts(self, verb: str) -> None:
        by = self.random.choice(["", "ada"])
        await self._says(verb, {"by": by, "reason": "because"}, lambda _: self.naive.act(verb, by, "because"))

    async def _steers(self) -> None:
        mode = self.random.choice(["next_turn", "when_idle", "interrupt"])
        said = Said(f"text {len(self.moves)}", mode, self.random.choice(["", "", "a", "b", "c"]))
        payload = {"text": said.text, "mode": said.mode, "id": said.id}
        await self._says("steer", payload, lambda signal: self.naive.steer(said, by_signal=signal))

    async def _decides(self) -> None:
        call, verdict = self.random.choice(self.naive.waiting), self.random.choice(["approve", "approve", "reject"])
        await self._verdict(self.requests[call.n], verdict, lambda _: self.naive.decide(call, verdict))

    async def _decides_wrongly(self) -> None:
        if self.naive.decided and self.random.random() > 0.3:
            again = self.requests[self.random.choice(self.naive.decided)]
            await self._verdict(again, "approve", lambda signal: self.naive.decide_again(by_signal=signal))
        else:
            await self._verdict("req-0", "reject", lambda signal: self.naive.decide_unknown(by_signal=signal))

    async def _verdict(self, request: str, verdict: str, then: Callable[[bool], object]) -> None:
        payload = {"request_id": request, "approver": "bob"}
        if self.random.random() < 0.5:
            await self._signals(verdict, payload, then)
        else:
            await self._updates("decide", {**payload, "verdict": verdict}, then)

    async def _says(self, name: str, payload: dict[str, str], then: Callable[[bool], object]) -> None:
        await self.random.choice([self._signals, self._updates])(name, payload, then)

    async def _signals(self, name: str, payload: dict[str, str], then: Callable[[bool], object]) -> None:
        self.moves.append(f"signal {name} {payload}")
        await self.handle.signal(name, payload)
        then(True)  # noqa: FBT003 - by signal

    async def _updates(self, name: str, payload: dict[str, str], then: Callable[[bool], object]) -> None:
        self.moves.append(f"update {name} {payload}")
        expected = then(False)  # noqa: FBT003 - by update
        try:
            answer = await update(self.handle, name, payload)
        except WorkflowUpdateFailedError:
            answer = REFUSED
        if name == "decide" and answer != REFUSED:
            answer = (answer["accepted"], answer["state"], answer["code"])
        assert answer in (expected, _rolling(expected)), f"{name} answered {answer}, expected was {expected}"

    async def _answers(self) -> None:
        text = f"answer {self.naive.asked_of_model}"
        self.moves.append(text)
        self.naive.answers(text)
        self.model.gate.steps.append(text)

    async def _calls(self) -> None:
        turn: list[tuple[str, int]] = []
        for tool in self.random.choice(TURNS):
            self.calls += 1
            turn.append((tool, self.calls))
        self.moves.append(f"calls {turn}")
        self.naive.calls(turn)
        self.model.gate.steps.append(tuple(Call(tool, {"run": self.seed, "n": n}) for tool, n in turn))

    async def _returns(self) -> None:
        self.moves.append("returns")
        self.naive.returns()
        self.tools.steps.append("done")

    async def _same(self) -> None:
        expected = self.naive.shows()
        await eventually(lambda: self._seen(expected), lambda seen: seen == expected, seconds=PATIENCE)

    async def _seen(self, expected: dict[str, object]) -> dict[str, object]:
        """What is seen; the server is only asked when what came to the gates is as expected: looking costs time."""
        seen: dict[str, object] = {"asked of model": len(self.model.gate.entered), "ran": self.tools.entered}
        if not seen.items() <= expected.items():
            return seen
        await asyncio.sleep(PAUSE)
        status = await self.handle.query("status")
        messages = await self.env.transcript(self.handle)
        for request in status["pending"]:
            self.requests[request["arguments"]["n"]] = request["request_id"]
        codes = [notice["code"] for notice in status["notices"]]
        return seen | {
            "state": status["state"],
            "waits": status["waiting_for"] is not None,
            "queued": status["queued"],
            "pending": [request["arguments"]["n"] for request in status["pending"]],
            "messages": [_told(message) for message in messages],
            "notices": [code for code in codes if code.startswith(TOLD)],
            "ignored": codes.count("signal.ignored"),
        }

    async def _ended(self) -> None:
        """The result is the expected one, no call lacks an answer, the history replays, nothing more is taken in."""
        result = await self.handle.result()
        assert (result.success, result.stop_reason.value, result.output) == self.naive.ending
        assert (result.turns, result.tool_calls) == (self.naive.turns, len(self.naive.ran))
        assert not any(dangling(request.conversation.messages) for request in self.model.requests)
        calls = [part["id"] for message in await self.env.transcript(self.handle) for part in _calls(message)]
        answers = [message["call_id"] for message in await self.env.transcript(self.handle) if "call_id" in message]
        assert calls == answers
        for history in (await self.env.history(self.handle)).runs:
            await Replayer(workflows=WORKFLOWS, plugins=[PerdurePlugin()]).replay_workflow(history)
        with pytest.raises(RPCError) as signalled:
            await self.handle.signal("pause", {})
        with pytest.raises(RPCError) as updated:
            await update(self.handle, "pause", {})
        assert {signalled.value.status, updated.value.status} == {RPCStatusCode.NOT_FOUND}


def dangling(messages: Iterable[Message]) -> set[str]:
    """Ids of calls without an answer, or of answers without a call."""
    calls, answers = set[str](), set[str]()
    for message in messages:
        if message.kind == "assistant":
            calls |= {part.id for part in message.calls}
        elif message.kind == "tool_result":
            answers.add(message.call_id)
    return calls ^ answers


def _rolling(answer: object) -> object:
    """The answer of a run that continues as new just now, which the model does not know of."""
    if isinstance(answer, tuple):
        accepted, state, code = cast("tuple[bool, str, str]", answer)
        return (accepted, _rolling(state), code)
    return "checkpointing" if isinstance(answer, str) and answer in {"executing", "waiting"} else answer


def _calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in message.get("content", []) if part["kind"] == "call"]


def _told(message: dict[str, Any]) -> tuple[str, str]:
    if message["kind"] == "tool_result":
        return ("tool", message.get("error", ""))
    if message["kind"] == "user":
        return ("user", message["text"])
    said = [f"{part['tool']}-{part['arguments']['n']}" for part in _calls(message)]
    return ("assistant", " ".join(said) or "".join(part["text"] for part in message["content"]))
