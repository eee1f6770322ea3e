"""The tools of a worker by name, each with the place where it was declared."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from perdure.domain.arguments import closest
from perdure.domain.errors import ConfigurationError, UnknownTool
from perdure.domain.model import JsonObject
from perdure.domain.tools import ToolSpec

__all__ = ["AsyncHook", "Registry", "Tool", "default_registry", "likely"]

AsyncHook = Callable[[str], Awaitable[Any]]
"""Takes the key of a call."""

MAX_NAMED = 40


@dataclass(frozen=True)
class Tool:
    """A declared tool. `call` takes checked JSON arguments; None for tools that the workflow itself hosts."""

    spec: ToolSpec
    module: str
    call: Callable[[JsonObject], Awaitable[Any]] | None = None
    verify: AsyncHook | None = None
    compensate: AsyncHook | None = None


class Registry:
    """Tools by name. Iteration and `select` go by name, so that prompts stay equal between workers."""

    def __init__(self) -> None:
        """Start empty."""
        self._tools: dict[str, Tool] = {}

    def __iter__(self) -> Iterator[Tool]:
        """Go over the tools in order of their names."""
        return iter([self._tools[name] for name in sorted(self._tools)])

    def __len__(self) -> int:
        """Count the tools."""
        return len(self._tools)

    def add(self, tool: Tool) -> None:
        """Take a tool in; a second tool of the same name is a ConfigurationError that names both places."""
        known = self._tools.get(tool.spec.name)
        if known is not None and known is not tool:
            places = f"{known.spec.source} and {tool.spec.source}"
            raise ConfigurationError(f"two tools are named {tool.spec.name!r}: {places}; rename one of them")
        self._tools[tool.spec.name] = tool

    def get(self, name: str) -> Tool | None:
        """Return the tool with exactly this name, or None."""
        return self._tools.get(name)

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._tools)

    def specs(self) -> list[ToolSpec]:
        """Return what models and workflows see of each tool, in order of the names."""
        return [tool.spec for tool in self]

    def select(self, globs: Sequence[str]) -> list[ToolSpec]:
        """Return the tools whose name matches one of `globs`, each once, in order of the names.

        A glob that matches nothing is an UnknownTool that names what is registered.
        """
        for glob in globs:
            if not any(fnmatchcase(name, glob) for name in self._tools):
                raise UnknownTool(
                    f"no registered tool matches {glob!r}.{likely(glob, self._tools)}",
                    details={"tool": glob, "registered": [*self.names()]},
                )
        return [spec for spec in self.specs() if any(fnmatchcase(spec.name, glob) for glob in globs)]

    def forget(self, module: str) -> None:
        """Drop what `module` declared, so that it can be imported again."""
        self._tools = {name: tool for name, tool in self._tools.items() if tool.module != module}


def likely(name: str, names: Iterable[str]) -> str:
    """Sentences to append: what `name` was probably meant to be, and what there is (a bounded list)."""
    known = sorted(names)
    more = f" and {len(known) - MAX_NAMED} more" if len(known) > MAX_NAMED else ""
    return f"{closest(name, known)} Registered tools: {', '.join(known[:MAX_NAMED]) or 'none'}{more}."


default_registry = Registry()
"""Where `tool` and `register` put declarations."""
