"""Every pattern from the shell: over HTTP with the real SDK by `--workflow`, and as a YAML definition with a script."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest
import yaml

from tests.cli.shell import Shell
from tests.patterns.cases import CASES, Case
from tests.patterns.http_model import CaseModel

EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
STAGES = [case for case in CASES if "{{" not in str(case.input) and case.workflow != "Definition"]
"""Cases that a stage can be: texts in double braces are the definition's own."""


@pytest.fixture(scope="module")
def reached(shell: Shell) -> Generator[Shell]:
    """The shell, with a model that plays all cases over HTTP."""
    with CaseModel(CASES) as model:
        yield Shell(shell.folder, {**shell.env, **model.env()})


@EVERY
def test_a_pattern_runs_by_its_workflow_type_over_http(case: Case, reached: Shell) -> None:
    """`run --workflow TYPE --input-file FILE` prints the result that the case expects."""
    given = reached.file(f"{case.name}.json", json.dumps(case.input))
    arguments = ("--workflow", case.workflow, "--input-file", given, "--model", f"openai-chat:{case.name}")
    answer = reached.quick("run", *arguments, "-o", "json")
    assert answer.out, answer.err
    assert case.seen(answer.json["result"]) == case.expect
    assert answer.code == (0 if case.expect["success"] else 1)
    status = reached.quick("status", answer.json["workflow_id"], "-o", "json").json
    assert status["progress"]["done"] > 0
    assert status["progress"]["stage"]
    assert status["usage"]["input_tokens"] > 0


@pytest.mark.parametrize("case", STAGES, ids=lambda case: case.name)
def test_a_pattern_runs_as_a_stage_of_a_definition(case: Case, shell: Shell) -> None:
    """One stage that is the pattern; its result is the output of the definition, one level further down."""
    given = {name: value for name, value in case.input.items() if name != "goal"}
    stage = {"id": "it", "pattern": case.workflow, "goal": case.input["goal"], "with": given}
    definition = {"name": f"only-{case.name}", "stages": [stage], "output": "stages.it"}
    file = shell.file(f"{case.name}-definition.yaml", yaml.safe_dump(definition))
    script = case.script_file(Path(shell.folder))
    answer = shell.quick(
        "run", "--definition", file, "--model", f"scripted:{script.name}", "--limit", "depth=9", "-o", "json"
    )
    assert answer.out, answer.err
    assert answer.json["result"]["output"]["success"] == case.expect["success"]
