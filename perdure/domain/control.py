"""Payloads of the control signals and updates."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from perdure.domain.agents import Limits
from perdure.domain.identity import MAX_NAME, Token, content_digest
from perdure.domain.model import Compact, JsonValue, Model, Partial
from perdure.domain.policy import Policy

__all__ = [
    "ConfigureAnswer",
    "ConfigurePayload",
    "ControlPayload",
    "PageRequest",
    "SteerAnswer",
    "SteerPayload",
    "bounded_text",
]

MAX_STEER_BYTES = 256 * 1024


def bounded_text(value: str) -> str:
    """Refuse a message that is as large as a document."""
    if (size := len(value.encode())) > MAX_STEER_BYTES:
        msg = f"{size} bytes, at most {MAX_STEER_BYTES} fit: put it into a workspace file and name the file"
        raise ValueError(msg)
    return value


class ControlPayload(Model, frozen=True):
    """Payload of `pause`, `resume`, `interrupt` and `stop`. `token` proves who `by` is."""

    by: str = ""
    reason: str = ""
    token: Token | None = None


class ConfigurePayload(Partial, frozen=True):
    """Payload of `configure`: what is to be changed of a running run, who changes it and why."""

    limits: Limits | None = None
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    tools: tuple[str, ...] | None = None
    policy: Policy | None = None
    by: Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME)]
    reason: str = ""
    token: Token | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.named:
            msg = "nothing to change: name at least one of limits, model, tools, policy"
            raise ValueError(msg)
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """The fields that are to be changed."""
        return tuple(name for name in ("limits", "model", "tools", "policy") if getattr(self, name) is not None)

    @property
    def content(self) -> str:
        """Digest of the changes, to which a token for them is bound."""
        return content_digest(self.model_dump(mode="json", include=set(self.named), exclude_unset=True))


class ConfigureAnswer(Model, frozen=True):
    """Answer of the update `configure`: per changed field its value before and after; `state` is that of the run."""

    changed: dict[str, dict[str, JsonValue]]
    state: str


class SteerPayload(Compact, frozen=True):
    """Payload of `steer`: a message into the running loop. Repeated ids are dropped.

    `interrupt` breaks off the model call in flight, and lets a paused run go on.
    """

    text: Annotated[str, StringConstraints(min_length=1)]
    mode: Literal["next_turn", "when_idle", "interrupt"] = "next_turn"
    id: str = ""
    by: str = ""
    token: Token | None = None

    _text = field_validator("text")(bounded_text)

    @property
    def content(self) -> str:
        """Digest of text, mode and id, to which a token for them is bound."""
        return content_digest(self.text, self.mode, self.id)


class SteerAnswer(Model, frozen=True):
    """Answer of the update `steer`: where the message stands in the queue, from 1."""

    position: int


class PageRequest(Model, frozen=True):
    """Argument of the query `transcript`: which messages; a page may hold fewer (200 KB)."""

    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=100, gt=0)
