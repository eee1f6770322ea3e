"""The snippets of README and docs run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def snippets(document: str) -> dict[str, str]:
    """Python blocks that begin with the name of their file."""
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)
    return dict(blocks)


def test_the_first_tool_of_the_readme_and_its_test_pass(tmp_path: Path) -> None:
    """A new user copies both files and runs pytest."""
    files = snippets("README.md")
    assert set(files) == {"my_tools.py", "test_my_tools.py"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-o",
        "asyncio_mode=auto",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize(("account", "attempts"), [("ada", 1), ("lost", 1)])
async def test_the_tool_of_the_page_about_tools_is_paid_once(tmp_path: Path, account: str, attempts: int) -> None:
    """Its read-back hook settles a lost answer without a person."""
    (tmp_path / "bank.py").write_text(snippets("docs/tools.md")["bank.py"], encoding="utf-8")
    program = f"""
import asyncio, os, sys
import bank
from perdure.testing import ALLOW_ALL, agents, call

async def main():
    async with agents() as env:
        model = env.model([call("pay", account="{account}", cents=5), "done"])
        result = await env.run("pay", model=model, policy=ALLOW_ALL)
        assert result.success, result
        assert list(bank.LEDGER.values()) == ["paid 5 to {account}"]
        assert (await env.history()).count("tools.call") == {attempts}

if __name__ == "__main__":
    asyncio.run(main())
    print("paid once", flush=True)
    os._exit(0)
"""
    (tmp_path / "main.py").write_text(program, encoding="utf-8")
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs meanwhile
        [sys.executable, str(tmp_path / "main.py")],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "paid once" in done.stdout, done.stdout + done.stderr


def test_a_role_of_ones_own_judges_a_run(tmp_path: Path) -> None:
    """The module of the page about agents; its contract is that of input and answer."""
    (tmp_path / "roles.py").write_text(snippets("docs/agents.md")["roles.py"], encoding="utf-8")
    program = """
import asyncio, os
import roles
from perdure.testing import agents

async def main():
    async with agents() as env:
        judge = {"name": "judge", "role": "judge", "tools": []}
        model = env.model(['{"best": "first", "reason": "short"}', '{"best": 1, "reason": "short"}'])
        result = await env.run("choose", model=model, agent=judge, input={"answers": ["a", "b"]})
        assert (result.output, result.turns) == ({"best": 1, "reason": "short"}, 2), result

if __name__ == "__main__":
    asyncio.run(main())
    print("judged", flush=True)
    os._exit(0)
"""
    (tmp_path / "main.py").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "main.py")],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "judged" in done.stdout, done.stdout + done.stderr
