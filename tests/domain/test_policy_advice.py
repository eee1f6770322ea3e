"""Doubts about a valid policy: none without reason, and each at its rule and field."""

from typing import Any

import pytest
from hypothesis import given

from perdure.domain.policy import Call, Policy, Rule, rule_for
from perdure.domain.policy_advice import advise, covers
from tests.domain.policies import calls, policies, rules


@given(earlier=rules, later=rules, call=calls)
def test_a_rule_that_is_said_to_cover_another_matches_all_its_calls(earlier: Rule, later: Rule, call: Call) -> None:
    """The check may miss a shadow, but never sees one that is not there."""
    matches = [rule_for(Policy(rules=(rule,)), call).rule is not None for rule in (earlier, later)]
    assert matches != [False, True] or not covers(earlier, later)


@given(policy=policies, call=calls)
def test_a_rule_that_is_said_never_to_apply_does_not(policy: Policy, call: Call) -> None:
    """Over whole policies."""
    shadowed = [policy.rules[advice.index] for advice in advise(policy) if not advice.field]
    applied = rule_for(policy, call).rule
    assert all(rule is not applied for rule in shadowed)


def doubts(*given_rules: dict[str, Any]) -> list[tuple[int, str]]:
    """Index and field of each doubt."""
    return [(advice.index, advice.field) for advice in advise(Policy.model_validate({"rules": given_rules}))]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({}, {"tool": "pay"}),
        ({"tool": "p*"}, {"tool": "pay*"}),
        ({"tool": "p*y"}, {"tool": "p?y"}),
        ({"tool": "pay"}, {"tool": "pay", "arguments": {"n": "1"}}),
        ({"arguments": {"n": "*"}}, {"arguments": {"n": "4*"}}),
        ({"effect": ["once", "pure", "idempotent", "compensable"]}, {}),
        ({"effect": ["once", "pure"]}, {"effect": ["once"]}),
    ],
)
def test_a_rule_behind_a_wider_one_is_doubted(earlier: dict[str, Any], later: dict[str, Any]) -> None:
    """The first of both matches whatever the second could."""
    assert doubts({"level": "confirm", **earlier}, {"level": "deny", **later}) == [(1, "")]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"tool": "pay"}, {"tool": "p*"}),
        ({"tool": "?"}, {"tool": "*"}),
        ({"tool": "??"}, {"tool": "?*"}),
        ({"arguments": {"n": "*"}}, {}),
        ({"effect": ["once"]}, {}),
        ({"tenant": "a*"}, {"tenant": "*a"}),
    ],
)
def test_a_rule_behind_a_narrower_one_is_not(earlier: dict[str, Any], later: dict[str, Any]) -> None:
    """Some calls reach it."""
    assert doubts({"level": "confirm", **earlier}, {"level": "deny", **later}) == []


CONFIRM = {"level": "confirm"}


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"level": "none", "approvers": ["ada"]}, "approvers"),
        ({"level": "notify", "quorum": 2}, "quorum"),
        ({"level": "deny", "timeout": 60}, "timeout"),
        ({"level": "none", "self_approval": True}, "self_approval"),
        ({"level": "none", "on_deny": "stop"}, "on_deny"),
        ({**CONFIRM, "on_timeout": "stop"}, "on_timeout"),
        ({**CONFIRM, "approvers": ["ada"], "quorum": 2}, "quorum"),
        ({**CONFIRM, "approvers": ["ada", "ada"], "quorum": 2}, "quorum"),
        ({**CONFIRM, "approvers": ["role:aprover"]}, "approvers"),
        ({**CONFIRM, "approvers": [""]}, "approvers"),
        ({**CONFIRM, "timeout": 60, "reminder": 60}, "reminder"),
        ({**CONFIRM, "timeout": 60, "escalate_after": 90, "escalate_to": ["ada"]}, "escalate_after"),
        ({**CONFIRM, "arguments": {"to": '["ada"]'}}, "arguments.to"),
    ],
)
def test_what_is_hardly_meant_is_doubted(rule: dict[str, Any], field: str) -> None:
    """Once, at the field to change."""
    assert doubts(rule) == [(0, field)]


@pytest.mark.parametrize(
    "rule",
    [
        {**CONFIRM, "approvers": ["ada", "bob"], "quorum": 2},
        {**CONFIRM, "approvers": ["*@acme.org"], "quorum": 2},
        {**CONFIRM, "approvers": ["role:approver", "role:treasury"], "quorum": 3},
        {**CONFIRM, "quorum": 3},
        {**CONFIRM, "approvers": ["ada"], "escalate_after": 60, "escalate_to": ["bob"], "quorum": 2},
        {**CONFIRM, "timeout": 60, "reminder": 20, "on_timeout": "stop"},
        {**CONFIRM, "arguments": {"to": '[[]"ada"]', "n": "[0-9]"}},
        {"level": "none", "tool": "ask_human", "approvers": ["ada"], "timeout": 60},
        {"level": "deny", "on_deny": "stop"},
    ],
)
def test_what_can_be_meant_is_not(rule: dict[str, Any]) -> None:
    """A policy without a doubt says nothing."""
    assert doubts(rule) == []
