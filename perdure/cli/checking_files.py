"""Checks one file as what it is meant to be."""

from pathlib import Path
from typing import TypedDict

from perdure.cli.validation import Kind
from perdure.domain.agents import AgentSpec
from perdure.domain.errors import PerdureError
from perdure.domain.policy import Policy
from perdure.loading import load_model
from perdure.providers.script import load_script

__all__ = ["CheckedFile", "check_file", "yaml_files"]

FOLDERS = {"agents": Kind.AGENT, "policies": Kind.POLICY, "scripts": Kind.SCRIPT}
ENDINGS = (".yaml", ".yml", ".json")


class CheckedFile(TypedDict):
    """A file and what is wrong with it; `kind` is None when nobody said what it is."""

    file: str
    kind: str | None
    valid: bool
    problems: list[str]


def yaml_files(path: Path) -> list[Path]:
    """The file itself, or every YAML and JSON file in a known folder below it."""
    if not path.is_dir():
        return [path]
    files = [file for file in path.rglob("*") if file.suffix in ENDINGS]
    return sorted(file for file in files if file.parent.name in FOLDERS or file.parent == path)


def check_file(path: Path, kind: Kind | None) -> CheckedFile:
    """Check a file as this kind, or as what its folder says."""
    kind = kind or FOLDERS.get(path.absolute().parent.name)
    if not path.exists():
        words = f"{path}: there is no such file or folder"
        return CheckedFile(file=str(path), kind=kind and kind.value, valid=False, problems=[words])
    if kind is None:
        words = f"{path}: say what it is with --kind agent, policy or script, or put it into {', '.join(FOLDERS)}"
        return CheckedFile(file=str(path), kind=None, valid=False, problems=[words])
    try:
        _load(path, kind)
    except PerdureError as error:
        return CheckedFile(file=str(path), kind=kind.value, valid=False, problems=error.message.splitlines())
    return CheckedFile(file=str(path), kind=kind.value, valid=True, problems=[])


def _load(path: Path, kind: Kind) -> None:
    if kind is Kind.SCRIPT:
        load_script(path)
    elif kind is Kind.POLICY:
        load_model(path, Policy)
    else:
        spec = load_model(path, AgentSpec)
        if spec.name != path.stem:
            words = f"{path}:1: name: the file must be called {spec.name}{path.suffix}, or the agent {path.stem}"
            raise PerdureError(words)
