"""Which rule applies to a call, why those before it do not, and what happens then: `rule_for` in words."""

from collections.abc import Iterator, Sequence

from perdure.domain.model import JsonValue, Model, canonical_json
from perdure.domain.policy import Call, Level, Policy, Rule, Ruling, matches_any, rule_for

__all__ = ["GLOBS", "ROLE", "Explanation", "Miss", "consequences", "explain_call", "span"]

GLOBS = ("agent", "tool", "tenant", "requester")
"""Conditions that are one glob, by the names they have in rules and calls alike."""
MAX_SHOWN = 60
ROLE = "role:"

_SPANS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class Miss(Model, frozen=True):
    """The first condition of a rule that a call does not meet; `number` counts rules from 1."""

    number: int
    field: str
    words: str


class Explanation(Model, frozen=True):
    """What a policy says of a call. `number` is the rule that applies, counted from 1; None when none does.

    `misses` are the rules before it; `denied_by` is the operator's glob that forbids the tool, whatever rules say.
    """

    ruling: Ruling
    number: int | None
    misses: tuple[Miss, ...] = ()
    denied_by: str = ""


def explain_call(policy: Policy, call: Call, deny: Sequence[str] = ()) -> Explanation:
    """Explain the ruling of `rule_for`; `deny` are the globs of the operator's list."""
    misses = list[Miss]()
    denied = next((glob for glob in deny if matches_any((glob,), call.tool)), "")
    for number, rule in enumerate(policy.rules, 1):
        miss = _first_miss(number, rule, call)
        if miss is None:
            ruling = Ruling(level=rule.level, rule=rule)
            return Explanation(ruling=ruling, number=number, misses=tuple(misses), denied_by=denied)
        misses.append(miss)
    return Explanation(ruling=rule_for(Policy(), call), number=None, misses=tuple(misses), denied_by=denied)


def _first_miss(number: int, rule: Rule, call: Call) -> Miss | None:
    for field, alone, words in _conditions(rule, call):
        # A rule of this one condition, judged by `rule_for`: an explanation cannot come to judge otherwise.
        if rule_for(Policy(rules=(alone,)), call).rule is None:
            return Miss(number=number, field=field, words=words)
    return None


def _conditions(rule: Rule, call: Call) -> Iterator[tuple[str, Rule, str]]:
    """Each condition as (field, rule that holds it alone, words for the case that it is not met)."""
    free = Rule(level=rule.level)
    for name in GLOBS:
        glob, value = getattr(rule, name), getattr(call, name)
        yield name, free.model_copy(update={name: glob}), f"{name} is {_shown(value)}, not {_shown(glob)}"
    wanted = " or ".join(rule.effect)
    yield "effect", free.model_copy(update={"effect": rule.effect}), f"effect is {call.effect}, not {wanted}"
    for name, glob in rule.arguments.items():
        alone = free.model_copy(update={"arguments": {name: glob}})
        yield f"arguments.{name}", alone, _about_argument(name, glob, call)


def _about_argument(name: str, glob: str, call: Call) -> str:
    if name not in call.arguments:
        return f"the call leaves out the argument {name}, and rules do not see defaults"
    return f"arguments.{name} is {_shown(call.arguments[name])}, not {_shown(glob)}"


def _shown(value: JsonValue) -> str:
    text = canonical_json(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def consequences(ruling: Ruling) -> list[str]:
    """What happens to a call with this ruling, one sentence a line."""
    rule = ruling.rule or Rule(level=ruling.level)
    after_no = "the run ends" if rule.on_deny == "stop" else "the model is told and goes on"
    if ruling.level is Level.NONE:
        return ["it runs at once"]
    if ruling.level is Level.NOTIFY:
        return ["it runs at once and leaves a notice in `status`"]
    if ruling.level is Level.DENY:
        return [f"it does not run; {after_no}"]
    return [*_people(rule, ruling.level), f"when it is rejected, {after_no}", *_times(rule)]


def _people(rule: Rule, level: Level) -> Iterator[str]:
    wanted = "one approval" if rule.quorum == 1 else f"approvals by {rule.quorum} different people"
    digest = ", each with the digest of the call" if level is Level.REVIEW else ""
    yield f"it waits for {wanted}{digest}"
    who = ", ".join(rule.approvers) or "anyone who may decide requests"
    yield f"who may decide: {who}{'' if rule.self_approval else '; not who asked for the run'}"
    if any(name.startswith(ROLE) for name in (*rule.approvers, *rule.escalate_to)):
        yield "a role is proved by a signed token: decisions without one have none"


def _times(rule: Rule) -> Iterator[str]:
    if rule.reminder is not None:
        yield f"people are reminded every {span(rule.reminder)}"
    if rule.escalate_after is not None:
        yield f"after {span(rule.escalate_after)} these may decide too: {', '.join(rule.escalate_to)}"
    elif rule.escalate_to:
        yield f"the verdict `escalate` lets these decide too: {', '.join(rule.escalate_to)}"
    if rule.timeout is None:
        yield "without an answer it waits for ever"
    else:
        silence = "the run stops" if rule.on_timeout == "stop" else "it is rejected"
        yield f"after {span(rule.timeout)} without an answer {silence}"


def span(seconds: float) -> str:
    """A length of time in the largest unit that says it exactly: "15 minutes"."""
    size, unit = next(((size, unit) for size, unit in _SPANS if seconds % size == 0), (1, "second"))
    count = seconds / size
    return f"{count:g} {unit}{'' if count == 1 else 's'}"
