"""scripts/demo and scripts/test: they find uv, or make one, from wherever they are called."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ECHO = '#!/bin/sh\n[ "$1" = --version ] || { pwd; printf "[%s]" "$@"; }\n'
FAKE_PYTHON = f"""#!/bin/sh
# Stands for python3: `-m venv FOLDER` makes a folder whose python "installs" a uv that says what it was asked.
mkdir -p "$3/bin"
cat > "$3/bin/python" <<'END'
#!/bin/sh
[ "$*" = "-m pip install --quiet uv" ] || exit 9
cat > "$(dirname "$0")/uv" <<'UV'
{ECHO}UV
chmod +x "$(dirname "$0")/uv"
END
chmod +x "$3/bin/python"
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository that holds only the scripts, in a folder with a blank in its name."""
    folder = tmp_path / "my clone"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    return folder


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder for PATH that has the usual tools and nothing else."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("sh", "dirname", "mkdir", "cat", "chmod", "pwd", "printf"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def program(path: Path, text: str) -> None:
    """Write an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def run(script: Path, tools: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call a script from another folder, with only these tools on PATH and a home beside them."""
    environment = {"PATH": str(tools), "HOME": str(tools.parent / "user")}
    return subprocess.run([script, *arguments], cwd=tools, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("script", "command"), [("demo", "[run][starter.py][demo]"), ("test", "[run][pytest]")])
def test_a_uv_on_path_is_used_in_the_root_of_the_repository(
    script: str, command: str, clone: Path, tools: Path
) -> None:
    """Arguments are passed on unchanged, blanks included."""
    program(tools / "uv", ECHO)
    done = run(clone / "scripts" / script, tools, "--yes", "a b")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{clone}\n{command}[--yes][a b]"


def test_all_tests_are_those_that_may_share_the_machine_and_then_those_that_may_not(clone: Path, tools: Path) -> None:
    """Together they are what pytest finds; a failure of the first part is a failure."""
    program(tools / "uv", ECHO)
    done = run(clone / "scripts/test", tools)
    first, second = done.stdout.replace(f"{clone}\n", "\n").split()
    assert first == "[run][pytest][-n][4][--dist][worksteal][--ignore][tests/chaos]"
    assert second == "[run][pytest][tests/chaos]"
    program(tools / "uv", ECHO + 'case "$*" in *--ignore*) exit 1;; esac\n')
    failed = run(clone / "scripts/test", tools)
    assert failed.returncode == 1
    assert "[run][pytest][tests/chaos]" not in failed.stdout


def test_a_uv_that_does_not_work_is_passed_over_for_the_one_of_the_user(clone: Path, tools: Path) -> None:
    """A shim on PATH may lead nowhere; the installer of uv puts it into ~/.local/bin."""
    program(tools / "uv", "#!/bin/sh\nexit 127\n")
    program(tools.parent / "user/.local/bin/uv", ECHO)
    assert run(clone / "scripts/demo", tools).stdout == f"{clone}\n[run][starter.py][demo]"


def test_without_uv_a_private_one_is_made_once_and_said(clone: Path, tools: Path) -> None:
    """The second call uses what the first one made."""
    program(tools / "python3", FAKE_PYTHON)
    first = run(clone / "scripts/test", tools, "-x")
    assert first.stdout == f"{clone}\n[run][pytest][-x]"
    assert "private copy into .perdure/bootstrap" in first.stderr
    second = run(clone / "scripts/test", tools, "-x")
    assert (second.stdout, second.stderr) == (first.stdout, "")


def test_without_uv_and_python_the_user_reads_what_is_needed(clone: Path, tools: Path) -> None:
    """Not just `not found`."""
    done = run(clone / "scripts/demo", tools)
    assert done.returncode == 3
    assert "python3 with its venv module" in done.stderr
