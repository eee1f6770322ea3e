"""Definition files -> validated definitions that need nothing else any more; errors name file, line and column."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import yaml
from pydantic import ValidationError
from yaml.constructor import ConstructorError, SafeConstructor

from perdure.definition_aliases import canonical
from perdure.definition_parts import with_agents
from perdure.definition_repair import plain, remains, words_of
from perdure.domain.arguments import closest
from perdure.domain.definition.check import Known, check
from perdure.domain.definition.models import Definition, Place, WorkflowStage
from perdure.domain.definition.names import named_stages
from perdure.domain.errors import ConfigurationError, PerdureError
from perdure.domain.model import JsonObject
from perdure.loading import Definitions, as_json, read_text
from perdure.yaml_places import place_of, repeated_keys

__all__ = ["DefinitionFiles", "Loaded", "definition_schema"]

FOLDER = "workflows"
ENDINGS = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Loaded:
    """A definition, and what was left out of its file."""

    definition: Definition
    notes: tuple[str, ...] = ()


class _Problem(NamedTuple):
    line: int
    column: int
    words: str


class DefinitionFiles:
    """Reads definitions; their agents come from `definitions`, their parts from files beside them or in its folder."""

    def __init__(self, definitions: Definitions, known: Known) -> None:
        """Check against what is `known`; the agents of the folder are known by themselves."""
        self._definitions = definitions
        self._known = known

    def names(self) -> list[str]:
        """Names of the definition files in the folder."""
        return sorted(path.stem for path in self._folder.glob("*") if path.suffix in ENDINGS)

    def path(self, name: str) -> Path | None:
        """The file of this name in the folder; None when there is none."""
        places = [self._folder / f"{name}{ending}" for ending in ENDINGS]
        return next((place for place in places if place.is_file()), None)

    @property
    def _folder(self) -> Path:
        return self._definitions.folder / FOLDER

    def load(self, path: Path, above: tuple[Path, ...] = ()) -> Loaded:
        """Read and check one file; raises ConfigurationError with all that is wrong, a line for each mistake."""
        source = str(path)
        root, raw, notes = _read(path)
        problems, files = list[_Problem](), list[str]()

        def found(at: Place, words: str) -> None:
            problems.append(_Problem(*place_of(root, at), words))

        try:
            definition: Definition | None = Definition.model_validate_json(json.dumps(raw))
        except ValidationError as error:
            for item in error.errors():
                found(plain(item["loc"]), words_of(item))
            definition = remains(raw, error)
        if definition is not None:
            definition, wrong = self._whole(definition, path, above, files)
            known = Known(self._definitions.agent_names(), self._known.tools, self._known.patterns)
            for at, words in [*wrong, *check(definition, known)]:
                found(at, f"{'.'.join(map(str, at))}: {words}")
        if problems or files or definition is None:
            lines = [f"{source}:{line}:{column}: {words}" for line, column, words in sorted(set(problems))]
            raise ConfigurationError("\n".join([*lines, *dict.fromkeys(files)]))
        return Loaded(definition, tuple(f"{source}:{note}" for note in notes))

    def _whole(
        self, definition: Definition, path: Path, above: tuple[Path, ...], files: list[str]
    ) -> tuple[Definition, list[tuple[Place, str]]]:
        """The definition with the agents and definitions that it names put into it, and what is wrong with them."""
        wrong = list[tuple[Place, str]]()
        value = definition.model_dump(mode="json", exclude_unset=True)
        for at, _, stage in named_stages(definition.stages):
            if isinstance(stage, WorkflowStage) and stage.definition is None:
                try:
                    inner = self._part(stage.workflow, path, above)
                except _PartError as error:
                    wrong.append(((*at, "workflow"), str(error)))
                except ConfigurationError as error:
                    files.extend(error.message.splitlines())
                else:
                    _at(value, at)["definition"] = inner.model_dump(mode="json", exclude_unset=True)
        unknown = with_agents(value, definition, self._agents(wrong), self._known.patterns or {})
        return Definition.model_validate(value), [*wrong, *unknown]

    def _agents(self, wrong: list[tuple[Place, str]]) -> dict[str, JsonObject]:
        found = dict[str, JsonObject]()
        for name in self._definitions.agent_names():
            if (self._definitions.folder / "agents" / f"{name}.yaml").is_file():
                try:
                    found[name] = self._definitions.agent(name).model_dump(mode="json", exclude_unset=True)
                except PerdureError as error:
                    wrong.append((("agents",), error.message))
        return found

    def _part(self, name: str, path: Path, above: tuple[Path, ...]) -> Definition:
        places = [folder / f"{name}{ending}" for folder in (path.parent, self._folder) for ending in ENDINGS]
        file = next((place for place in places if place.is_file()), None)
        if file is None or "/" in name:
            names = sorted({place.stem for place in path.parent.glob("*") if place.suffix in ENDINGS} | {*self.names()})
            raise _PartError(f"there is no definition {name!r}.{closest(name, names)} There are: {', '.join(names)}")
        chain = (*above, path.resolve())
        if file.resolve() in chain:
            raise _PartError(f"{name} is part of itself: {' -> '.join(each.stem for each in (*chain, file))}")
        return self.load(file, chain).definition


class _PartError(Exception):
    """A definition that another one names cannot be put into it."""


def definition_schema() -> JsonObject:
    """JSON Schema of a definition file in its own form."""
    return Definition.model_json_schema()


def _read(path: Path) -> tuple[yaml.Node, JsonObject, list[str]]:
    """The document, its value, and what was left out of it."""
    source = str(path)
    text = read_text(path)
    try:
        root = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if not isinstance(root, yaml.MappingNode):
            msg = f"{source}:1:1: expected a mapping of fields"
            raise ConfigurationError(msg)
        twice = list(repeated_keys(root))
        notes = canonical(root)
        value: object = cast("Any", SafeConstructor()).construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        msg = f"{where}: not valid YAML: {error.problem or error.context}"
        raise ConfigurationError(msg) from error
    except (yaml.YAMLError, ConstructorError, RecursionError) as error:
        msg = f"{source}: not valid YAML: {error}"
        raise ConfigurationError(msg) from error
    if twice:
        raise ConfigurationError("\n".join(f"{source}:{words}" for words in twice))
    return root, cast("JsonObject", json.loads(as_json(value, source))), notes


def _at(value: Any, place: Place) -> Any:  # noqa: ANN401 - any JSON
    for part in place:
        value = value[part]
    return value
