"""Code that must be deterministic imports nothing that is not: workers share it between runs, outside the sandbox."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PURE = sorted([*(ROOT / "workflows").rglob("*.py"), *(ROOT / "perdure" / "domain").rglob("*.py")])
ALLOWED = {
    *(
        "ast",
        "asyncio",
        "base64",
        "binascii",
        "bisect",
        "collections",
        "contextlib",
        "dataclasses",
        "datetime",
        "decimal",
    ),
    *("difflib", "enum", "fnmatch", "fractions", "functools", "graphlib", "hashlib", "heapq", "hmac", "html"),
    *("inspect", "itertools", "json", "math", "operator", "re", "statistics", "string", "textwrap", "types"),
    *("typing", "unicodedata", "temporalio", "pydantic", "pydantic_core", "jsonschema", "referencing", "jmespath"),
    *("perdure", "workflows", "ast", "warnings"),
}
"""Modules without I/O, clock and random numbers (asyncio: Temporal's own loop runs it)."""
READS_THE_CLOCK = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_imported_that_differs_at_replay(path: Path) -> None:
    """Every import is of a module that is known to be pure, and nobody asks the clock."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    pure_paths = {
        f"pathlib.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "pathlib"
        for alias in node.names
    }
    assert pure_paths <= {"pathlib.PurePosixPath"}
    imported -= {"pathlib"} if pure_paths else set()
    assert {name.partition(".")[0] for name in imported} <= ALLOWED
    calls = [node.func for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    named = {(call.value.id, call.attr) for call in calls if isinstance(call.value, ast.Name)}
    assert not named & READS_THE_CLOCK
