"""One server, a worker with and one without the need of tokens, and the HTTP application, for all of these tests."""

import os
from collections.abc import AsyncGenerator

import httpx2
import pytest
from temporalio.client import Client

from tests.approvals.outside import OPEN, SIGNED, Outside, first_line, process, worker
from tests.cli.conftest import FOREIGN, TOOLS
from tests.cli.shell import ROOT, Shell
from tests.keys import make_pair

PROXIED = ("--user-header", "X-User", "--roles-header", "X-Roles", "--trusted-proxy", "127.0.0.1")


@pytest.fixture(scope="session")
async def outside(client: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Outside]:
    """The server with both workers and the application; its folder is theirs."""
    folder, address = tmp_path_factory.mktemp("approvals"), client.service_client.config.target_host
    (folder / "my_tools.py").write_text(TOOLS, encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    place = {"PERDURE_HOME": str(folder / "home"), "PYTHONPATH": str(folder), "TEMPORAL_ADDRESS": address}
    shell = Shell(folder, {**env, **place, "PERDURE_TOOL_MODULES": "my_tools"})
    starter = str(ROOT / "starter.py")
    pair, stranger = make_pair(folder), make_pair(folder, "stranger")
    keys = {"PERDURE_PUBLIC_KEYS": str(pair.public), "PERDURE_UNSIGNED": "deny"}
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as http:
        with (
            process(shell, starter, "serve", "--port", "0", *PROXIED, "-o", "jsonl") as served,
            worker(shell, OPEN) as unsigned,
            worker(shell, SIGNED, **keys) as signed,
        ):
            site, *ready = [first_line(child) for child in (served, unsigned, signed)]
            assert [line["task_queue"] for line in ready] == [OPEN, SIGNED]
            yield Outside(shell, client, site["address"], pair, stranger, http)
