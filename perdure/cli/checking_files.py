"""Checks one file as what it is meant to be."""

from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from perdure.cli.cli import Cli
from perdure.cli.definitions import definition_files
from perdure.cli.validation import Graph, Kind
from perdure.domain.agents import AgentSpec
from perdure.domain.contracts import contracts
from perdure.domain.definition.drawing import as_mermaid, as_text
from perdure.domain.definition.models import Definition
from perdure.domain.errors import PerdureError
from perdure.domain.model import JsonObject
from perdure.domain.policy import Policy
from perdure.domain.policy_advice import advise
from perdure.loading import LineOf, load_located
from perdure.providers.script import Script, load_script

if TYPE_CHECKING:
    from perdure.definition_files import DefinitionFiles

__all__ = ["CheckedFile", "Definitions", "check_file", "kind_of", "schema_of", "yaml_files"]

FOLDERS = {"agents": Kind.AGENT, "policies": Kind.POLICY, "scripts": Kind.SCRIPT, "workflows": Kind.DEFINITION}
ENDINGS = (".yaml", ".yml", ".json")


class CheckedFile(TypedDict):
    """A file and what is wrong with it; `kind` is None when nobody said what it is; `warnings` leave it valid.

    `notes` say what of a definition was left out; `graph` is the picture of a definition, when one was asked for.
    """

    file: str
    kind: str | None
    valid: bool
    problems: list[str]
    warnings: list[str]
    notes: NotRequired[list[str]]
    graph: NotRequired[str]


class Definitions:
    """Checks definitions with what is at hand, which is only looked for when there is one; draws them as `graph`."""

    def __init__(self, cli: Cli, graph: Graph | None) -> None:
        """Check for this command."""
        self._cli = cli
        self._graph = graph
        self._files: DefinitionFiles | None = None

    def check(self, path: Path) -> CheckedFile:
        """Check one file; raises ConfigurationError."""
        self._files = self._files or definition_files(self._cli)
        loaded = self._files.load(path)
        item = _valid(path, Kind.DEFINITION, [])
        item["notes"] = list(loaded.notes)
        if self._graph is not None:
            draw = as_text if self._graph is Graph.TEXT else as_mermaid
            item["graph"] = draw(loaded.definition)
        return item


def yaml_files(path: Path) -> list[Path]:
    """The file itself, or every YAML and JSON file in a known folder below it."""
    if not path.is_dir():
        return [path]
    files = [file for file in path.rglob("*") if file.suffix in ENDINGS]
    return sorted(file for file in files if file.parent.name in FOLDERS or file.parent == path)


def kind_of(path: Path) -> Kind | None:
    """What a file in this folder is."""
    return FOLDERS.get(path.absolute().parent.name)


def schema_of(kind: Kind) -> JsonObject:
    """JSON Schema (2020-12) of such files, for editors; it comes from the model that checks them."""
    models = {Kind.AGENT: AgentSpec, Kind.POLICY: Policy, Kind.SCRIPT: Script, Kind.DEFINITION: Definition}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **models[kind].model_json_schema()}


def check_file(path: Path, kind: Kind | None, definitions: Definitions | None = None) -> CheckedFile:
    """Check a file as this kind, or as what its folder says."""
    kind = kind or kind_of(path)
    if not path.exists():
        return _invalid(path, kind, f"{path}: there is no such file or folder")
    if kind is None:
        places = ", ".join(FOLDERS)
        return _invalid(
            path,
            kind,
            f"{path}: say what it is with --kind agent, policy, script or definition, or put it into {places}",
        )
    try:
        if kind is Kind.DEFINITION and definitions is not None:
            return definitions.check(path)
        return _valid(path, kind, _load(path, kind))
    except PerdureError as error:
        return _invalid(path, kind, error.message)


def _valid(path: Path, kind: Kind, warnings: list[str]) -> CheckedFile:
    return CheckedFile(file=str(path), kind=kind.value, valid=True, problems=[], warnings=warnings)


def _invalid(path: Path, kind: Kind | None, words: str) -> CheckedFile:
    return CheckedFile(file=str(path), kind=kind and kind.value, valid=False, problems=words.splitlines(), warnings=[])


def _load(path: Path, kind: Kind) -> list[str]:
    """Read it; returns what is valid but hardly meant."""
    if kind is Kind.SCRIPT:
        load_script(path)
        return []
    if kind is Kind.POLICY:
        policy, line_of = load_located(path, Policy)
        return _doubts(path, policy, line_of)
    spec, line_of = load_located(path, AgentSpec)
    if spec.name != path.stem:
        words = f"{path}:1: name: the file must be called {spec.name}{path.suffix}, or the agent {path.stem}"
        raise PerdureError(words)
    unknown = contracts.unknown(spec.role) if spec.role else ""
    doubts = [f"{path}:{line_of(['role'])}: role: {unknown} (or a tool module must register it)"] if unknown else []
    return [*doubts, *(_doubts(path, spec.policy, line_of, "policy") if spec.policy else [])]


def _doubts(path: Path, policy: Policy, line_of: LineOf, *above: str) -> list[str]:
    found = list[str]()
    for advice in advise(policy):
        place = [*above, "rules", advice.index, *filter(None, advice.field.split("."))]
        found.append(f"{path}:{line_of(place)}: {'.'.join(map(str, place))}: {advice.words}")
    return found
