"""What is said of a call agrees with what is done to it."""

import pytest
from hypothesis import given

from perdure.domain.model import JsonObject
from perdure.domain.policy import Call, Level, Policy, Rule, Ruling, rule_for
from perdure.domain.policy_explain import consequences, explain_call, span
from perdure.domain.tools import Effect
from tests.domain.policies import calls, policies


@given(policy=policies, call=calls)
def test_an_explanation_names_the_rule_that_applies(policy: Policy, call: Call) -> None:
    """The ruling is that of `rule_for`, and every rule before it has one condition that the call does not meet."""
    found = explain_call(policy, call)
    assert found.ruling == rule_for(policy, call)
    passed = len(policy.rules) if found.number is None else found.number - 1
    assert [miss.number for miss in found.misses] == list(range(1, passed + 1))
    assert found.ruling.rule == (None if found.number is None else policy.rules[found.number - 1])


PAY = Call(agent="default", tool="pay", effect=Effect.ONCE, arguments={"cents": 5}, requester="eve")


@pytest.mark.parametrize(
    ("rule", "field", "words"),
    [
        ({"agent": "clerk"}, "agent", 'agent is "default", not "clerk"'),
        ({"tool": "Pay"}, "tool", 'tool is "pay", not "Pay"'),
        ({"tenant": "acme"}, "tenant", 'tenant is "default", not "acme"'),
        ({"requester": "ada"}, "requester", 'requester is "eve", not "ada"'),
        ({"effect": ["pure", "idempotent"]}, "effect", "effect is once, not pure or idempotent"),
        ({"arguments": {"cents": "6"}}, "arguments.cents", 'arguments.cents is 5, not "6"'),
        (
            {"arguments": {"account": "*"}},
            "arguments.account",
            "the call leaves out the argument account, and rules do not see defaults",
        ),
        ({"tool": "x", "agent": "y"}, "agent", 'agent is "default", not "y"'),
    ],
)
def test_a_miss_says_which_condition_and_why(rule: JsonObject, field: str, words: str) -> None:
    """The first one that fails, in the order in which rules are read."""
    policy = Policy.model_validate({"rules": [{"level": "deny", **rule}]})
    (miss,) = explain_call(policy, PAY).misses
    assert (miss.field, miss.words) == (field, words)


def test_the_operators_list_is_told_beside_the_rule() -> None:
    """What a policy says no longer matters then."""
    assert explain_call(Policy(), PAY, ("file_*", "p*")).denied_by == "p*"
    assert not explain_call(Policy(), PAY, ("Pay",)).denied_by


def test_the_consequences_tell_who_decides_and_what_silence_does() -> None:
    """One line for each thing a rule says."""
    rule = Rule.model_validate(
        {
            "level": "review",
            "approvers": ["ada", "role:approver"],
            "quorum": 2,
            "reminder": "90s",
            "escalate_after": "2h",
            "escalate_to": ["boss"],
            "timeout": "1d",
            "on_timeout": "stop",
            "on_deny": "stop",
        }
    )
    assert consequences(Ruling(level=rule.level, rule=rule)) == [
        "it waits for approvals by 2 different people, each with the digest of the call",
        "who may decide: ada, role:approver; not who asked for the run",
        "a role is proved by a signed token: decisions without one have none",
        "when it is rejected, the run ends",
        "people are reminded every 90 seconds",
        "after 2 hours these may decide too: boss",
        "after 1 day without an answer the run stops",
    ]


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (Level.NONE, "it runs at once"),
        (Level.NOTIFY, "it runs at once and leaves a notice in `status`"),
        (Level.DENY, "it does not run; the model is told and goes on"),
        (Level.CONFIRM, "it waits for one approval"),
    ],
)
def test_the_consequences_of_a_level_without_a_rule(level: Level, words: str) -> None:
    """The first line says what happens to the call itself."""
    assert consequences(Ruling(level=level))[0] == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 second"), (90, "90 seconds"), (3600, "1 hour"), (0.5, "0.5 seconds")]
)
def test_lengths_of_time_are_told_in_the_largest_exact_unit(seconds: float, words: str) -> None:
    """For people."""
    assert span(seconds) == words
