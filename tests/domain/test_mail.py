"""Letters and their router: nothing is lost, nothing is dealt with twice, and every bound holds."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pydantic import ValidationError

from perdure.domain.explain import explain
from perdure.domain.mail.book import Rules
from perdure.domain.mail.letter import ContentRule, Letter, LetterType
from perdure.domain.mail.records import Address
from perdure.domain.mail.router import Router

if TYPE_CHECKING:
    from perdure.domain.model import JsonObject

START = datetime(2026, 1, 1, tzinfo=UTC)
PEERS = ["ann", "ben", "cid"]


def letter(identity: str = "x1", **fields: Any) -> Letter:
    """A letter to ben, unless said otherwise."""
    given = {"id": identity, "type": "inform", "source": "outside", "target": "ben", "content": "hi", **fields}
    return Letter.model_validate({"timestamp": START, **given})


def router(rules: Rules | None = None, **peers: Address) -> Router:
    """A router whose peers have joined."""
    found = peers or {name: Address() for name in PEERS}
    return Router(rules=rules or Rules(), peers=found, joined=dict.fromkeys(found))


def reasons(of: Router) -> list[tuple[str, str, str]]:
    """The dead: letter, peer, reason."""
    return [(each.id, each.peer, each.reason) for each in of.dead]


def test_letters_have_the_types_of_the_contract() -> None:
    """These and no others."""
    wanted = "task result error handoff feedback request response inform propose accept reject query confirm"
    assert list(get_args(LetterType)) == [*wanted.split(), "notification", "heartbeat"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"content": "  "}, "content: it is empty"),
        ({"content": {}}, "content: it is empty"),
        ({"content": "x" * 70_000}, "at most 65536 fit"),
        ({"type": "gossip"}, "type: "),
        ({"target": "topic:"}, "target: "),
        ({"target": "a b"}, "target: "),
        ({"hops": -1}, "hops: "),
        ({"metadata": {"x": "y" * 9_000}}, "at most 8192 fit"),
        ({"mood": "good"}, "mood: unknown field"),
    ],
)
def test_a_wrong_letter_is_refused_with_words(fields: dict[str, Any], words: str) -> None:
    """They name the field."""
    with pytest.raises(ValidationError) as caught:
        letter(**fields)
    assert words in explain(caught.value)


@pytest.mark.parametrize(
    ("rule", "takes"),
    [
        ({}, True),
        ({"field": "content.kind", "equals": "order"}, True),
        ({"field": "content.kind", "equals": "bill"}, False),
        ({"field": "content.kind.deeper", "equals": None}, True),
        ({"field": "content.none"}, False),
        ({"field": "content.tags"}, True),
        ({"field": "content.tags", "contains": "red"}, True),
        ({"field": "content.tags", "contains": "re"}, False),
        ({"field": "content.kind", "contains": "rde"}, True),
        ({"field": "content", "contains": "kind"}, True),
        ({"field": "content.n", "equals": True}, False),
        ({"field": "type", "equals": "inform"}, True),
        ({"fits": {"type": "object", "required": ["kind"]}}, True),
        ({"fits": {"type": "object", "properties": {"n": {"minimum": 2}}}}, False),
    ],
)
def test_content_rules(rule: dict[str, Any], takes: bool) -> None:  # noqa: FBT001 - a column of the table
    """Paths, values, parts and schemas; 1 and true differ."""
    content = {"kind": "order", "tags": ["red"], "n": 1}
    assert ContentRule.model_validate(rule).takes(letter(content=content)) == takes


def test_a_rule_with_a_broken_schema_is_refused() -> None:
    """Before anything runs."""
    with pytest.raises(ValidationError, match="fits"):
        ContentRule.model_validate({"fits": {"type": "thing"}})


def test_who_gets_what() -> None:
    """One by name, all but the sender, subscribers, those whose rule fits; closed peers get nothing sent to many."""
    orders = ContentRule(field="content.kind", equals="order")
    post = router(ann=Address(), ben=Address(topics=("news",)), cid=Address(topics=("news",), accepts=orders))
    order = {"kind": "order"}
    assert post.receivers(letter(target="*", source="ann", content=order)) == ["ben", "cid"]
    assert post.receivers(letter(target="*", content="x")) == ["ann", "ben"]
    assert post.receivers(letter(target="topic:news", content=order)) == ["ben", "cid"]
    assert post.receivers(letter(target="topic:news", source="ben", content="x")) == []
    assert post.receivers(letter(target="cid", content="x")) == ["cid"]
    post.close("ben", "gone", START)
    assert post.receivers(letter(target="topic:news", content=order)) == ["cid"]
    assert post.receivers(letter(target="ben")) == ["ben"]


def test_what_nobody_takes_is_dead_and_its_writer_knows() -> None:
    """An unknown peer, a topic without subscribers; the error names the peers there are."""
    post = router()
    post.post(letter("x1", source="ann", target="bob"), START)
    post.post(letter("x2", source="ann", target="topic:news"), START)
    assert reasons(post) == [("x1", "bob", "UNKNOWN_PEER"), ("x2", "topic:news", "NO_RECEIVER")]
    told = [each.letter for each in post.due(START)]
    assert [(each.source, each.target, each.type, each.correlation_id) for each in told] == [
        ("mesh", "ann", "error", "x1"),
        ("mesh", "ann", "error", "x2"),
    ]
    assert "there is no peer 'bob'; peers: ann, ben, cid" in str(told[0].content)


def test_a_letter_is_repeated_until_it_is_acknowledged_and_then_given_up() -> None:
    """Each time after twice as long; what is acknowledged later all the same is alive again."""
    post, times = router(Rules(attempts=3, ack_seconds=10)), list[int]()
    post.post(letter(), START)
    for second in range(100):
        times += [second for _ in post.due(START + timedelta(seconds=second))]
    assert (times, reasons(post), post.quiet) == ([0, 10, 30], [("x1", "ben", "NO_ACK")], True)
    post.acked("x1", "ben")
    assert (reasons(post), post.quiet) == ([], False)
    assert post.handled("x1", "ben") is not None
    assert post.handled("x1", "ben") is None
    assert (post.quiet, post.counts["ben"].handled, post.counts["ben"].received) == (True, 1, 1)


def test_dead_letters_are_sent_again_under_their_ids() -> None:
    """A closed peer stays closed, one that was silent gets it, hops begin anew, what is no letter stays none."""
    post = router(Rules(attempts=1, ack_seconds=1, hops=2))
    post.close("cid", "terminated", START)
    post.post(letter("x1", target="ben"), START)
    post.post(letter("x2", target="cid"), START)
    post.post(letter("x3", target="ann", hops=3), START)
    post.written("ann", [{"to": "ben", "type": "inform", "content": ""}, "what"], 1, letter("x0"), START)
    post.due(START)
    post.due(START + timedelta(seconds=2))
    assert sorted(reasons(post)) == [
        ("ann:1", "", "INVALID"),
        ("ann:2", "", "INVALID"),
        ("x1", "ben", "NO_ACK"),
        ("x2", "cid", "PEER_CLOSED"),
        ("x3", "ann", "HOP_LIMIT"),
    ]
    again = {each.id: each for each in post.redrive(None, START + timedelta(seconds=3))}
    assert {name: each.state for name, each in again.items()} == {
        "ann:1": "dead",
        "ann:2": "dead",
        "x1": "waiting",
        "x2": "dead",
        "x3": "waiting",
    }
    assert (again["x2"].reason, "cid has ended (terminated)" in again["x2"].words) == ("PEER_CLOSED", True)
    sent = {each.letter.id: (each.peer, each.attempts) for each in post.due(START + timedelta(seconds=3))}
    assert sent == {"x1": ("ben", 1), "x3": ("ann", 1)}
    assert post.redrive(["none"], START) == []


def test_a_request_is_answered_once_or_its_asker_is_told() -> None:
    """By the one it was for; the answer goes by correlation, also when the agent left it out."""
    post = router(Rules(request_seconds=60))
    post.post(ask := letter("q1", source="ann", type="request"), START)
    assert [(each.source, each.to) for each in post.pending.values()] == [("ann", ("ben",))]
    post.post(letter("c1", source="cid", target="ann", correlation_id="q1"), START)
    assert list(post.pending) == ["q1"]
    post.written("ben", [{"to": "ann", "type": "response", "content": "yes"}], 1, ask, START)
    assert (list(post.pending), post.letters["ben:1"].correlation_id, post.letters["ben:1"].hops) == ([], "q1", 1)
    post.post(letter("q2", source="ann", type="query"), START)
    post.expire(START + timedelta(seconds=59))
    assert list(post.pending) == ["q2"]
    post.expire(START + timedelta(seconds=60))
    told = post.letters["mesh:1"]
    assert (list(post.pending), told.target, told.correlation_id) == ([], "ann", "q2")
    assert told.content == {"code": "REQUEST_TIMEOUT", "message": "no answer from ben in time"}


def test_who_asks_peers_that_have_nothing_left_to_do_need_not_wait() -> None:
    """When all is dealt with no answer will come; only people may still answer."""
    post = router()
    post.post(letter("q1", source="ann", type="request"), START)
    post.post(letter("q2", source="ann", type="request", target="outside"), START)
    post.handled("q1", "ben")
    post.expire(START)
    assert (list(post.pending), post.letters["mesh:1"].correlation_id) == (["q2"], "q1")
    post.post(letter("a2", source="outside", target="ann", correlation_id="q2"), START)
    assert list(post.pending) == []


def test_no_more_is_sent_than_the_limit() -> None:
    """What is over it is held back; the router is full once all that was sent is settled."""
    post = router(Rules(sends=2))
    post.post(letter(target="*"), START)
    assert [each.peer for each in post.due(START)] == ["ann", "ben"]
    assert (post.exhausted, post.full) == (True, False)
    post.handled("x1", "ann")
    post.handled("x1", "ben")
    assert (post.due(START), post.full, post.quiet) == ([], True, False)


def test_letters_between_two() -> None:
    """Of a broadcast those who got it."""
    post = router()
    post.post(letter("x1", source="ann", target="ben"), START)
    post.post(letter("x2", source="cid", target="*"), START)
    post.post(letter("x3", source="ben", target="ann"), START)
    assert [each.letter.id for each in post.shown("ann", "ben")] == ["x1", "x3"]
    assert [each.letter.id for each in post.shown("ann", "cid")] == ["x2"]
    assert [each.letter.id for each in post.shown("ann")] == ["x1", "x2", "x3"]


NAMES = st.sampled_from(PEERS)
TARGETS = st.sampled_from([*PEERS, "*", "topic:news", "bob", "outside"])
TYPES = st.sampled_from(["inform", "request", "response", "error", "heartbeat"])


class Mail(RuleBasedStateMachine):
    """A mesh in which acks and letters get lost, come twice and late, and peers end."""

    def __init__(self) -> None:
        """Three peers; a peer keeps what it took, and drops what it has."""
        super().__init__()
        address = Address(topics=("news",))
        self.post = router(Rules(hops=3, sends=60, attempts=2, ack_seconds=5), **dict.fromkeys(PEERS, address))
        self.now, self.number = START, 0
        self.inboxes: dict[str, list[Letter]] = {name: [] for name in PEERS}
        self.dealt: list[tuple[str, str]] = []

    @rule(to=TARGETS, kind=TYPES, source=st.sampled_from([*PEERS, "outside"]), again=st.booleans())
    def write(self, to: str, kind: str, source: str, again: bool) -> None:  # noqa: FBT001 - drawn
        """A letter; now and then one with an id that was there."""
        self.number += not again
        self.post.post(letter(f"x{self.number}", source=source, target=to, type=kind), self.now)

    @rule(seconds=st.integers(0, 12), arrives=st.booleans(), ack=st.booleans())
    def send(self, seconds: int, arrives: bool, ack: bool) -> None:  # noqa: FBT001 - drawn
        """Time passes, what is due is sent; it may get lost on the way, or its acknowledgement may."""
        self.now += timedelta(seconds=seconds)
        self.post.expire(self.now)
        for each in self.post.due(self.now):
            inbox = self.inboxes[each.peer]
            if arrives and each.letter not in inbox and (each.letter.id, each.peer) not in self.dealt:
                inbox.append(each.letter)
            if arrives and ack:
                self.post.acked(each.letter.id, each.peer)

    @rule(peer=NAMES, to=TARGETS, kind=TYPES)
    def deal(self, peer: str, to: str, kind: str) -> None:
        """A peer deals with its oldest letter and writes one, which it reports twice."""
        for taken in self.inboxes[peer][:1]:
            self.inboxes[peer].remove(taken)
            self.dealt.append((taken.id, peer))
            upon = self.post.handled(taken.id, peer)
            assert upon is not None
            draft: JsonObject = {"to": to, "type": kind, "content": "x"}
            self.post.written(peer, [draft], len(self.dealt), upon, self.now)
            assert self.post.handled(taken.id, peer) is None

    @rule(peer=NAMES)
    def end(self, peer: str) -> None:
        """A peer is gone, with what it had."""
        self.post.close(peer, "gone", self.now)
        self.inboxes[peer].clear()

    @rule()
    def again(self) -> None:
        """Dead letters are sent again."""
        self.post.redrive(None, self.now)

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every letter is with those it is for: handled, under way, or dead; and each in one place only."""
        dead = [(each.id, each.peer) for each in self.post.dead]
        assert len(dead) == len(set(dead))
        for shown in self.post.shown():
            assert shown.deliveries or any(identity == shown.letter.id for identity, _ in dead)
            for each in shown.deliveries:
                name = (shown.letter.id, each.peer)
                places = (each.state == "handled", name in self.post.under_way, name in dead)
                assert sum(places) == 1, (name, each.state, places)

    @invariant()
    def nothing_is_dealt_with_twice(self) -> None:
        """By no peer."""
        assert len(self.dealt) == len(set(self.dealt))

    @invariant()
    def bounds_hold(self) -> None:
        """No letter under way has come over the hop limit; no more was sent than may be."""
        assert all(each.letter.hops <= 3 for each in self.post.under_way.values())
        assert self.post.sends <= 60


TestMail = Mail.TestCase


@given(st.lists(st.text(max_size=5) | st.integers() | st.dictionaries(st.text(max_size=5), st.text(max_size=5))))
def test_whatever_an_agent_writes_is_a_letter_or_dead(drafts: list[Any]) -> None:
    """Nothing of it raises."""
    post = router()
    post.written("ann", drafts, 1, letter(), START)
    assert len(post.dead) == len(drafts)
