"""Contracts of roles: what an agent of a role takes and gives, as models that are checked at each boundary."""

import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError, model_validator

from perdure.domain.arguments import closest
from perdure.domain.errors import ConfigurationError, InvalidInput
from perdure.domain.explain import explain
from perdure.domain.model import JsonObject, JsonValue, Model

__all__ = [
    "ArchitectInput",
    "ArchitectOutput",
    "CodeFile",
    "CoderInput",
    "CoderOutput",
    "Contract",
    "Contracts",
    "Finding",
    "ReviewerInput",
    "ReviewerOutput",
    "TechStack",
    "contracts",
    "register_role",
]

MERMAID = (
    "architecture-beta", "block-beta", "C4Component", "C4Container", "C4Context", "C4Deployment", "C4Dynamic",
    "classDiagram", "erDiagram", "flowchart", "graph", "mindmap", "requirementDiagram", "sequenceDiagram",
    "stateDiagram", "stateDiagram-v2",
)  # fmt: skip
"""Words with which a Mermaid diagram of components, their data or their conversation begins."""


def _diagram(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("%%")), "")
    if (first.split() or [""])[0].rstrip(";") not in MERMAID:
        msg = f"a Mermaid diagram begins with one of {', '.join(MERMAID)}, not with {first[:60]!r}"
        raise ValueError(msg)
    return text


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or not pure.parts:
        msg = f"it must be a relative path without '..', not {path[:60]!r}"
        raise ValueError(msg)
    return path


Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
AtLeastTen = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10)]
Diagram = Annotated[str, AfterValidator(_diagram)]
RelativePath = Annotated[str, AfterValidator(_inside)]


class TechStack(Model, frozen=True):
    """Technologies by layer; a layer that the system does not have is an empty list."""

    frontend: tuple[str, ...]
    backend: tuple[str, ...]
    database: tuple[str, ...]
    infrastructure: tuple[str, ...]


class ArchitectInput(Model, frozen=True):
    """What an architect is given."""

    requirements: AtLeastTen
    user_stories: tuple[str, ...] | None = None
    constraints: tuple[str, ...] | None = None
    tech_preferences: tuple[str, ...] | dict[str, str] | None = None


class ArchitectOutput(Model, frozen=True):
    """A design. `component_diagram` is Mermaid, without a code fence."""

    tech_stack: TechStack
    component_diagram: Diagram
    api_strategy: Words
    deployment_strategy: str | None = None
    rationale: Words


class CoderInput(Model, frozen=True):
    """What a coder is given."""

    spec: Words
    tech_stack: TechStack | None = None
    language: Words
    framework: str | None = None
    context_code: str | None = None


class CodeFile(Model, frozen=True):
    """A file with its whole content; the path is relative to the project."""

    path: RelativePath
    content: str
    language: Words


class CoderOutput(Model, frozen=True):
    """Files that do what the specification says, and the packages that they need."""

    files: Annotated[tuple[CodeFile, ...], Field(min_length=1)]
    dependencies: tuple[str, ...]
    setup_instructions: str | None = None

    @model_validator(mode="after")
    def _each_path_once(self) -> Self:
        paths = [str(PurePosixPath(file.path)) for file in self.files]
        if twice := next((path for path in paths if paths.count(path) > 1), None):
            msg = f"files: two of them have the path {twice!r}"
            raise ValueError(msg)
        return self


class ReviewerInput(Model, frozen=True):
    """What a reviewer is given."""

    code: AtLeastTen
    context: str | None = None
    focus_areas: tuple[str, ...] = ()


class Finding(Model, frozen=True):
    """One issue of a review."""

    severity: Literal["critical", "high", "medium", "low", "info"]
    category: Words
    location: str
    description: Words
    suggestion: str


class ReviewerOutput(Model, frozen=True):
    """A review. What has a critical issue is not approved."""

    issues: tuple[Finding, ...]
    score: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    approved: bool
    summary: Words
    strengths: tuple[str, ...]
    weaknesses: tuple[str, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        critical = next((number for number, each in enumerate(self.issues) if each.severity == "critical"), None)
        if self.approved and critical is not None:
            msg = f"approved: it must be false, because issues.{critical} is critical"
            raise ValueError(msg)
        return self


@dataclass(frozen=True)
class Contract:
    """The models of what a role takes and gives."""

    role: str
    takes: type[BaseModel]
    gives: type[BaseModel]

    @property
    def output_schema(self) -> JsonObject:
        """JSON Schema of what the role gives."""
        return self.gives.model_json_schema()

    def accept(self, given: JsonObject) -> None:
        """Raise InvalidInput, naming role and field, for an input that the role does not take."""
        if problem := self._problem(self.takes, _json(given)):
            msg = f"input of role {self.role}: {problem}"
            raise InvalidInput(msg)

    def misfit(self, text: str) -> str:
        """What is wrong with an answer (JSON) of the role, naming role and field; empty when it fits."""
        problem = self._problem(self.gives, text)
        return f"role {self.role}: {problem}" if problem else ""

    @staticmethod
    def _problem(model: type[BaseModel], text: str) -> str:
        try:
            model.model_validate_json(text, strict=True)
        except ValidationError as error:
            return explain(error)
        return ""


@dataclass
class Contracts:
    """Contracts by role."""

    _known: dict[str, Contract] = field(default_factory=dict[str, Contract])

    def register(self, role: str, takes: type[BaseModel], gives: type[BaseModel]) -> None:
        """Add a role; ConfigurationError when it has another contract already, or takes fields that are not named."""
        contract, known = Contract(role, takes, gives), self._known.get(role)
        if known is not None and known != contract:
            msg = (
                f"role {role}: it has a contract already, of {known.takes.__qualname__} and {known.gives.__qualname__}"
            )
            raise ConfigurationError(msg)
        for model in (takes, gives):
            if open_one := _open(model.model_json_schema()):
                msg = (
                    f"role {role}: {open_one} lets unknown fields pass: "
                    'give it model_config = ConfigDict(extra="forbid"), or perdure.domain.model.Model as its base'
                )
                raise ConfigurationError(msg)
        self._known[role] = contract

    def get(self, role: str) -> Contract:
        """The contract of a role; ConfigurationError says which roles there are."""
        if problem := self.unknown(role):
            raise ConfigurationError(problem)
        return self._known[role]

    def unknown(self, role: str) -> str:
        """Say that there is no such role, and which there are; empty when there is one."""
        if role in self._known:
            return ""
        names = sorted(self._known)
        return f"no role is called {role!r}.{closest(role, names)} There are: {', '.join(names)}"


def _open(schema: JsonObject) -> str:
    """Name of an object in the schema that has fields and takes others too; empty when there is none."""
    definitions = schema.get("$defs", {})
    inner = list(definitions.items()) if isinstance(definitions, dict) else []
    for name, each in [(str(schema.get("title", "the model")), schema), *inner]:
        if isinstance(each, dict) and "properties" in each and each.get("additionalProperties") is not False:
            return name
    return ""


def _json(value: JsonValue) -> str:
    """As text, in which models judge strictly what came as JSON."""
    return json.dumps(value)


contracts = Contracts()
"""The roles of this process."""
contracts.register("architect", ArchitectInput, ArchitectOutput)
contracts.register("coder", CoderInput, CoderOutput)
contracts.register("reviewer", ReviewerInput, ReviewerOutput)


def register_role(role: str, takes: type[BaseModel], gives: type[BaseModel]) -> None:
    """Give a role of your own a contract, in a module that the worker loads (`PERDURE_TOOL_MODULES`)."""
    contracts.register(role, takes, gives)
