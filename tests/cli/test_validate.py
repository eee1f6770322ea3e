"""What `validate` says of policy files: mistakes by file, line and field, doubts, and which rule a call falls under."""

import json

import pytest
from jsonschema import Draft202012Validator

from tests.cli.shell import ROOT, Shell


def checked(shell: Shell, name: str, text: str) -> tuple[int, list[str], list[str]]:
    """Exit code, problems and warnings of a policy file, without the name of the file."""
    file = shell.file(f"judged/policies/{name}.yaml", text)
    answer = shell.quick("validate", file, "-o", "json")
    (item,) = answer.json["items"]
    problems, warnings = ([line.removeprefix(f"{file}:") for line in item[key]] for key in ("problems", "warnings"))
    return answer.code, problems, warnings


@pytest.mark.parametrize(
    ("name", "text", "line", "problem"),
    [
        ("field", "rules:\n- level: confirm\n  tols: x\n", "3", "rules.0.tols: unknown field"),
        ("top", "rulez: []\n", "1", "rulez: unknown field"),
        ("level", "rules:\n- level: maybe\n", "2", "rules.0.level: input should be 'none'"),
        ("missing", "rules:\n- level: none\n- tool: x\n", "3", "rules.1.level: required, but missing"),
        ("type", "rules:\n- level: confirm\n  approvers:\n  - ada\n  - 42\n", "5", "rules.0.approvers.1: "),
        ("list", "rules:\n- {level: confirm,\n   approvers: ada}\n", "3", "rules.0.approvers: "),
        ("quorum", "rules:\n- level: confirm\n\n  quorum: 0\n", "4", "rules.0.quorum: "),
        ("value", "rules:\n- level: deny\n  arguments:\n    path: x\n    n: 42\n", "5", "rules.0.arguments.n: "),
        ("escalate", "rules:\n- level: confirm\n  escalate_after: 5m\n", "2", "rules.0: escalate_after needs"),
        (
            "twice",
            "rules:\n- level: deny\n  tool: x\n  level: none\n",
            "4",
            "rules.0.level: given twice, first on line 2",
        ),
        ("rules", "rules: []\nrules:\n- level: deny\n", "2", "rules: given twice, first on line 1"),
        ("yaml", "rules:\n- level: [\n", "3", "not valid YAML"),
        ("shape", "- level: deny\n", "1", "expected a mapping"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_field(shell: Shell, name: str, text: str, line: str, problem: str) -> None:
    """Exit code 2, whatever the kind of mistake."""
    code, problems, warnings = checked(shell, name, text)
    assert (code, warnings) == (2, [])
    assert problems[0].startswith(f"{line}: {problem}"), problems


def test_an_unknown_field_comes_with_those_there_are(shell: Shell) -> None:
    """And with the one that was probably meant."""
    _, problems, _ = checked(shell, "typo", "rules:\n- {level: none, aprovers: [ada]}\n")
    assert problems[1].startswith("valid fields of rules.0: agent, approvers, arguments, ")
    assert problems[1].endswith("Did you mean 'approvers'?")


@pytest.mark.parametrize(
    ("name", "text", "warning"),
    [
        (
            "few",
            "rules:\n- level: confirm\n  approvers: [ada]\n  quorum: 2\n",
            "4: rules.0.quorum: 2 people must approve",
        ),
        ("shadow", "rules:\n- level: confirm\n- tool: pay\n  level: deny\n", "3: rules.1: never applies: rule 1 "),
        ("idle", "rules:\n- level: none\n  tool: x\n  approvers: [ada]\n", "4: rules.0.approvers: has no effect"),
        ("json", "rules:\n- level: deny\n  arguments:\n    to: '[1]'\n", "4: rules.0.arguments.to: [...] stands"),
    ],
)
def test_a_doubt_is_told_and_the_file_is_valid(shell: Shell, name: str, text: str, warning: str) -> None:
    """Exit code 0, with file, line and field as for mistakes; in text form too."""
    code, problems, warnings = checked(shell, name, text)
    assert (code, problems, len(warnings)) == (0, [], 1)
    assert warnings[0].startswith(warning)
    shown = shell.quick("validate", f"judged/policies/{name}.yaml").out.splitlines()
    assert shown == [
        f"judged/policies/{name}.yaml: valid policy",
        f"warning: judged/policies/{name}.yaml:{warnings[0]}",
    ]


def test_doubts_about_the_policy_of_an_agent_are_told_too(shell: Shell) -> None:
    """At their line in the agent's file."""
    file = shell.file("judged/agents/clerk.yaml", "name: clerk\npolicy:\n  rules:\n  - level: none\n    quorum: 2\n")
    (item,) = shell.quick("validate", file, "--json").json["items"]
    assert item["warnings"][0].startswith(f"{file}:5: policy.rules.0.quorum: has no effect")


RULES = """\
rules:
- tool: send
  arguments: {text: "urgent*"}
  level: none

- tool: se*
  effect: [once]
  level: confirm
  approvers: [ada, bob]
  quorum: 2
  timeout: 15m
- level: deny
"""


def test_a_call_is_explained_rule_by_rule(shell: Shell) -> None:
    """Which rule applies, on which line, why not those before it, and what happens then."""
    file = shell.file("judged/policies/explained.yaml", RULES)
    answer = shell.quick("validate", file, "--call", "send", "--arguments", '{"text": "hello"}')
    assert answer.code == 0
    assert answer.out.splitlines() == [
        '  rule 1 (line 2) does not match: arguments.text is "hello", not "urgent*"',
        f"rule 2 applies ({file}:6), level confirm",
        "  it waits for approvals by 2 different people",
        "  who may decide: ada, bob; not who asked for the run",
        "  when it is rejected, the model is told and goes on",
        "  after 15 minutes without an answer it is rejected",
    ]


def test_an_explanation_is_json_too(shell: Shell) -> None:
    """With the call as it was judged: the effect is that of the registered tool."""
    file = shell.file("judged/policies/explained.yaml", RULES)
    found = shell.quick(
        "validate", file, "--call", "linger", "--arguments", '{"flag": "x"}', "--tenant", "acme", "--json"
    )
    (item,) = found.json["items"]
    explained = item["explanation"]
    assert (item["valid"], explained["rule"], explained["line"], explained["level"]) == (True, 3, 12, "deny")
    assert [(passed["rule"], passed["line"], passed["field"]) for passed in explained["passed_over"]] == [
        (1, 2, "tool"),
        (2, 6, "tool"),
    ]
    assert (explained["call"]["effect"], explained["call"]["tenant"]) == ("pure", "acme")
    assert explained["notes"] == []


def test_an_explanation_knows_what_rules_do_not_say(shell: Shell) -> None:
    """The operator's list, arguments that do not fit, a quorum that the requester leaves open."""
    file = shell.file("judged/policies/explained.yaml", RULES)
    call = ("validate", file, "--call", "send", "--json")
    denied = shell(*call, "--arguments", '{"text": "hello"}', env={"PERDURE_DENY_TOOLS": "se*"})
    explained = denied.json["items"][0]["explanation"]
    assert (explained["denied_by"], explained["rule"]) == ("se*", 2)
    assert explained["consequences"][0].startswith("it does not run: the operator denies se*")
    (note,) = shell.quick(*call).json["items"][0]["explanation"]["notes"]
    assert "missing required field 'text'" in note
    asked = shell.quick(*call, "--arguments", '{"text": "x"}', "--requester", "ada").json["items"][0]["explanation"]
    assert asked["notes"] == ["ada asked for the run and may not approve: the approvers left are too few"]
    foreign = shell.quick(*call[:-2], "pay", "--effect", "once").out
    assert "note: no tool 'pay' is registered here" in foreign
    assert "rule 3 applies" in foreign


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--call", "sned"), "no tool is called 'sned'. Did you mean 'send'?"),
        (("--call", "send", "--arguments", "{no"), "--arguments:1: not valid JSON"),
        (("--call", "send", "--arguments", "[1]"), "expected a JSON object"),
        (("--call", "send", "--kind", "agent"), "--call needs exactly one FILE, a policy"),
        (("--schema",), "--schema needs --kind"),
    ],
)
def test_a_call_that_cannot_be_is_refused(shell: Shell, arguments: tuple[str, ...], words: str) -> None:
    """Exit code 2, with what would be valid."""
    file = shell.file("judged/policies/explained.yaml", RULES)
    answer = shell.quick("validate", file, *arguments)
    assert answer.code == 2
    assert words in answer.err


def test_a_wrong_file_is_not_explained(shell: Shell) -> None:
    """Its mistakes are told instead."""
    file = shell.file("judged/policies/broken.yaml", "rules:\n- level: maybe\n")
    answer = shell.quick("validate", file, "--call", "send")
    assert answer.code == 2
    assert "broken.yaml:2: rules.0.level" in answer.out


@pytest.mark.parametrize("kind", ["agent", "policy", "script"])
def test_editors_get_a_schema(shell: Shell, kind: str) -> None:
    """As one JSON document in every form, and it is a schema."""
    shown = shell.quick("validate", "--schema", "--kind", kind)
    assert shown.code == 0
    Draft202012Validator.check_schema(shown.json)
    assert shell.quick("validate", "--schema", "--kind", kind, "--json").json == json.loads(shown.out)


def test_the_shipped_definitions_are_valid_and_without_doubt(shell: Shell) -> None:
    """Every agent and policy of the repository."""
    items = shell.quick("validate", str(ROOT / "definitions"), "--json").json["items"]
    assert {item["file"].rpartition("/")[2] for item in items} >= {"payments.yaml", "default.yaml", "reports.yaml"}
    assert [item["problems"] + item["warnings"] for item in items] == [[] for _ in items]
