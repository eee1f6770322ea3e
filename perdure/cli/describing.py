"""Describes a workflow class: its registered name, its docstring, and the models of its input and result."""

import inspect
from typing import get_type_hints

from pydantic import BaseModel

from perdure.cli.cli import WorkflowInfo
from perdure.domain.run import AgentInput, RunResult
from perdure.domain.sessions import SessionInput

__all__ = ["describe"]


INPUTS: dict[str, type[BaseModel]] = {"Session": SessionInput}
"""Inputs of workflows that check their payload themselves, where it is not an AgentInput."""


def describe(workflow: type) -> WorkflowInfo:
    """Describe a workflow."""
    run = vars(workflow)["run"]
    hints = get_type_hints(run)
    parameters = [name for name in inspect.signature(run).parameters if name != "self"]
    given = hints.get(parameters[0]) if parameters else None
    name: str = vars(workflow)["__temporal_workflow_definition"].name
    return WorkflowInfo(
        name=name,
        description=" ".join((inspect.getdoc(workflow) or "").split("\n\n", maxsplit=1)[0].split()),
        input=_model(given, INPUTS.get(name) or getattr(workflow, "takes", AgentInput)),
        result=_model(hints.get("return"), RunResult),
    )


def _model(kind: object, otherwise: type[BaseModel]) -> type[BaseModel]:
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else otherwise
