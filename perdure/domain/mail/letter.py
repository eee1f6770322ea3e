"""A letter from one agent to another: typed, checked, and small enough to travel."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from perdure.domain.arguments import check_output_schema, check_value
from perdure.domain.identity import MAX_NAME, Token, content_digest
from perdure.domain.model import Compact, JsonObject, JsonValue, Partial, canonical_json

__all__ = [
    "ANSWERS",
    "EVERYBODY",
    "MESH",
    "OUTSIDE",
    "REQUESTS",
    "TOPIC",
    "Content",
    "ContentRule",
    "Draft",
    "Letter",
    "LetterId",
    "LetterType",
    "Outside",
    "PeerName",
    "Target",
]

EVERYBODY = "*"
TOPIC = "topic:"
OUTSIDE = "outside"
"""Source of what people and programs send to a mesh, and the name by which they are answered."""
MESH = "mesh"
"""Source of what the mesh itself has to say: errors."""
MAX_CONTENT_BYTES = 64 * 1024
MAX_METADATA_BYTES = 8 * 1024

LetterType = Literal[
    "task",
    "result",
    "error",
    "handoff",
    "feedback",
    "request",
    "response",
    "inform",
    "propose",
    "accept",
    "reject",
    "query",
    "confirm",
    "notification",
    "heartbeat",
]
REQUESTS = ("request", "query")
"""Types that wait for an answer."""
ANSWERS = ("result", "error", "response", "accept", "reject", "confirm")
"""Types that answer the letter they are written upon, when they go back to who sent it."""

PeerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
LetterId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$")]
Target = Annotated[str, StringConstraints(pattern=r"^(\*|(topic:)?[A-Za-z0-9][A-Za-z0-9_.-]{0,63})$")]
"""A peer by its name, `*` for everybody, or `topic:NAME` for those who have subscribed to it."""
Content = str | JsonObject


def _content(value: Content) -> Content:
    """Refuse content that is empty or as large as a document."""
    if not (value.strip() if isinstance(value, str) else value):
        msg = "it is empty"
        raise ValueError(msg)
    if (size := len(canonical_json(value).encode())) > MAX_CONTENT_BYTES:
        msg = f"{size} bytes, at most {MAX_CONTENT_BYTES} fit: put it into a workspace file and name the file"
        raise ValueError(msg)
    return value


def _metadata(value: JsonObject) -> JsonObject:
    if (size := len(canonical_json(value).encode())) > MAX_METADATA_BYTES:
        msg = f"{size} bytes, at most {MAX_METADATA_BYTES} fit"
        raise ValueError(msg)
    return value


class Letter(Compact, frozen=True):
    """One message. `hops` counts the letters that led to it: 0 for one that nothing led to.

    `correlation_id` is the id of the request that it answers, or whatever the sender tells letters apart by.
    """

    id: LetterId
    type: LetterType
    source: PeerName
    target: Target
    content: Content
    metadata: JsonObject = {}
    timestamp: datetime
    correlation_id: LetterId | None = None
    hops: int = Field(default=0, ge=0)

    _checked_content = field_validator("content")(_content)
    _checked_metadata = field_validator("metadata")(_metadata)


class Draft(Partial, frozen=True):
    """A letter as an agent writes it; who sends it, when and under which id is not for the agent to say."""

    to: Target
    type: LetterType
    content: Content
    reply_to: LetterId | None = None

    _checked_content = field_validator("content")(_content)


class Outside(Compact, frozen=True):
    """Payload of `send`: a letter from outside the mesh. A repeated `id` is dropped; `by` is who sends it."""

    to: Target
    type: LetterType = "inform"
    content: Content
    id: PeerName | None = None
    correlation_id: LetterId | None = None
    metadata: JsonObject = {}
    by: Annotated[str, StringConstraints(max_length=MAX_NAME)] = ""
    token: Token | None = None

    _checked_content = field_validator("content")(_content)
    _checked_metadata = field_validator("metadata")(_metadata)

    @property
    def digest(self) -> str:
        """Digest of what is sent, to which a token for it is bound."""
        return content_digest(self.model_dump(mode="json", exclude={"by", "token"}))


class ContentRule(Partial, frozen=True):
    """Which letters to many a peer takes, by what they hold; a letter to the peer alone always reaches it.

    `field` is a path into `{type, source, content, metadata, correlation_id}`, as in "content.order.kind"; its value
    must be `equals`, or contain `contains` (part of a text, item of a list, key of an object). `fits` is a JSON Schema
    for the content. Every condition that is named must hold.
    """

    field: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")] | None = None
    equals: JsonValue = None
    contains: str | None = None
    fits: JsonObject | None = None

    @field_validator("fits")
    @classmethod
    def _a_schema(cls, value: JsonObject | None) -> JsonObject | None:
        if value is not None and (problem := check_output_schema(value)):
            raise ValueError(problem)
        return value

    def takes(self, letter: Letter) -> bool:
        """Whether a letter fits."""
        if self.fits is not None and check_value(self.fits, letter.content):
            return False
        if self.field is None:
            return True
        found = _at(letter, self.field)
        if "equals" in self.model_fields_set and canonical_json(found) != canonical_json(self.equals):
            return False
        if self.contains is None:
            return "equals" in self.model_fields_set or found is not None
        return isinstance(found, str | list | dict) and self.contains in found


def _at(letter: Letter, path: str) -> JsonValue:
    """The value at a path, None where there is none."""
    value: JsonValue = letter.model_dump(
        mode="json", include={"type", "source", "content", "metadata", "correlation_id"}
    )
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
