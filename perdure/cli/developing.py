"""Verbs for the embedded server and worker: dev, server status, server stop."""
# ruff: noqa: PLC0415 - what a verb needs is imported when it runs: `--help` must not pay for Temporal

from perdure.cli.cli import Cli

__all__ = ["dev", "server_status", "server_stop"]


async def dev(cli: Cli) -> int:
    """Run the embedded server with its Web UI, and a worker with its log, until Ctrl-C.

    Ctrl-C ends the worker and leaves the server, which `server stop` ends.
    """
    from perdure.cli.foreground import serve
    from perdure.cli.session import open_session

    return await serve(await open_session(cli))


async def server_status(cli: Cli) -> None:
    """Show whether the embedded server runs, and where; starts nothing."""
    from perdure.server import running_server
    from perdure.settings import load_settings

    info = await running_server(load_settings().home)
    if cli.out.is_text:
        if info is None:
            cli.out.text("the embedded server does not run; `uv run starter.py dev` or any run starts it")
            return
        for name, value in (("address", info.address), ("ui", info.ui), ("pid", info.pid), ("database", info.database)):
            cli.out.text(f"{name:<9} {value}")
        return
    facts = {"address": info.address, "ui": info.ui, "pid": info.pid, "database": str(info.database)} if info else {}
    cli.out.document({"running": info is not None, **facts})


async def server_stop(cli: Cli) -> None:
    """End the embedded server and its workers; runs are kept and go on when it is started again."""
    from perdure.embedded_worker import stop_workers
    from perdure.server import stop_server
    from perdure.settings import load_settings

    home = load_settings().home
    workers = await stop_workers(home, cli.out.note)
    info = await stop_server(home)
    if cli.out.is_text:
        cli.out.text("the embedded server was not running" if info is None else f"stopped the server at {info.address}")
    else:
        cli.out.document({"stopped": info is not None, "pid": info.pid if info else None, "workers": workers})
