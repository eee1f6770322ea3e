"""Lines and fields in YAML documents, also those with anchors, merges and flow style."""

from pathlib import Path

import pytest
import yaml

from perdure.domain.agents import AgentSpec
from perdure.domain.errors import ConfigurationError
from perdure.domain.policy import Policy
from perdure.loading import load_located, parse_located, parse_model
from perdure.yaml_places import Loc, repeated_keys, valid_fields

DOCUMENT = """\
# a comment
rules:

- level: confirm   # line 4
  tool: pay
  arguments:
    cents: "1*"
    account:
      x
  approvers: [ada,
    bob]
- {tool: a,
   level: none}
- &shared
  level: deny
- *shared
"""


@pytest.mark.parametrize(
    ("loc", "line"),
    [
        ((), 2),
        (("rules",), 4),
        (("rules", 0), 4),
        (("rules", 0, "tool"), 5),
        (("rules", 0, "arguments"), 7),
        (("rules", 0, "arguments", "account"), 8),
        (("rules", 0, "approvers", 1), 11),
        (("rules", 0, "quorum"), 4),
        (("rules", 1), 12),
        (("rules", 1, "level"), 13),
        (("rules", 2, "level"), 15),
        (("rules", 3, "level"), 15),
        (("rules", 9), 4),
    ],
)
def test_a_place_is_on_its_line(loc: Loc, line: int) -> None:
    """Counted from 1; what is not there is on the line of what would hold it."""
    _, line_of = parse_located(DOCUMENT.replace("x\n", '"x"\n'), Policy, "f.yaml")
    assert line_of(loc) == line


def test_a_json_file_has_lines_too(tmp_path: Path) -> None:
    """JSON is read as the YAML that it is."""
    path = tmp_path / "policy.json"
    path.write_text('{"rules": [\n  {"level": "none",\n   "tool": "a"}\n]}', encoding="utf-8")
    policy, line_of = load_located(path, Policy)
    assert (policy.rules[0].tool, line_of(("rules", 0, "tool"))) == ("a", 3)


def test_a_key_that_is_given_twice_is_refused() -> None:
    """YAML alone would keep the last one, and a rule would silently be another."""
    text = "rules:\n- level: deny\n  tool: a\n  level: none\n- {tool: b, tool: c, level: deny}\n"
    with pytest.raises(ConfigurationError) as caught:
        parse_model(text, Policy, "f.yaml")
    assert caught.value.message.splitlines() == [
        "f.yaml:4: rules.0.level: given twice, first on line 2",
        "f.yaml:5: rules.1.tool: given twice, first on line 5",
    ]


@pytest.mark.parametrize(
    "text",
    ["a: &x {b: 1}\nc: *x\nd: *x\n", "a: &x {b: 1}\nc: {<<: *x, b: 2}\n", "&x a: *x\n", "&x [*x]\n", "? [1]\n: 2\n"],
)
def test_anchors_merges_and_cycles_are_no_repetition(text: str) -> None:
    """Each mapping is looked at once."""
    assert list(repeated_keys(yaml.compose(text, yaml.SafeLoader))) == []


@pytest.mark.parametrize(
    ("loc", "begin", "end"),
    [
        (("rulez",), "valid fields: ", "Did you mean 'rules'?"),
        (("rules", 0, "tols"), "valid fields of rules.0: agent, ", "Did you mean 'tool'?"),
    ],
)
def test_the_fields_beside_an_unknown_one_are_known(loc: Loc, begin: str, end: str) -> None:
    """Through lists and references of the schema."""
    words = valid_fields(Policy, loc)
    assert words.startswith(begin)
    assert words.endswith(end)


def test_fields_are_known_behind_alternatives_and_not_where_all_are_allowed() -> None:
    """An agent's policy may be left out; its `models` are free."""
    assert valid_fields(AgentSpec, ("policy", "rules", 0, "x")).startswith("valid fields of policy.rules.0: agent, ")
    assert not valid_fields(AgentSpec, ("models", "x"))
