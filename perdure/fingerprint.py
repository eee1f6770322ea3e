"""What a worker's behaviour depends on beside its runs, as one hash: a worker with another one is out of date."""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

__all__ = ["PROJECT", "fingerprint"]

PROJECT = Path(__file__).resolve().parent.parent
"""The folder of `worker.py`."""

VARIABLES = ("PERDURE_", "ANTHROPIC_", "OPENAI_", "AWS_")
CODE = ("worker.py", "workflows/**/*.py", "activities/**/*.py", "perdure/**/*.py")


def fingerprint(modules: Sequence[str]) -> str:
    """SHA-256 (hex) over the environment a worker reads, the current folder, and the state of its code and tools.

    Values of variables go into the hash only: none can be read back from it.
    """
    digest = hashlib.sha256()
    for part in (*_environment(), str(Path.cwd()), *_states(_files(modules))):
        digest.update(part.encode(errors="surrogateescape") + b"\0")
    return digest.hexdigest()


def _environment() -> Iterator[str]:
    for name in sorted(os.environ):
        if name.startswith(VARIABLES):
            yield f"{name}={os.environ[name]}"


def _files(modules: Sequence[str]) -> Iterator[Path]:
    yield Path.cwd() / ".env"
    for pattern in CODE:
        # The command line is no part of a worker.
        yield from (path for path in PROJECT.glob(pattern) if "cli" not in path.relative_to(PROJECT).parts)
    for module in modules:
        yield from _module_files(module)


def _module_files(module: str) -> Iterator[Path]:
    """Where a module may lie, found without importing it."""
    relative = Path(*module.split("."))
    for entry in (Path.cwd(), PROJECT, *map(Path, filter(None, sys.path))):
        yield entry / relative.with_suffix(".py")
        yield from (entry / relative).glob("*.py")


def _states(paths: Iterable[Path]) -> Iterator[str]:
    for path in sorted(set(paths)):
        try:
            state = path.stat()
        except OSError:
            continue
        yield f"{path}:{state.st_mtime_ns}:{state.st_size}"
