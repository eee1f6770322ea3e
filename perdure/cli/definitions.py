"""Definition files on the command line: found, read with what is at hand here, and put into the input of a run."""

from pathlib import Path
from typing import TypedDict

from perdure.cli.catalogue import tools
from perdure.cli.cli import Cli
from perdure.cli.errors import CliError, ExitCode
from perdure.definition_files import DefinitionFiles, Loaded
from perdure.domain.definition.check import Known
from perdure.domain.errors import ConfigurationError
from perdure.domain.model import JsonObject
from perdure.loading import Definitions
from perdure.settings import load_settings

__all__ = ["DefinitionItem", "definition_files", "definition_input", "definition_items"]


class DefinitionItem(TypedDict):
    """A definition file in a list; `problem` says what is wrong with it."""

    name: str
    description: str
    input: JsonObject
    file: str
    problem: str | None


def definition_files(cli: Cli) -> DefinitionFiles:
    """What reads definitions with the agents, tools and workflow types that are at hand."""
    settings = load_settings()
    known = Known(
        tools={item["name"]: item["schema"] for item in tools(settings)},
        patterns={info.name: info.input for info in cli.workflows()},
    )
    return DefinitionFiles(Definitions(settings.definitions), known)


def definition_input(cli: Cli, file: Path) -> JsonObject:
    """Input of `Definition` from a file, or from the name of one in the definitions folder; raises CliError."""
    files = definition_files(cli)
    found = file if file.exists() else files.path(str(file)) or file
    try:
        loaded: Loaded = files.load(found)
    except ConfigurationError as error:
        lines = error.message.splitlines()
        first = f"{len(lines)} mistakes: {lines[0]}" if len(lines) > 1 else lines[0]
        rest = "\n".join(lines[1:])
        raise CliError(ExitCode.USAGE, "InvalidInput", "\n".join(filter(None, [first, rest]))) from error
    for note in loaded.notes:
        cli.out.note(note)
    return {"definition": loaded.definition.model_dump(mode="json", exclude_unset=True)}


def definition_items(cli: Cli) -> list[DefinitionItem]:
    """The definitions of the folder, each with the JSON Schema of its inputs."""
    files = definition_files(cli)
    return [_item(files, path) for name in files.names() if (path := files.path(name))]


def _item(files: DefinitionFiles, path: Path) -> DefinitionItem:
    item = DefinitionItem(name=path.stem, description="", input={}, file=str(path), problem=None)
    try:
        found = files.load(path).definition
    except ConfigurationError as error:
        return {**item, "problem": error.message}
    needed = [name for name, schema in found.inputs.items() if "default" not in schema]
    schema: JsonObject = {"type": "object", "properties": {**found.inputs}, "required": [*needed]}
    return {**item, "name": found.name, "description": found.description, "input": schema}
