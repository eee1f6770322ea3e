"""The tools that come with Perdure."""

from pathlib import Path

from perdure.domain.ports import Blobs
from perdure.tools.builtin import blobs as _blobs
from perdure.tools.builtin import calculator, files
from perdure.tools.builtin import workspace as _workspace
from perdure.tools.builtin.blobs import configure_blobs
from perdure.tools.builtin.hosted import HOSTED
from perdure.tools.registry import Registry, Tool, default_registry

__all__ = ["BUILTINS", "configure", "configure_blobs", "register_builtins"]

BUILTINS = (*_blobs.TOOLS, *calculator.TOOLS, *files.TOOLS, *(Tool(spec, __name__) for spec in HOSTED))


def configure(workspace: Path | None, blobs: Blobs | None = None) -> None:
    """Set what the tools of this process may touch: a folder (None: that of the environment), and the blob store."""
    _workspace.configure(workspace)
    configure_blobs(blobs)


def register_builtins(registry: Registry = default_registry) -> None:
    """Add the built-in tools; doing it again changes nothing."""
    for builtin in BUILTINS:
        registry.add(builtin)
