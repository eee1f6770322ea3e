"""The three bases of every model: full, compact (defaults left out) and partial (only what was said)."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue, SerializerFunctionWrapHandler, model_serializer

__all__ = ["Compact", "JsonObject", "JsonValue", "Model", "Partial", "Tagged", "canonical_json"]

JsonObject = dict[str, JsonValue]


class Model(BaseModel, frozen=True):
    """A frozen value whose JSON holds every field; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    def wire_json(self) -> str:
        """JSON as it travels in Temporal payloads."""
        return self.model_dump_json()


class Compact(Model, frozen=True):
    """A value that lies in histories many times: fields at their default are left out of its payload."""

    def wire_json(self) -> str:
        """JSON without the fields that are at their default."""
        return self.model_dump_json(exclude_defaults=True)


class Partial(Model, frozen=True):
    """A value in which "not said" differs from "said to be the default": only fields that were set travel."""

    def wire_json(self) -> str:
        """JSON with the fields that were set."""
        return self.model_dump_json(exclude_unset=True)


class Tagged(Compact, frozen=True):
    """A member of a union told apart by `kind`, which stays in the JSON although it is a default."""

    kind: str

    @model_serializer(mode="wrap")
    def _keep_kind(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"kind": self.kind, **handler(self)}


def canonical_json(value: JsonValue) -> str:
    """JSON with sorted keys, no spaces and plain UTF-8: equal values give equal text (the input of digests)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
