"""Turns payloads that people sent into models, or into errors with words they can act on."""

import json
from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.exceptions import ApplicationError

from perdure.domain.explain import explain
from perdure.domain.model import JsonValue

__all__ = ["parse"]

M = TypeVar("M", bound=BaseModel)


def parse(model: type[M], payload: Sequence[JsonValue], what: str) -> M:
    """Validate the single JSON object of a payload; raises ApplicationError of type InvalidInput."""
    if len(payload) > 1:
        raise _invalid(f"{what}: takes one JSON object, got {len(payload)} values")
    value = payload[0] if payload else {}
    if not isinstance(value, dict):
        raise _invalid(f"{what}: takes a JSON object, got {type(value).__name__}")
    try:  # judged as JSON, in which a date is text, whatever decoded the payload
        return model.model_validate_json(json.dumps(value))
    except ValidationError as error:
        raise _invalid(f"{what}: {explain(error)}") from None


def _invalid(message: str) -> ApplicationError:
    return ApplicationError(message, type="InvalidInput", non_retryable=True)
