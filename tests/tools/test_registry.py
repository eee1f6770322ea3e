"""Finding tools: by name, by glob, in modules and in installed packages."""

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from perdure.domain.errors import ConfigurationError, UnknownTool
from perdure.tools import Registry, default_registry, load_modules
from perdure.tools.builtin import register_builtins

MODULE = '''
"""Tools of a test."""
from perdure.tools import tool

@tool(effect="pure")
async def {name}(n: int) -> int:
    """Count."""
    return n
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """An empty current folder, whose modules are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in set(sys.modules) - before:
        default_registry.forget(name)
        del sys.modules[name]


@pytest.fixture
def builtins() -> Registry:
    """A registry with the built-in tools."""
    registry = Registry()
    register_builtins(registry)
    return registry


def test_builtins_are_all_there(builtins: Registry) -> None:
    """Names and hosts of the tools that ship; adding them twice changes nothing."""
    register_builtins(builtins)
    hosts = {spec.name: (str(spec.effect), spec.host) for spec in builtins.specs()}
    assert hosts == {
        "ask_human": ("pure", "workflow"),
        "calculator": ("pure", "activity"),
        "delegate": ("pure", "workflow"),
        "file_list": ("pure", "activity"),
        "file_read": ("pure", "activity"),
        "file_write": ("idempotent", "activity"),
        "read_blob": ("pure", "activity"),
    }


def test_select_takes_globs_and_gives_each_tool_once(builtins: Registry) -> None:
    """The order is that of the names, whatever the order of the globs."""
    assert [spec.name for spec in builtins.select(["file_*", "calculator", "file_read"])] == [
        "calculator",
        "file_list",
        "file_read",
        "file_write",
    ]
    assert builtins.select([]) == []


def test_a_glob_without_a_match_is_an_error_with_a_suggestion(builtins: Registry) -> None:
    """A typing error is answered with what was meant and what there is."""
    with pytest.raises(UnknownTool) as caught:
        builtins.select(["calculator", "fil_read"])
    assert "'fil_read'. Did you mean 'file_read'?" in caught.value.message
    assert "Registered tools: ask_human, calculator" in caught.value.message
    assert caught.value.details["tool"] == "fil_read"


@pytest.mark.usefixtures("folder")
def test_modules_of_the_current_folder_are_loaded(folder: Path) -> None:
    """What a module declares is in the default registry and in one given; loading it again changes nothing."""
    (folder / "perdure_test_mine.py").write_text(MODULE.format(name="count_mine"))
    own = Registry()
    load_modules([" perdure_test_mine ", ""], own)
    load_modules(["perdure_test_mine"], own)
    again = Registry()
    load_modules(["perdure_test_mine"], again)
    assert own.names() == again.names() == ["count_mine"]
    found = default_registry.get("count_mine")
    assert found is not None
    assert found.spec.source == "perdure_test_mine.py:5"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "import perdure_test_nothing",
            "ModuleNotFoundError: No module named 'perdure_test_nothing' (broken_tools.py:1)",
        ),
        ("x = 1\nraise ValueError('bad day')", "ValueError: bad day (broken_tools.py:2)"),
        ("def f(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("from perdure.tools import tool\n@tool\ndef f(): pass", "tool 'f' at broken_tools.py:2: it has no docstring"),
    ],
)
def test_a_module_that_cannot_be_imported(folder: Path, text: str, words: str) -> None:
    """The error names the module, the reason and the line, without a traceback."""
    (folder / "broken_tools.py").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_modules(["broken_tools"])
    assert "the tool module 'broken_tools'" in caught.value.message
    assert words in caught.value.message
    assert "Traceback" not in caught.value.message


@pytest.mark.usefixtures("folder")
def test_a_module_that_does_not_exist() -> None:
    """The name is in the error."""
    with pytest.raises(ConfigurationError, match="'perdure_test_absent' cannot be imported: ModuleNotFoundError"):
        load_modules(["perdure_test_absent"])


def test_installed_packages_announce_tools(folder: Path) -> None:
    """An entry point in the group perdure.tools is imported like a configured module."""
    (folder / "perdure_test_plugin.py").write_text(MODULE.format(name="count_plugin"))
    info = folder / "perdure_test_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: perdure-test-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[perdure.tools]\nmine = perdure_test_plugin\n")
    own = Registry()
    load_modules([], own)
    assert own.names() == ["count_plugin"]


def test_a_broken_package_is_named(folder: Path) -> None:
    """The error says which entry point of which package cannot be imported."""
    info = folder / "perdure_test_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: perdure-test-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[perdure.tools]\nmine = perdure_test_gone\n")
    with pytest.raises(ConfigurationError, match=r"'mine' \(perdure_test_gone\) of the package 'perdure-test-plugin'"):
        load_modules([])
