"""Turns payloads that people sent into models, or into errors with words they can act on."""

import json
from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from perdure.domain.archive import SLICE, Slice
from perdure.domain.explain import explain
from perdure.domain.model import JsonValue
from perdure.domain.run import AgentInput

__all__ = ["answer", "is_carried", "own", "parse"]

MARGIN = 20
"""Levels that what people send may come to lie deeper."""

M = TypeVar("M", bound=BaseModel)
A = TypeVar("A")
I = TypeVar("I", bound=AgentInput)  # noqa: E741 - an input


def parse(model: type[M], payload: Sequence[JsonValue], what: str) -> M:
    """Validate the single JSON object of a payload; raises ApplicationError of type InvalidInput."""
    if len(payload) > 1:
        raise _invalid(f"{what}: takes one JSON object, got {len(payload)} values")
    value = payload[0] if payload else {}
    if not isinstance(value, dict):
        raise _invalid(f"{what}: takes a JSON object, got {type(value).__name__}")
    text = json.dumps(value, ensure_ascii=False)
    try:  # it will lie deeper in a state, and parsers stop at about 200 levels
        from_json("[" * MARGIN + text + "]" * MARGIN)
    except ValueError:
        raise _invalid(f"{what}: it is nested too deeply or holds half characters") from None
    try:  # judged as JSON, in which a date is text, whatever decoded the payload
        return model.model_validate_json(text)
    except ValidationError as error:
        raise _invalid(f"{what}: {explain(error)}") from None


def own(given: I) -> I:
    """Refuse a lineage that the server does not confirm: only a run that starts others may set it."""
    parent = workflow.info().parent
    if given.lineage is not None and (parent is None or parent.workflow_id != given.lineage.parent):
        raise _invalid(
            f"input of {workflow.info().workflow_type}: lineage: it is set by runs that delegate; leave it out"
        )
    return given


def _invalid(message: str) -> ApplicationError:
    return ApplicationError(message, type="InvalidInput", non_retryable=True)


def is_carried(payload: Sequence[JsonValue]) -> bool:
    """Whether the input is the state of the run that this one continues, and not one that somebody made up."""
    first, info = payload[0] if payload else None, workflow.info()
    return (
        info.continued_run_id is not None
        and isinstance(first, dict)
        and first.get("chain") == info.first_execution_run_id
    )


def answer(found: A | Slice) -> A | RawValue:
    """Answer of a query; what lies in the blob store is put in by the worker when it sends the answer."""
    if not isinstance(found, Slice):
        return found
    return RawValue(Payload(metadata={"encoding": SLICE}, data=found.wire_json().encode()))
