"""The tools that come with Perdure."""

from perdure.tools.builtin import calculator, files
from perdure.tools.builtin.hosted import HOSTED
from perdure.tools.builtin.workspace import configure
from perdure.tools.registry import Registry, Tool, default_registry

__all__ = ["BUILTINS", "configure", "register_builtins"]

BUILTINS = (*calculator.TOOLS, *files.TOOLS, *(Tool(spec, __name__) for spec in HOSTED))


def register_builtins(registry: Registry = default_registry) -> None:
    """Add the built-in tools; doing it again changes nothing."""
    for builtin in BUILTINS:
        registry.add(builtin)
