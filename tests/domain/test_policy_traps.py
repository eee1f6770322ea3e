"""Ways around a rule, and input that looks like something else, which a policy must not fall for."""

import json
from time import process_time

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from perdure.domain.model import JsonValue
from perdure.domain.policy import Call, Level, Policy, Rule, rule_for
from perdure.domain.tools import Effect


@pytest.mark.parametrize("value", [666, 666.0, {"deep": [666.0]}, [666], "666"])
def test_a_number_is_the_same_with_and_without_a_point(value: JsonValue) -> None:
    """JSON Schema takes 666.0 for an integer, so a model that writes it so must not get past a rule about 666."""
    policy = Policy(
        rules=(Rule(level=Level.DENY, arguments={"n": "666"}), Rule(level=Level.DENY, arguments={"n": "*[[]666]*"}))
    )
    call = Call(agent="a", tool="pay", effect=Effect.ONCE, arguments={"n": value})
    assert rule_for(policy, call).level is Level.DENY


@pytest.mark.parametrize("value", [True, False, "²m", "15 m", "", "m", "9" * 5_000 + "d", "-5m", "1e3"])
@pytest.mark.parametrize("field", ["timeout", "reminder", "escalate_after"])
def test_a_time_that_is_none_says_how_times_are_written(field: str, value: JsonValue) -> None:
    """YAML reads `yes` as true, which must not become one second."""
    text = json.dumps({"level": "confirm", "escalate_to": ["ada"], field: value})
    with pytest.raises(ValidationError, match="write seconds as a number, or") as caught:
        Rule.model_validate_json(text)
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


def test_a_quorum_is_a_number_and_nothing_like_one() -> None:
    """`quorum: yes` would be a quorum of one."""
    with pytest.raises(ValidationError, match="quorum"):
        Rule.model_validate_json('{"level": "confirm", "quorum": true}')


@pytest.mark.parametrize(
    ("value", "fits"),
    [("15m", True), (900, True), (None, True), ("15 m", False), (0, False), (True, False), ("m", False)],
)
def test_the_schema_for_editors_allows_what_the_model_takes(value: JsonValue, *, fits: bool) -> None:
    """Both forms of a length of time."""
    schema = Draft202012Validator(Policy.model_json_schema())
    policy = {"rules": [{"level": "confirm", "timeout": value}]}
    assert schema.is_valid(policy) is fits  # pyright: ignore[reportUnknownMemberType] - half typed stub


def test_a_policy_of_many_rules_is_gone_through_within_a_workflow_task() -> None:
    """The most there may be, none of which matches, in far less than the two seconds that Temporal allows."""
    policy = Policy(rules=tuple(Rule(level=Level.NONE, tool=f"tool_{n}") for n in range(2_000)))
    call = Call(agent="a", tool="other", effect=Effect.ONCE)
    begun = process_time()
    assert rule_for(policy, call).rule is None
    assert process_time() - begun < 0.2
    with pytest.raises(ValidationError, match="2000"):
        Policy(rules=(*policy.rules, policy.rules[0]))
