"""Random sequences of everything that can happen to a run, on the state machine and on a naive model of it.

`MACHINE_EXAMPLES=10000 scripts/test tests/domain/test_machine.py` searches for longer.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import get_args

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from perdure.domain.control import SteerPayload
from perdure.domain.machine import ENDED, MAX_QUEUED, MAX_QUEUED_CHARACTERS, REMEMBERED, Machine, Verb
from perdure.domain.run import RunState
from perdure.domain.state import ControlState
from tests.domain.naive_control import Naive, Said

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "300"))
SOONEST_END = 10
START = datetime(2026, 1, 1, tzinfo=UTC)

lengths = st.integers(0, 3_600_000_000).map(lambda micros: timedelta(microseconds=micros))
verbs = st.sampled_from(get_args(Verb))
modes = st.sampled_from(["next_turn", "when_idle", "interrupt"])
ids = st.sampled_from(["", "a", "b", "c"])
sizes = st.sampled_from([1, 250_000])
phases = st.sampled_from([state for state in RunState if state not in {*ENDED, "waiting", "paused", "stopping"}])
reasons = st.sampled_from(["approval", "outage"])


class Control(RuleBasedStateMachine):
    """Every event goes to both; whatever can be seen must be equal after each."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.machine = Machine.new(self.now)
        self.naive = Naive()
        self.end: Machine | None = None

    @initialize(paused=st.booleans(), queued=st.lists(st.sampled_from(["x", "y"]), max_size=2, unique=True))
    def reopened(self, paused: bool, queued: list[str]) -> None:  # noqa: FBT001 - drawn
        """A session that was closed with this is open again."""
        steering = tuple(SteerPayload(text="earlier", id=name) for name in queued)
        state = ControlState(
            paused=paused, started=START, at=START, idle=7.0, steering=steering, steer_ids=tuple(queued)
        )
        self.machine = self.machine.reopened(state)
        self.naive.facts += ["pause"] if paused else []
        self.naive.queue = [Said("earlier", "next_turn", name) for name in queued]
        self.naive.known = set(queued)

    @rule(length=lengths)
    def time_passes(self, length: timedelta) -> None:
        """Nothing happens for a while."""
        self.now += length
        self.naive.pass_time(length)

    @rule(phase=phases)
    def enters(self, phase: RunState) -> None:
        """The run goes to another phase."""
        self.machine = self.machine.enter(phase, self.now)
        self.naive.note(f"enter {phase}")

    @precondition(lambda self: len(self.naive.facts) > SOONEST_END)
    @rule(end=st.sampled_from(ENDED))
    def ends(self, end: RunState) -> None:
        """The run ends: not at once, so that sequences are long."""
        self.machine = self.machine.enter(end, self.now)
        self.naive.note(f"enter {end}")
        self.end = self.end or self.machine

    @rule(verb=verbs, by=st.sampled_from(["", "ada"]))
    def acts(self, verb: Verb, by: str) -> None:
        """Somebody says pause, resume, interrupt or stop."""
        self.machine = self.machine.apply(verb, self.now, by, "because")
        self.naive.note(verb)

    @rule(size=sizes, mode=modes, name=ids)
    def steers(self, size: int, mode: str, name: str) -> None:
        """Somebody sends a message."""
        text = "x" * size
        steer = SteerPayload.model_validate({"text": text, "mode": mode, "id": name, "token": "secret"})
        said = Said(text, mode, name)
        dropped = self.naive.repeats(said) and not self.naive.over and "stop" not in self.naive.facts
        assert (self.machine.refusal(steer) == "") == (self.naive.takes(said) or dropped)
        self.machine = self.machine.steer(steer, self.now)
        self.naive.say(said)

    @rule(count=st.sampled_from([15, 95]), size=sizes)
    def floods(self, count: int, size: int) -> None:
        """Somebody sends very many messages."""
        steer = SteerPayload(text="z" * size)
        for _ in range(count):
            self.machine = self.machine.steer(steer, self.now)
            self.naive.say(Said(steer.text, "next_turn", ""))

    @rule(idle=st.booleans())
    def reads(self, idle: bool) -> None:  # noqa: FBT001 - drawn
        """The model is given what waits for it."""
        self.machine, taken = self.machine.take(idle=idle)
        assert [item.text for item in taken] == [said.text for said in self.naive.take(idle=idle)]

    @rule(name=reasons)
    def waits(self, name: str) -> None:
        """The run begins to wait."""
        self.machine = self.machine.wait_begin(name, self.now)
        self.naive.note(f"await {name}")

    @precondition(lambda self: bool(self.naive.waits()))
    @rule(data=st.data())
    def got(self, data: st.DataObject) -> None:
        """Something that was waited for comes."""
        name = data.draw(st.sampled_from(self.naive.waits()))
        self.machine = self.machine.wait_end(name, self.now)
        self.naive.note(f"got {name}")

    @rule(name=reasons)
    def came_for_nobody(self, name: str) -> None:
        """What nobody waits for changes nothing."""
        before, here = self.machine, name in self.naive.waits()
        assert here or before.wait_end(name, self.now) == before

    @rule()
    def asked(self) -> None:
        """A session gets another question: its clock begins anew."""
        self.machine = self.machine.restarted(self.now)
        self.naive.spans = self.naive.spans if self.naive.over else []

    @precondition(lambda self: not self.naive.over)
    @rule(draining=lengths, gap=lengths)
    def rolls(self, draining: timedelta, gap: timedelta) -> None:
        """The run continues as new: what is carried travels as JSON."""
        self.enters(RunState.CHECKPOINTING)
        self.time_passes(draining)
        json = self.machine.carried(self.now).model_dump_json()
        self.now += gap
        self.machine = Machine.continued(ControlState.model_validate_json(json), self.now)
        self.naive.note("roll")
        self.enters(RunState.EXECUTING)

    @invariant()
    def shows_the_same(self) -> None:
        """State, wait, queue and interruptions are those of the model."""
        assert self.machine.shown == self.naive.state()
        assert self.machine.waiting_for == next(iter(self.naive.waits()), None)
        assert [(item.text, item.mode, item.id) for item in self.machine.steering] == [
            (said.text, said.mode, said.id) for said in self.naive.queue
        ]
        assert self.machine.broken.number == self.naive.breaks()

    @invariant()
    def works_the_same(self) -> None:
        """Working time is the sum of the spans of work, and never negative."""
        assert self.machine.worked(self.now) == self.naive.worked()
        assert self.machine.worked(self.now) >= timedelta()

    @invariant()
    def stays_bounded(self) -> None:
        """Neither the queue nor what is remembered grows without end; no token is kept."""
        assert len(self.machine.steering) <= MAX_QUEUED
        assert sum(len(item.text) for item in self.machine.steering) <= MAX_QUEUED_CHARACTERS
        assert len(self.machine.ids) <= REMEMBERED
        assert {item.token for item in self.machine.steering} <= {None}

    @invariant()
    def an_end_is_final(self) -> None:
        """Nothing changes behind it."""
        assert self.end is None or self.machine == self.end


def test_the_machine_is_like_the_model() -> None:
    """No sequence of events is found in which they differ."""
    run_state_machine_as_test(Control, settings=settings(max_examples=EXAMPLES, stateful_step_count=40))


def test_only_so_many_ids_are_remembered() -> None:
    """The oldest are forgotten first, in a run that lasts as in one that continues."""
    machine = Machine.new(START)
    for number in range(REMEMBERED + 1):
        machine = machine.steer(SteerPayload(text="x", id=f"id-{number}"), START).take(idle=True)[0]
    assert (len(machine.ids), machine.ids[0]) == (REMEMBERED, "id-1")
    assert Machine.continued(machine.carried(START), START).ids == machine.ids


def test_the_state_of_an_earlier_release_can_be_read() -> None:
    """What a run of then has carried over is what a run of today goes on with."""
    json = (
        '{"paused": true, "stopping": false, "started": "2026-01-01T00:00:00Z", "idle": 2.5,'
        ' "at": "2026-01-01T00:01:00Z", "steering": [{"text": "hi", "mode": "next_turn", "id": "a"}],'
        ' "steer_ids": ["a"]}'
    )
    now = START + timedelta(seconds=70)
    machine = Machine.continued(ControlState.model_validate_json(json), now).enter(RunState.EXECUTING, now)
    assert (machine.shown, machine.worked(now)) == (RunState.PAUSED, timedelta(seconds=57.5))
    assert machine.refusal(SteerPayload(text="hi", id="a")) == ""
    assert len(machine.steer(SteerPayload(text="hi", id="a"), now).steering) == 1
