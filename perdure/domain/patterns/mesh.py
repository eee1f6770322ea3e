"""What the pattern `Mesh` and its peers take and come to, and how a letter is put to an agent."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from perdure.domain.errors import ErrorInfo
from perdure.domain.mail.letter import (
    EVERYBODY,
    MAX_CONTENT_BYTES,
    MESH,
    OUTSIDE,
    ContentRule,
    Letter,
    LetterId,
    LetterType,
    PeerName,
)
from perdure.domain.mail.records import Address, DeadLetter, PeerCount
from perdure.domain.model import JsonObject, JsonValue, Model, Partial
from perdure.domain.patterns.steps import PatternInput, PatternResult, Step, Worker, text_of
from perdure.domain.policy import Seconds
from perdure.domain.run import ContextItem

__all__ = ["Ack", "Joined", "MeshInput", "MeshResult", "PeerInput", "PeerResult", "PeerSpec", "Sent", "reading", "said"]

MAX_DRAFTS = 20
"""Letters of one answer."""
MAX_SAID = 2_000
"""Characters of an earlier letter as an agent is reminded of it."""

Outcome = Literal["done", "quiet", "letter_limit", "time_limit", "ended"]
Topic = PeerName


class PeerSpec(Partial, frozen=True):
    """One peer of a mesh. Without `agent` it is the mesh's; `description` is what the others read of it.

    What is sent to many reaches it when it fits `accepts`; what is sent to a topic also needs `topics` to name that.
    """

    name: PeerName
    agent: Worker | None = None
    topics: tuple[Topic, ...] = ()
    accepts: ContentRule | None = None
    description: Annotated[str, StringConstraints(max_length=1_000)] = ""

    @property
    def address(self) -> Address:
        """The peer as the router knows it."""
        return Address(self.topics, self.accepts, self.description)


class MeshInput(PatternInput, frozen=True):
    """Input of `Mesh`. `goal` is the first letter, a task for the peer `start`, or for everybody without one.

    Only the peers in `ends` may end the mesh (none named: each may). `max_letters` counts deliveries, repeated ones
    included, `max_hops` the letters that led to a letter. A delivery that is not acknowledged in `ack_seconds` is
    repeated, each time after twice as long, `attempts` times in all. A request without an answer in `request_seconds`
    is answered with an error. With `quiet_seconds` the mesh stays open for so long when nobody has anything to do.
    """

    peers: tuple[PeerSpec, ...] = Field(min_length=1, max_length=50)
    start: PeerName | None = None
    ends: tuple[PeerName, ...] = ()
    max_letters: int = Field(default=100, ge=1, le=2_000)
    max_hops: int = Field(default=20, ge=0, le=100)
    seconds: Seconds | None = None
    quiet_seconds: float = Field(default=0.0, ge=0, le=604_800)
    attempts: int = Field(default=5, ge=1, le=10)
    ack_seconds: Seconds = 10.0
    request_seconds: Seconds = 600.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [peer.name for peer in self.peers]
        for name, count in Counter(names).items():
            if count > 1:
                msg = f"peers: two of them are called {name!r}: names must differ"
                raise ValueError(msg)
            if name in (OUTSIDE, MESH):
                msg = f"peers: {name!r} is not the name of a peer: it stands for what is not one"
                raise ValueError(msg)
        for field, wanted in (("start", [self.start] if self.start else []), ("ends", self.ends)):
            for name in wanted:
                if name not in names:
                    msg = f"{field}: there is no peer {name!r}; peers: {', '.join(names)}"
                    raise ValueError(msg)
        if (size := len(self.goal.encode())) > MAX_CONTENT_BYTES // 2:
            msg = f"goal: {size} bytes, a letter holds {MAX_CONTENT_BYTES // 2}: put what is long into context"
            raise ValueError(msg)
        return self

    @property
    def first(self) -> str:
        """Whom the goal goes to."""
        return self.start or EVERYBODY

    def peer_step(self, peer: PeerSpec) -> Step:
        """The step that is the life of a peer."""
        mates = {each.name: each.description for each in self.peers if each.name != peer.name}
        topics = list(dict.fromkeys(topic for each in self.peers for topic in each.topics))
        given: JsonObject = {
            "name": peer.name,
            "description": peer.description,
            "mates": {**mates},
            "topics": [*topics],
            "ends": not self.ends or peer.name in self.ends,
        }
        return Step(id=peer.name, goal=self.goal, agent=peer.agent, workflow="Peer", given=given)


class PeerInput(PatternInput, frozen=True):
    """Input of `Peer`, which `Mesh` fills in: who it is, who the others are, and whether it may end the mesh."""

    name: PeerName
    description: str = ""
    mates: dict[PeerName, str] = {}
    topics: tuple[Topic, ...] = ()
    ends: bool = True

    @model_validator(mode="after")
    def _of_a_mesh(self) -> Self:
        if self.lineage is None:
            msg = "a peer is started by the workflow Mesh: start that one"
            raise ValueError(msg)
        return self


class MeshResult(PatternResult, frozen=True):
    """Result of `Mesh`: `output` is what the peer that ended it said, else the content of the last letter.

    `outcome` is done (the only success), quiet (nobody had anything left to do), letter_limit, time_limit, or ended
    (stopped, a deadline). `undelivered` counts deliveries that were under way then, `transcript` begins with the first
    letter; the query `letters` has all.
    """

    outcome: Outcome = "ended"
    ended_by: str = ""
    letters: int = 0
    undelivered: int = 0
    dead_letters: tuple[DeadLetter, ...] = ()
    peers: dict[str, PeerCount] = {}
    transcript: tuple[Letter, ...] = ()


class PeerResult(PatternResult, frozen=True):
    """Result of `Peer`: how many letters it has dealt with and written."""

    handled: int = 0
    written: int = 0


class Joined(Model, frozen=True):
    """Signal of a peer to its mesh: it takes letters from now on."""

    peer: PeerName
    workflow_id: str


class Ack(Model, frozen=True):
    """Signal of a peer to its mesh: it has this letter."""

    peer: PeerName
    id: LetterId


class Sent(Model, frozen=True):
    """Signal of a peer to its mesh: it has dealt with a letter, and has written `letters`.

    They are drafts, which the mesh judges, numbered from `first`. `error` says why its agent could not deal with it.
    """

    peer: PeerName
    handled: LetterId
    first: int = Field(default=1, ge=1)
    letters: tuple[JsonValue, ...] = ()
    done: bool = False
    result: JsonValue = None
    error: ErrorInfo | None = None


ANSWER: JsonObject = {
    "type": "object",
    "properties": {
        "letters": {
            "type": "array",
            "maxItems": MAX_DRAFTS,
            "items": {
                "type": "object",
                "properties": {
                    "to": {"type": "string"},
                    "type": {"type": "string", "enum": [*get_args(LetterType)]},
                    "content": {"type": ["string", "object"]},
                    "reply_to": {"type": "string"},
                },
                "required": ["to", "type", "content"],
                "additionalProperties": False,
            },
        },
        "done": {"type": "boolean"},
        "result": {},
    },
    "required": ["letters"],
    "additionalProperties": False,
}
"""JSON Schema of what an agent answers to a letter."""


def reading(given: PeerInput, letter: Letter, before: Sequence[str]) -> Step:
    """The step in which a peer's agent deals with a letter; `before` is what the two have written to each other."""
    told = [ContextItem(title="how letters work here", text=_manual(given))]
    if before:
        told.append(ContextItem(title=f"earlier letters between you and {letter.source}", text="\n".join(before)))
    about = f" (about {letter.correlation_id})" if letter.correlation_id else ""
    to = "" if letter.target == given.name else f" to {letter.target!r}"
    head = f"Letter {letter.id}, a {letter.type} from {letter.source}{to}{about}:"
    more = f"\n\nmetadata: {text_of(letter.metadata)}" if letter.metadata else ""
    return Step(
        id=letter.id,
        goal=f"{head}\n\n{text_of(letter.content)}{more}",
        context=tuple(told),
        output_schema=ANSWER,
    )


def said(identity: str, writer: str, kind: str, content: JsonValue) -> str:
    """A letter in a line, as an agent is reminded of it."""
    text = text_of(content)
    return f"{identity}, {kind} from {writer}: {text if len(text) <= MAX_SAID else f'{text[:MAX_SAID]}…'}"


def _manual(given: PeerInput) -> str:
    """What a peer has to know to answer."""
    mates = [f"- {name}: {words}" if words else f"- {name}" for name, words in given.mates.items()]
    topics = f'"topic:NAME" for those who follow a topic ({", ".join(given.topics)})' if given.topics else ""
    ways = [f'the name of a peer, or "{OUTSIDE}" for people', '"*" for all peers', topics]
    end = (
        'Say "done": true with a "result" when the goal of all is reached: that ends the work of everybody.'
        if given.ends
        else 'Leave "done" and "result" out: ending the work is for others.'
    )
    return "\n".join(
        [
            f"You are {given.name}" + (f": {given.description}" if given.description else "."),
            "You work with peers who read and write letters as you do:",
            *mates,
            f"The goal of all: {given.goal}",
            'Answer with the letters that you write upon this one ("letters": [] when there is nothing to say).',
            f'"to" is {"; ".join(way for way in ways if way)}.',
            'In "reply_to" name the id of the letter that you answer.',
            end,
        ]
    )
