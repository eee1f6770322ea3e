"""Payloads of the control signals and updates."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from perdure.domain.model import Model

__all__ = ["MAX_STEER_BYTES", "ControlPayload", "PageRequest", "SteerAnswer", "SteerPayload"]

MAX_STEER_BYTES = 256 * 1024


def no_token(value: str | None) -> str | None:
    """Refuse identity tokens, which this release cannot check."""
    if value:
        msg = "signed tokens are not in this release: leave it out"
        raise ValueError(msg)
    return value


class ControlPayload(Model, frozen=True):
    """Payload of `pause`, `resume` and `stop`."""

    by: str = ""
    reason: str = ""
    token: str | None = None

    _token = field_validator("token")(no_token)


class SteerPayload(Model, frozen=True):
    """Payload of `steer`: a message into the running loop. Repeated ids are dropped."""

    text: Annotated[str, StringConstraints(min_length=1)]
    mode: Literal["next_turn", "when_idle", "interrupt"] = "next_turn"
    id: str = ""

    @field_validator("mode")
    @classmethod
    def _known(cls, value: str) -> str:
        if value == "interrupt":
            msg = 'interrupting a running call is not in this release: say "next_turn" or "when_idle"'
            raise ValueError(msg)
        return value

    @field_validator("text")
    @classmethod
    def _bounded(cls, value: str) -> str:
        if (size := len(value.encode())) > MAX_STEER_BYTES:
            msg = f"{size} bytes, at most {MAX_STEER_BYTES} fit: put it into a workspace file and name the file"
            raise ValueError(msg)
        return value


class SteerAnswer(Model, frozen=True):
    """Answer of the update `steer`: where the message stands in the queue, from 1."""

    position: int


class PageRequest(Model, frozen=True):
    """Argument of the query `transcript`: which messages; a page may hold fewer (200 KB)."""

    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=100, gt=0)
