"""The typer application and its one entry function, which leaves the process without the SDK's crash at exit."""

import io
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from perdure.cli.auditing import audit_show, audit_verify
from perdure.cli.blobs import blobs_clean, blobs_stat
from perdure.cli.chatting import chat
from perdure.cli.checkpointing import checkpoints
from perdure.cli.cli import Workflows
from perdure.cli.codec_server import codec_server
from perdure.cli.configuring import configure
from perdure.cli.control import cancel, interrupt, pause, resume, steer, stop
from perdure.cli.decisions import approve, edit, escalate, reject, respond
from perdure.cli.demo import demo
from perdure.cli.developing import dev, server_status, server_stop
from perdure.cli.diagnosis import doctor
from perdure.cli.errors import CliError, ExitCode
from perdure.cli.lettering import letters
from perdure.cli.listing import list_agents, list_runs, list_sessions, list_tools, list_workflows
from perdure.cli.looking import approvals, status, transcript
from perdure.cli.output import Format, Output
from perdure.cli.running import run, watch
from perdure.cli.serving import serve
from perdure.cli.validation import validate
from perdure.cli.verbs import Verb, add_verb

__all__ = ["build_app", "invoke", "main"]

LISTS: dict[str, Verb] = {
    "runs": list_runs,
    "sessions": list_sessions,
    "agents": list_agents,
    "tools": list_tools,
    "workflows": list_workflows,
}
AUDIT: dict[str, Verb] = {"verify": audit_verify, "show": audit_show}
BLOBS: dict[str, Verb] = {"stat": blobs_stat, "clean": blobs_clean}
SERVER: dict[str, Verb] = {"status": server_status, "stop": server_stop}


def build_app(workflows: Workflows) -> typer.Typer:
    """Every verb of this release, in the order of `--help`."""
    app = _group("AI agents as durable executions on Temporal.")
    for verb in (run, chat, demo, dev):
        add_verb(app, verb, workflows)
    app.add_typer(_sub_verbs("Show runs, sessions, agents, tools or workflow types.", LISTS, workflows), name="list")
    reading: Sequence[Verb] = (status, watch, transcript, checkpoints, letters, approvals)
    deciding: Sequence[Verb] = (approve, reject, edit, respond, escalate)
    acting: Sequence[Verb] = (steer, configure, pause, resume, interrupt, stop, cancel)
    for verb in (*reading, *deciding, *acting, validate, doctor):
        add_verb(app, verb, workflows)
    add_verb(app, serve, workflows)
    add_verb(app, codec_server, workflows, "codec-server")
    app.add_typer(_sub_verbs("The audit logs of runs.", AUDIT, workflows), name="audit")
    app.add_typer(_sub_verbs("The store of large content.", BLOBS, workflows), name="blobs")
    app.add_typer(_sub_verbs("The embedded Temporal server.", SERVER, workflows), name="server")
    return app


def _group(words: str) -> typer.Typer:
    return typer.Typer(
        help=words,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _sub_verbs(words: str, verbs: dict[str, Verb], workflows: Workflows) -> typer.Typer:
    group = _group(words)
    for name, verb in verbs.items():
        add_verb(group, verb, workflows, name)
    return group


def main(workflows: Workflows) -> NoReturn:
    """Run the command line of this process and end it. `workflows` describes the types that can be started."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    code = invoke(build_app(workflows), sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        pass
    os._exit(code)  # the threads of the Temporal SDK can abort a normal interpreter exit (FACTS A1)


def invoke(app: typer.Typer, arguments: list[str]) -> int:
    """Exit code of a command line; usage errors are JSON too when JSON is asked for."""
    form = _form(arguments)
    try:
        code = app(arguments, prog_name="starter.py", standalone_mode=form is Format.TEXT)
    except TyperException as error:
        hint = "`uv run starter.py --help` lists the verbs, and VERB --help its options"
        Output(form).error(CliError(ExitCode.USAGE, "UsageError", error.format_message(), hint))
        return ExitCode.USAGE
    except SystemExit as end:
        code = end.code
    return code if isinstance(code, int) else ExitCode.SUCCESS


def _form(arguments: Sequence[str]) -> Format:
    """The output form that a command line asks for, also when the rest of it is wrong."""
    pairs = [*pairwise(arguments), *(argument.split("=", 1) for argument in arguments)]
    asked = [pair[1] for pair in pairs if pair[0] in ("-o", "--output") and len(pair) > 1]
    named = next((form for form in Format if form.value in asked), Format.TEXT)
    return Format.JSON if "--json" in arguments else named
