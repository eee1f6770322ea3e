"""`audit`, from outside: a log of a real run passes, and each way of changing it is found."""

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import FOREIGN, TOOLS
from tests.cli.shell import Shell, until

SEND = {"calls": [{"tool": "send", "arguments": {"text": "audited"}}]}
DONE = {"text": "All done."}
SUM = {"calls": [{"tool": "calculator", "arguments": {"expression": "1+1"}}]}
FREE = "rules:\n- {tool: send, level: none}\n"

Lines = list[bytes]


def changed(lines: Lines) -> Lines:
    """One other letter in the title of the request."""
    return [*lines[:1], lines[1].replace(b"Send audited", b"Send auditad", 1), *lines[2:]]


def removed(lines: Lines) -> Lines:
    """Without the second entry."""
    return [lines[0], *lines[2:]]


def swapped(lines: Lines) -> Lines:
    """The second and third entry in each other's place."""
    return [lines[0], lines[2], lines[1], *lines[3:]]


def cut(lines: Lines) -> Lines:
    """Without the last entry."""
    return lines[:-1]


def put_in(lines: Lines) -> Lines:
    """The second entry a second time."""
    return [*lines[:3], lines[1], *lines[3:]]


def emptied(_: Lines) -> Lines:
    """Nothing."""
    return []


def flipped(lines: Lines) -> Lines:
    """Another character in the middle of the second line."""
    line, at = lines[1], len(lines[1]) // 2
    return [lines[0], line[:at] + (b"A" if line[at : at + 1] != b"A" else b"B") + line[at + 1 :], *lines[2:]]


CHAINED = [
    pytest.param(removed, "entry 3 follows entry 1", id="removed"),
    pytest.param(swapped, "entry 3 follows entry 1", id="swapped"),
    pytest.param(cut, "the log ends with entry {last}, the run has recorded {count}: its end was cut", id="cut"),
]
TAMPERED = [
    *CHAINED,
    pytest.param(changed, "entry 2 was changed: its hash is ", id="changed"),
    pytest.param(put_in, "entry 2 follows entry 3", id="put-in"),
    pytest.param(emptied, "the log ends with entry 0, the run has recorded {count}: its end was cut", id="emptied"),
]
SEALED = [*CHAINED, pytest.param(flipped, "line 2 ", id="flipped")]


@pytest.fixture(scope="module")
def audited(shell: Shell) -> str:
    """Id of a run that has ended after a call that a person approved."""
    return decided(shell, "audited")


def decided(shell: Shell, name: str) -> str:
    """Start a run, approve its call and wait for its end; returns its id."""
    model = shell.script(name, SEND, DONE)
    waits = shell.quick("run", "send it", "--model", model, "--id", name, "-o", "json")
    assert waits.code == 4, waits
    [request] = waits.json["pending"]
    assert shell.quick("approve", name, request["request_id"], "--as", "ada", "--reason", "fine").code == 0
    assert shell.quick("watch", name).code == 0
    return name


def file_of(shell: Shell, run: str) -> Path:
    """File of the only log of a run."""
    [item] = shell.quick("audit", "verify", run, "--offline", "--json").json["items"]
    return Path(item["file"])


def verified(shell: Shell, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and items of `audit verify`."""
    answer = shell.quick("audit", "verify", *arguments, "--json")
    return answer.code, answer.json["items"]


def test_the_log_of_a_run_passes_and_tells_what_happened(shell: Shell, audited: str) -> None:
    """The policy, the request, the decision with who and why, the effect, the end."""
    code, [item] = verified(shell, audited)
    assert (code, item["problems"], item["compared"], item["complete"]) == (0, [], True, True)
    entries = shell.quick("audit", "show", audited, "--json").json["items"]
    assert len(entries) == item["entries"]
    kinds = [entry["kind"] for entry in entries]
    assert (kinds[0], kinds[-1]) == ("policy", "end")
    assert {"request", "decision", "effect"} <= set(kinds)
    [decision] = [entry for entry in entries if entry["kind"] == "decision"]
    assert (decision["by"], "fine" in str(decision["data"])) == ("ada", True)
    text = shell.quick("audit", "verify")
    assert f"audited: well, {len(entries)} entries, up to its end; compared with the history" in text.out
    assert "decision" in shell.quick("audit", "show", audited).out


def check_tampered(shell: Shell, run: str, tamper: Callable[[Lines], Lines], words: str) -> None:
    """Assert that the changed log is found, alone and among all; the log as it was passes again."""
    path = file_of(shell, run)
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    path.write_bytes(b"".join(tamper(lines)))
    code, [item] = verified(shell, run)
    text, all_logs = shell.quick("audit", "verify", run), verified(shell)
    path.write_bytes(content)
    told = words.format(last=len(lines) - 1, count=len(lines))
    assert (code, item["problems"][0].startswith(told)) == (1, True), item
    assert (text.code, f"{path}: {told}" in text.out, "NOT WELL" in text.out) == (1, True, True), text
    assert (all_logs[0], [found["workflow_id"] for found in all_logs[1] if found["problems"]]) == (1, [run])
    assert verified(shell, run)[0] == 0


@pytest.mark.parametrize(("tamper", "words"), TAMPERED)
def test_every_change_of_the_log_is_found(
    shell: Shell, audited: str, tamper: Callable[[Lines], Lines], words: str
) -> None:
    """Exit code 1 and words that name the file and the entry, also among all logs."""
    check_tampered(shell, audited, tamper, words)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A folder whose server and worker encrypt; its run `sealed` has ended after a call that a person approved."""
    folder = tmp_path_factory.mktemp("sealed")
    (folder / "my_tools.py").write_text(TOOLS, encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    place = {"PERDURE_HOME": str(folder / "home"), "PERDURE_TOOL_MODULES": "my_tools"}
    shell = Shell(folder, {**env, **place, "PERDURE_ENCRYPTION_KEYS": f"k1:{base64.b64encode(bytes(32)).decode()}"})
    decided(shell, "sealed")
    yield shell
    subprocess.run(shell.command("server", "stop"), cwd=folder, env=shell.env, timeout=90, check=True)


@pytest.mark.parametrize(("tamper", "words"), SEALED)
def test_every_change_of_an_encrypted_log_is_found(sealed: Shell, tamper: Callable[[Lines], Lines], words: str) -> None:
    """Nothing of it can be read in the file; a line that was changed cannot be opened, and is named."""
    path = file_of(sealed, "sealed")
    assert not any(word in path.read_bytes() for word in (b"ada", b"decision", b"fine"))
    code, [item] = verified(sealed, "sealed")
    assert (code, item["compared"], item["complete"]) == (0, True, True)
    check_tampered(sealed, "sealed", tamper, words)


def test_an_encrypted_log_of_another_run_is_not_taken_for_this_one(sealed: Shell) -> None:
    """Each is sealed for its own run: whole logs cannot be exchanged either. Without the key none can be read."""
    decided(sealed, "sealed-too")
    path, other = file_of(sealed, "sealed"), file_of(sealed, "sealed-too")
    content = path.read_bytes()
    path.write_bytes(other.read_bytes())
    code, [item] = verified(sealed, "sealed")
    path.write_bytes(content)
    assert (code, "line 1 cannot be read" in item["problems"][0]) == (1, True), item
    bare = Shell(sealed.folder, {**sealed.env, "PERDURE_ENCRYPTION_KEYS": ""})
    answer = bare.quick("audit", "verify", "sealed", "--offline", "--json")
    assert (answer.code, "line 1 cannot be read" in answer.json["items"][0]["problems"][0]) == (1, True)
    assert verified(sealed)[0] == 0


def test_a_file_that_is_gone_is_found_when_its_run_is_named(shell: Shell, audited: str) -> None:
    """The history says how many entries it had; an id that nobody knows has no log either."""
    path = file_of(shell, audited)
    hidden = path.rename(path.with_suffix(".hidden"))
    code, [item] = verified(shell, audited)
    offline = verified(shell, audited, "--offline")
    hidden.rename(path)
    assert (code, item["problems"][0]) == (1, "the file is missing")
    assert (offline[0], offline[1][0]["problems"]) == (1, ["there is no audit log of this id"])
    unknown = verified(shell, "nobody")
    assert (unknown[0], "the server knows no run of it" in unknown[1][0]["problems"][0]) == (1, True)
    assert shell.quick("audit", "show", "nobody", "--json").json["error"]["type"] == "UnknownLog"


def test_an_open_run_and_one_without_entries_pass(shell: Shell) -> None:
    """The log of the first has no end yet; a run without decisions and effects has none."""
    waits = shell.quick("run", "send it", "--model", shell.script("open", SEND, DONE), "--id", "audit-open")
    assert waits.code == 4
    code, [item] = verified(shell, "audit-open")
    assert (code, item["complete"], item["compared"], item["entries"] > 1) == (0, False, True, True)
    assert shell.quick("run", "count", "--model", shell.script("pure", SUM, DONE), "--id", "audit-pure").code == 0
    code, [item] = verified(shell, "audit-pure")
    assert (code, item["entries"], item["problems"]) == (0, 0, [])


def test_without_a_history_the_chain_is_checked_alone(shell: Shell, audited: str) -> None:
    """And said so: a cut end is not seen then, but the log does not reach the end of its run."""
    path = file_of(shell, audited)
    content = path.read_bytes()
    path.write_bytes(b"".join(cut(content.splitlines(keepends=True))))
    code, [item] = verified(shell, audited, "--offline")
    path.write_bytes(b"".join(swapped(content.splitlines(keepends=True))))
    found = verified(shell, audited, "--offline")[0]
    path.write_bytes(content)
    assert (code, item["compared"], item["complete"], "--offline" in item["note"]) == (0, False, False, True)
    assert found == 1
    forgotten = path.with_name(path.name.replace("audited", "forgotten"))
    forgotten.write_bytes(content)
    code, [item] = verified(shell, "forgotten")
    forgotten.unlink()
    assert (code, item["complete"]) == (0, True)
    assert item["note"] == "not compared with a history: the server has forgotten it"


def test_an_id_that_is_used_again_and_a_run_that_goes_back_pass(shell: Shell) -> None:
    """Each chain of runs has its log; one that went back branches off, and a cut end is still found."""
    shell.file("free.yaml", FREE)
    model = shell.script("audit-again", SUM, SEND, DONE)
    for _ in range(2):
        assert shell.quick("run", "send it", "--model", model, "--policy", "free.yaml", "--id", "audit-again").code == 0
    code, items = verified(shell, "audit-again")
    assert (code, len(items), all(item["compared"] and item["complete"] for item in items)) == (0, 2, True)
    assert shell.quick("checkpoints", "audit-again", "--resume", "1", "--yes").code == 0
    assert shell.quick("watch", "audit-again").code == 0
    until(lambda: verified(shell, "audit-again")[0] == 0)
    code, items = verified(shell, "audit-again")
    assert (code, [item["compared"] for item in items]) == (0, [True, True]), items
    longest = Path(max(items, key=lambda item: item["entries"])["file"])
    lines = longest.read_bytes().splitlines(keepends=True)
    assert len({json.loads(line)["number"] for line in lines}) < len(lines)
    longest.write_bytes(b"".join(lines[:-1]))
    code, _ = verified(shell, "audit-again")
    longest.write_bytes(b"".join(lines))
    assert code == 1


def test_a_server_that_cannot_be_reached_is_exit_code_3(shell: Shell, audited: str) -> None:
    """With `--offline` none is needed."""
    env = {"TEMPORAL_ADDRESS": "127.0.0.1:1"}
    assert shell("audit", "verify", audited, "--json", env=env).code == 3
    assert shell("audit", "verify", audited, "--offline", "--json", env=env).code == 0
