"""What every verb is given: where to write, the workflow types, and what to say when Ctrl-C ends it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from perdure.cli.output import Output

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Cli", "WorkflowInfo", "Workflows"]


@dataclass(frozen=True)
class WorkflowInfo:
    """A workflow type that can be started: its registered name, what it does, its input and result."""

    name: str
    description: str
    input: "type[BaseModel]"
    result: "type[BaseModel]"


Workflows = Callable[[], Sequence[WorkflowInfo]]
"""Called only by verbs that need it, since it imports workflow code."""


@dataclass
class Cli:
    """State of one command; `way_back` are the lines that Ctrl-C prints."""

    out: Output
    workflows: Workflows
    way_back: list[str] = field(default_factory=list[str])
