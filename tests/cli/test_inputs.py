"""The input of a run: merged from files, JSON and options, and judged before anything starts."""

import json
from pathlib import Path

import pytest

from perdure.cli.errors import CliError, ExitCode
from perdure.cli.inputs import RunOptions, build_input, parse_limits
from perdure.domain.run import AgentInput


def refused(options: RunOptions) -> CliError:
    """How these options are refused."""
    with pytest.raises(CliError) as caught:
        build_input(options, AgentInput, "ada")
    assert caught.value.code is ExitCode.USAGE
    return caught.value


def test_later_sources_win_and_limits_are_merged(tmp_path: Path) -> None:
    """File, then JSON, then options; each limit on its own."""
    path = tmp_path / "input.json"
    path.write_text(json.dumps({"goal": "file", "agent": "a", "tenant": "t", "limits": {"turns": 1, "tokens": 5}}))
    given = build_input(
        RunOptions(
            goal="option",
            limits=["turns=3", "cost_usd=0.5,seconds=9"],
            tools="file_*, calculator",
            input_json='{"agent": "b", "limits": {"turns": 2}}',
            input_file=path,
        ),
        AgentInput,
        "ada",
    )
    assert (given.goal, given.agent, given.tenant, given.requester) == ("option", "b", "t", "ada")
    limits = given.limits
    assert (limits.turns, limits.tokens, limits.cost_usd, limits.seconds) == (3, 5, 0.5, 9)
    assert given.tools == ("file_*", "calculator")


def test_only_what_was_said_travels() -> None:
    """Defaults stay with the worker: limits that nobody named are not in the payload."""
    given = build_input(RunOptions(goal="x", limits=["turns=3"]), AgentInput, "ada")
    assert json.loads(given.wire_json()) == {"goal": "x", "limits": {"turns": 3}, "requester": "ada"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (RunOptions(), "the goal is empty"),
        (RunOptions(goal="  "), "the goal is empty"),
        (RunOptions(goal="x", limits=["turns"]), "'turns' is not NAME=VALUE"),
        (RunOptions(goal="x", limits=["=3"]), "'=3' is not NAME=VALUE"),
        (RunOptions(goal="x", limits=["turns=3", "turns=4"]), "turns is given twice"),
        (RunOptions(goal="x", limits=["turn=3"]), "Did you mean 'turns'?"),
        (RunOptions(goal="x", limits=["turns=many"]), "limits.turns"),
        (RunOptions(goal="x", limits=["turns=0"]), "limits.turns"),
        (RunOptions(goal="x", model="gpt"), "does not name a provider and a model"),
        (RunOptions(goal="x", input_json="[1]"), "expected a JSON object, got list"),
        (RunOptions(goal="x", input_json='{"a":\n1,}'), "--input:2: not valid JSON"),
        (RunOptions(goal="x", input_json='{"goals": 1}'), "goals: unknown field"),
        (RunOptions(goal="x", input_json='{"plan": "auto"}'), "planning is not in this release"),
        (RunOptions(goal="x", input_file=Path("nowhere.json")), "cannot be read"),
        (RunOptions(goal="x" * 600_000), "put documents into workspace files"),
    ],
)
def test_what_is_wrong_is_said(options: RunOptions, words: str) -> None:
    """Exit code 2, with the field and what would be valid."""
    assert words in refused(options).message


def test_an_unknown_field_comes_with_the_valid_ones() -> None:
    """The hint lists the fields."""
    assert "output_schema" in refused(RunOptions(goal="x", input_json='{"goals": 1}')).hint


def test_policy_and_schema_files_travel_as_data(tmp_path: Path) -> None:
    """What the files say is in the input; the files are not needed any more."""
    policy, schema = tmp_path / "policy.yaml", tmp_path / "schema.json"
    policy.write_text("rules:\n- {tool: send, level: review}\n")
    schema.write_text('{"type": "object", "properties": {"n": {"type": "integer"}}}')
    given = build_input(RunOptions(goal="x", policy=policy, output_schema=schema), AgentInput, "ada")
    assert given.policy is not None
    assert given.policy.rules[0].level == "review"
    assert given.output_schema == {"type": "object", "properties": {"n": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "schema.json:1: not valid JSON"), ('{"type": 5}', "not a JSON Schema"), ('{"type": "string"}', "object")],
)
def test_a_schema_that_is_none_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """The file is named, and what is wrong with it."""
    schema = tmp_path / "schema.json"
    schema.write_text(text)
    assert words in refused(RunOptions(goal="x", output_schema=schema)).message


def test_limits_are_json_values_or_text() -> None:
    """Numbers, null, and a deadline as text."""
    assert parse_limits("turns=3, cost_usd=null,deadline=2030-01-01T00:00:00Z") == {
        "turns": 3,
        "cost_usd": None,
        "deadline": "2030-01-01T00:00:00Z",
    }
