"""Finds tools: imports the modules that are configured, and those that installed packages announce."""

import importlib
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from perdure.domain.errors import ConfigurationError
from perdure.tools.registry import Registry, default_registry

__all__ = ["ENTRY_POINTS", "load_modules"]

ENTRY_POINTS = "perdure.tools"
"""Group of entry points whose modules declare tools."""


def load_modules(modules: Sequence[str], registry: Registry = default_registry) -> None:
    """Import `modules` (empty names are skipped) and all entry points; what they declare is in `registry` afterwards.

    The current directory is importable. A module that cannot be imported is a ConfigurationError that names it, the
    reason and the line.
    """
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    for module in (name.strip() for name in modules):
        if module:
            _load(module, f"the tool module {module!r}", lambda name=module: importlib.import_module(name), registry)
    for entry in entry_points(group=ENTRY_POINTS):
        _load(entry.module, _title(entry), entry.load, registry)


def _load(module: str, title: str, load: Callable[[], object], registry: Registry) -> None:
    before = {tool.spec.name for tool in default_registry}
    try:
        load()
    except ConfigurationError as error:
        raise ConfigurationError(f"{title} declares a tool wrongly: {error.message}") from error
    except (Exception, SystemExit) as error:
        raise ConfigurationError(f"{title} cannot be imported: {_reason(error)}") from error
    if registry is default_registry:
        return
    for tool in default_registry:
        if tool.spec.name not in before or f"{tool.module}.".startswith(f"{module}."):
            registry.add(tool)


def _title(entry: EntryPoint) -> str:
    package = f" of the package {entry.dist.name!r}" if entry.dist else ""
    return f"the entry point {entry.name!r} ({entry.value}){package}"


def _reason(error: BaseException) -> str:
    """Say what happened and in which line: an import has many frames, the last that is not ours counts."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    inner = [frame for frame in frames[1:] if frame.filename not in (__file__, importlib.__file__)]
    place = f" ({Path(inner[-1].filename).name}:{inner[-1].lineno})" if inner else ""
    return f"{type(error).__name__}: {error}{place}"
