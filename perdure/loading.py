"""YAML files -> validated models; an error names file, line, field and what would be valid."""

import json
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import yaml
from pydantic import BaseModel, ValidationError

from perdure.domain.agents import AgentSpec
from perdure.domain.arguments import closest
from perdure.domain.errors import ConfigurationError, UnknownAgent
from perdure.domain.explain import explain_one
from perdure.domain.policy import Policy
from perdure.yaml_places import LineOf, line_of, repeated_keys, valid_fields

__all__ = [
    "DEFAULT_AGENT",
    "Definitions",
    "LineOf",
    "as_json",
    "load_located",
    "load_model",
    "parse_located",
    "parse_model",
    "read_text",
]

M = TypeVar("M", bound=BaseModel)

MAX_FILE_BYTES = 1_000_000

DEFAULT_AGENT = AgentSpec(
    name="default",
    description="A general agent with every tool of the worker.",
    instructions=(
        "You reach the user's goal with the tools you have. Read before you write, compute instead of guessing, "
        "and say plainly what you did and what you could not do. When a call is rejected, do not repeat it."
    ),
)
"""Used when the definitions folder has no agent of this name."""


def load_model(path: Path, model: type[M]) -> M:
    """Read one YAML (or JSON) file as `model`; raises ConfigurationError with `file:line: field: problem` lines."""
    return load_located(path, model)[0]


def load_located(path: Path, model: type[M]) -> tuple[M, LineOf]:
    """Like `load_model`, with what tells on which line a field stands."""
    return parse_located(read_text(path), model, str(path))


def read_text(path: Path) -> str:
    """Text of a file of bounded size; raises ConfigurationError."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            msg = f"{path}: larger than {MAX_FILE_BYTES} bytes"
            raise ConfigurationError(msg)
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        msg = f"{path}: cannot be read: {reason}"
        raise ConfigurationError(msg) from error


def parse_model(text: str, model: type[M], source: str) -> M:
    """Validate YAML text as `model`; `source` is how errors call it."""
    return parse_located(text, model, source)[0]


def parse_located(text: str, model: type[M], source: str) -> tuple[M, LineOf]:
    """Like `parse_model`, with what tells on which line a field stands."""
    try:
        node: yaml.Node | None = yaml.compose(text, yaml.SafeLoader)
        value: object = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        msg = f"{where}: not valid YAML: {error.problem or error.context}"
        raise ConfigurationError(msg) from error
    except (yaml.YAMLError, RecursionError) as error:
        msg = f"{source}: not valid YAML: {error}"
        raise ConfigurationError(msg) from error
    if not isinstance(value, dict):
        msg = f"{source}:1: expected a mapping of fields, got {type(value).__name__}"
        raise ConfigurationError(msg)
    if twice := list(repeated_keys(node)):
        raise ConfigurationError("\n".join(f"{source}:{words}" for words in twice))
    try:
        return model.model_validate_json(as_json(cast("object", value), source)), partial(line_of, node)
    except ValidationError as error:
        lines = [f"{source}:{line_of(node, item['loc'])}: {explain_one(item)}" for item in error.errors()]
        unknown = [item["loc"] for item in error.errors() if item["type"] == "extra_forbidden"]
        hints = dict.fromkeys(valid_fields(model, loc) for loc in unknown)
        raise ConfigurationError("\n".join([*dict.fromkeys(lines), *filter(None, hints)])) from error


def as_json(value: object, source: str) -> str:
    """To JSON, in which models judge values strictly; YAML dates become ISO text."""
    try:
        return json.dumps(value, default=lambda item: item.isoformat())
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        msg = f"{source}: holds something that JSON cannot say: {error}"
        raise ConfigurationError(msg) from error


class Definitions:
    """The definitions folder: `agents/*.yaml` and `policies/*.yaml`, read anew at every look."""

    def __init__(self, folder: Path) -> None:
        """Look under `folder`; it need not exist."""
        self.folder = folder

    def agent_names(self) -> list[str]:
        """Names of all agents, the default one included."""
        return sorted({DEFAULT_AGENT.name, *(path.stem for path in self.folder.glob("agents/*.yaml"))})

    def agent(self, name: str) -> AgentSpec:
        """Agent of this name; raises UnknownAgent with the names there are."""
        path = self.folder / "agents" / f"{name}.yaml"
        if path.is_file():
            spec = load_model(path, AgentSpec)
            if spec.name != name:
                msg = f"{path}: name is {spec.name!r}, but the file is called {path.name}"
                raise ConfigurationError(msg)
            return spec
        if name == DEFAULT_AGENT.name:
            return DEFAULT_AGENT
        names = self.agent_names()
        msg = f"no agent is called {name!r}.{closest(name, names)} There are: {', '.join(names)}"
        raise UnknownAgent(msg)

    def policy(self, path: Path) -> Policy:
        """Policy in this file."""
        return load_model(path, Policy)
