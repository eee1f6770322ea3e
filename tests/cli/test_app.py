"""The command line as a whole: help, exit codes of mistakes, lists, checks of files, and the doctor."""

import subprocess
import sys

from perdure.server_process import find_binary
from tests.cli.shell import ROOT, Shell, until

LATER = ("fork", "schedule")


def test_help_is_there_without_importing_temporal_or_pydantic() -> None:
    """Building the whole application imports nothing heavy, so `--help` is quick."""
    code = (
        "import sys; from perdure.cli.app import build_app, invoke\n"
        "code = invoke(build_app(lambda: []), ['--help'])\n"
        "sys.exit(code or any(name in sys.modules for name in ('temporalio', 'pydantic', 'httpx2', 'yaml')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    verbs = ("run", "chat", "dev", "list", "status", "watch", "transcript", "checkpoints", "approvals", "approve")
    for verb in (*verbs, "reject", "edit", "configure", "interrupt", "serve", "audit", "codec-server"):
        assert f"\n  {verb} " in done.stdout
    assert not [verb for verb in LATER if f"\n  {verb} " in done.stdout]


def test_mistakes_on_the_command_line_are_usage_errors(shell: Shell) -> None:
    """Unknown verbs, options, forms and workflow types: exit code 2 and what would be valid."""
    assert "Did you mean 'status'?" in shell.quick("statsu").err
    assert shell.quick("run", "x", "--query", "y").code == 2
    assert shell.quick("status", "x", "-o", "xml").code == 2
    unknown = shell.quick("run", "x", "--workflow", "Swarm", "-o", "json")
    assert (unknown.code, "there are: Agent" in unknown.json["error"]["message"]) == (2, True)


def test_settings_that_are_wrong_are_named(shell: Shell) -> None:
    """A misspelt variable is exit code 2, without anything being started."""
    answer = shell("list", "agents", "--json", env={"PERDURE_MODLE": "x"})
    assert answer.code == 2
    assert "PERDURE_MODEL" in answer.json["error"]["message"]


def test_lists_are_items(shell: Shell) -> None:
    """Agents, tools and workflow types have names and descriptions; types have schemas."""
    shell.file("definitions/agents/broken.yaml", "name: broken\nlimits: {turns: 0}\n")
    agents = {item["name"]: item for item in shell.quick("list", "agents", "-o", "json").json["items"]}
    assert (agents["default"]["problem"], agents["default"]["role"]) == (None, None)
    assert "broken.yaml:2: limits.turns" in agents["broken"]["problem"]
    (shell.folder / "definitions/agents/broken.yaml").unlink()
    workflows = shell.quick("list", "workflows", "--json").json["items"]
    assert workflows[0]["name"] == "Agent"
    assert "goal" in workflows[0]["input"]["properties"]
    assert "stop_reason" in workflows[0]["result"]["properties"]
    tools = {item["name"]: item for item in shell("list", "tools", "--json").json["items"]}
    assert (tools["send"]["effect"], tools["calculator"]["effect"]) == ("once", "pure")
    assert tools["send"]["schema"]["required"] == ["text"]
    assert tools["send"]["source"].startswith("my_tools.py:")


def test_validate_names_file_line_and_field(shell: Shell) -> None:
    """The kind comes from the folder or from `--kind`; a wrong file is exit code 2."""
    good = shell.file("checked/policies/good.yaml", "rules:\n- {tool: send, level: review}\n")
    bad = shell.file("checked/agents/bad.yaml", "name: bad\nmodle: x\n")
    script = shell.file("checked/play.yaml", "steps:\n- {text: hi}\n")
    assert shell.quick("validate", good).code == 0
    answer = shell.quick("validate", good, bad, "-o", "json")
    assert answer.code == 2
    assert [item["valid"] for item in answer.json["items"]] == [True, False]
    assert "bad.yaml:2: modle: unknown field" in answer.json["items"][1]["problems"][0]
    assert "--kind" in shell.quick("validate", script).out
    assert shell.quick("validate", "--kind", "script", script).code == 0
    assert shell.quick("validate", "checked").code == 2
    assert "there is no such file" in shell.quick("validate", "nowhere.yaml").out


def test_the_doctor_finds_everything_in_place(shell: Shell) -> None:
    """Exit code 0; keys are told by name, never by value."""
    answer = shell("doctor", "-o", "json", env={"OPENAI_API_KEY": "very-secret"})
    assert (answer.code, answer.json["usable"]) == (0, True), answer.out
    found = {item["name"]: item for item in answer.json["items"]}
    assert found["server"]["status"] == "ok"
    assert "OPENAI_API_KEY" in found["keys"]["detail"]
    assert "very-secret" not in answer.out + answer.err


def test_the_doctor_says_what_to_do(shell: Shell) -> None:
    """What cannot work is `fail` with advice, and the exit code is 1."""
    env = {"PERDURE_TOOL_MODULES": "not_there", "PERDURE_MODEL": "openai:x", "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    answer = shell("doctor", "-o", "json", env=env)
    assert answer.code == 1
    failed = {item["name"]: item["fix"] for item in answer.json["items"] if item["status"] == "fail"}
    assert failed.keys() == {"tools", "model", "server"}
    assert all(failed.values())


def test_a_run_whose_workflow_code_fails_is_told_as_such(shell: Shell) -> None:
    """`status` and `doctor` do not blame a missing worker; a terminated run ends `watch` with exit code 1."""
    address = shell.quick("server", "status", "--json").json["address"]
    start = ["workflow", "start", "--type", "Unheard", "--task-queue", "perdure", "-w", "stuck", "--address", address]
    temporal = str(find_binary())
    subprocess.run([temporal, *start], check=True, capture_output=True)
    assert shell.quick("approvals").code == 0
    until(lambda: "stuck" in str(shell.quick("doctor", "--json").json["items"][-1]["detail"]))
    assert "has failed" in shell.quick("status", "stuck").err
    end = ["workflow", "terminate", "-w", "stuck", "--address", address]
    subprocess.run([temporal, *end], check=True, capture_output=True)
    assert shell.quick("watch", "stuck", "-o", "json").json["status"] == "TERMINATED"
