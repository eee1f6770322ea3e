"""The verb that looks whether everything is in place."""
# ruff: noqa: PLC0415 - what a verb needs is imported when it runs: `--help` must not pay for Temporal

from perdure.cli.cli import Cli
from perdure.cli.errors import ExitCode

__all__ = ["doctor"]


async def doctor(cli: Cli) -> int:
    """Check settings, server, worker, keys, tools and definitions, and say what to do about what is wrong."""
    from perdure.cli.checks import examine
    from perdure.cli.output import clean

    checks = await examine(cli)
    usable = all(check.status != "fail" for check in checks)
    if cli.out.is_text:
        for check in checks:
            cli.out.text(f"{check.status:<5} {check.name:<18} {clean(check.detail)}")
            if check.fix:
                cli.out.text(f"{'':<24} -> {clean(check.fix)}")
        cli.out.text("everything needed is there" if usable else "not usable yet: see `fail` above")
    else:
        cli.out.document({"usable": usable, "items": [check.as_json() for check in checks]})
    return ExitCode.SUCCESS if usable else ExitCode.FAILURE
