"""`dev` and `server`: the embedded server and worker as a person runs them."""

import json
import signal
from pathlib import Path

from perdure.worker_record import held, lock_path, read_record
from tests.cli.shell import Shell, Terminal, until


def test_dev_runs_a_worker_until_ctrl_c_and_leaves_the_server(shell: Shell, tmp_path: Path) -> None:
    """Its worker serves runs of other shells, even of those with other settings; the server goes on afterwards."""
    home = tmp_path / "home"
    own = Shell(shell.folder, {**shell.env, "PERDURE_HOME": str(home)})
    terminal = Terminal(own, "dev")
    shown = terminal.expect("Ctrl-C ends the worker")
    assert "Web UI     http://127.0.0.1:" in shown
    path = lock_path(home, "perdure")
    record = read_record(path)
    model = own.script("dev", {"text": "served by dev"})
    run = own("run", "x", "--model", model, env={"OPENAI_API_KEY": "other"})
    assert "served by dev" in run.out
    assert "start `dev` again" in run.err
    again = read_record(path)
    assert (again and again.pid) == (record and record.pid)
    terminal.process.send_signal(signal.SIGINT)
    terminal.expect("draining the worker")
    assert terminal.end() == 0
    assert not held(path)
    status = own.quick("server", "status", "--json").json
    assert (status["running"], status["address"] in shown) == (True, True)
    stopped = own("server", "stop", "-o", "json")
    assert json.loads(stopped.out)["stopped"] is True
    until(lambda: own.quick("server", "status", "--json").json == {"running": False})
