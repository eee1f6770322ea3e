"""Which rule a call falls under, against a naive reading of the same rules."""

import json
from itertools import pairwise

import pytest
from hypothesis import given

from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.policy import Call, Level, Policy, Rule, Ruling, rule_for, stricter
from perdure.domain.tools import Effect
from tests.domain.policies import calls, policies


def fits(text: str, glob: str) -> bool:
    """A glob read letter by letter, without any library."""
    if not glob:
        return not text
    if glob[0] == "*":
        return any(fits(text[cut:], glob[1:]) for cut in range(len(text) + 1))
    if glob[0] == "[":
        inner, rest = glob[1 : glob.index("]", 2)], glob[glob.index("]", 2) + 1 :]
        chosen = text[:1] not in inner[1:] if inner[0] == "!" else text[:1] in inner
        return bool(text) and chosen and fits(text[1:], rest)
    return bool(text) and glob[0] in (text[0], "?") and fits(text[1:], glob[1:])


def text_of(value: JsonValue) -> str:
    """Text as it is; anything else as JSON without spaces and with sorted keys."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def applies(rule: Rule, call: Call) -> bool:
    """Every condition of the rule, each on its own."""
    pairs = [(call.agent, rule.agent), (call.tool, rule.tool), (call.tenant, rule.tenant)]
    pairs.append((call.requester, rule.requester))
    arguments = [
        name in call.arguments and fits(text_of(call.arguments[name]), glob) for name, glob in rule.arguments.items()
    ]
    return all(fits(text, glob) for text, glob in pairs) and all(arguments) and call.effect in (rule.effect or Effect)


@given(policy=policies, call=calls)
def test_the_first_rule_of_which_every_condition_is_met_applies(policy: Policy, call: Call) -> None:
    """And without one, pure tools run and every other effect is confirmed."""
    fallback = Ruling(level=Level.NONE if call.effect is Effect.PURE else Level.CONFIRM)
    matching = [Ruling(level=rule.level, rule=rule) for rule in policy.rules if applies(rule, call)]
    assert rule_for(policy, call) == [*matching, fallback][0]


def told(arguments: JsonObject, glob: str) -> bool:
    """Whether a rule with this glob on the argument `x` matches a call with these arguments."""
    policy = Policy(rules=(Rule(level=Level.DENY, arguments={"x": glob}),))
    call = Call(agent="a", tool="t", effect=Effect.ONCE, arguments=arguments)
    return rule_for(policy, call).level is Level.DENY


@pytest.mark.parametrize(
    ("arguments", "glob", "matches"),
    [
        ({}, "*", False),
        ({"x": None}, "null", True),
        ({"x": ""}, "*", True),
        ({"x": ""}, "", True),
        ({"x": "42"}, "42", True),
        ({"x": 42}, "42", True),
        ({"x": 421}, "42", False),
        ({"x": "ADA"}, "ada", False),
        ({"x": True}, "true", True),
        ({"x": "a\nb"}, "a*b", True),
        ({"x": "ada\n"}, "ada", False),
        ({"x": " ada"}, "ada", False),
        ({"x": "a[1]"}, "a[1]", False),
        ({"x": "a1"}, "a[1]", True),
        ({"x": "a[1]"}, "a[[]1]", True),
        ({"x": {"to": "ada", "by": "bob"}}, '{"by":"bob","to":"ada"}', True),
        ({"x": {"to": {"name": "ada"}}}, '*"name":"ada"*', True),
        ({"x": ["ada"]}, '[[]"ada"]', True),
        ({"x": ["ada"]}, '["ada"]', False),
        ({"x": "\u00e9"}, "\u00e9", True),
        ({"x": "e\u0301"}, "\u00e9", False),
        ({"x": "y" * 1_000_000}, "*y*y*y*y*z", False),
        ({"x": "y" * 1_000_000 + "z"}, "y*z", True),
    ],
)
def test_globs_on_values_of_arguments(arguments: JsonObject, glob: str, *, matches: bool) -> None:
    """A missing argument never matches; anything but text is matched as canonical JSON; case and length count."""
    assert told(arguments, glob) is matches


def test_the_stricter_of_two_rulings_wins_and_the_first_of_equal_ones() -> None:
    """An agent's own policy can only add to that of the run."""
    ladder = [Ruling(level=Level(level)) for level in ("none", "notify", "confirm", "review", "deny")]
    assert [stricter(low, high) for low, high in pairwise(ladder)] == ladder[1:]
    assert [stricter(high, low) for low, high in pairwise(ladder)] == ladder[1:]
    first, second = (Ruling(level=Level.CONFIRM, rule=Rule(level=Level.CONFIRM, tool=name)) for name in "ab")
    assert stricter(first, second) is first


@pytest.mark.parametrize(("written", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("3d", 259_200), (1.5, 1.5)])
def test_lengths_of_time_are_seconds_or_have_a_unit(written: float | str, seconds: float) -> None:
    """All three of them."""
    given = {"level": "confirm", "timeout": written, "reminder": written, "escalate_after": written}
    rule = Rule.model_validate({**given, "escalate_to": ["ada"]})
    assert (rule.timeout, rule.reminder, rule.escalate_after) == (seconds, seconds, seconds)


@pytest.mark.parametrize(
    "wrong",
    [
        {"quorum": 0},
        {"quorum": 21},
        {"quorum": 1.5},
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": "15 m"},
        {"timeout": "1.5h"},
        {"timeout": "9999999d"},
        {"timeout": "inf"},
        {"reminder": 0.5},
        {"escalate_after": 60},
        {"approvers": "ada"},
        {"effect": ["twice"]},
        {"arguments": {"n": 42}},
        {"tols": "x"},
    ],
)
def test_rules_that_cannot_be_are_refused(wrong: JsonObject) -> None:
    """A typo or a number out of bounds never becomes a weaker rule."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Rule.model_validate({"level": "confirm", **wrong})
