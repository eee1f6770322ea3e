"""What is allowed in a policy but hardly meant: rules that never match, approvals that nobody can give."""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase

from perdure.domain.arguments import closest
from perdure.domain.identity import Role
from perdure.domain.model import Model
from perdure.domain.policy import Level, Policy, Rule
from perdure.domain.policy_explain import GLOBS, ROLE, span
from perdure.domain.tools import Effect

__all__ = ["Advice", "advise", "covers"]

SPECIAL = frozenset("*?[")
FRESH = "\x00"
"""Stands for whatever a wildcard may match: no glob holds it."""
ASKS_ANYWAY = "ask_human"
"""Its question goes to people whatever the level of its rule, which says who answers and until when."""

OF_REQUESTS = ("approvers", "quorum", "timeout", "on_timeout", "reminder", "escalate_after", "escalate_to")
"""Fields that only matter when a person is asked."""


class Advice(Model, frozen=True):
    """A doubt about one field of one rule; `index` counts rules from 0."""

    index: int
    field: str
    words: str


def advise(policy: Policy) -> list[Advice]:
    """Every doubt, rule by rule; a policy with doubts is valid all the same."""
    return [
        Advice(index=index, field=field, words=words)
        for index, rule in enumerate(policy.rules)
        for field, words in (*_shadow(policy, index), *_unused(rule), *_people(rule), *_times(rule), *_globs(rule))
    ]


def _shadow(policy: Policy, index: int) -> Iterator[tuple[str, str]]:
    rule = policy.rules[index]
    number = next((n for n, earlier in enumerate(policy.rules[:index], 1) if covers(earlier, rule)), None)
    if number is not None:
        yield "", f"never applies: rule {number} matches every call that this one could match"


def covers(earlier: Rule, later: Rule) -> bool:
    """Whether `earlier` surely matches every call that `later` matches; False also when that is not plain to see."""
    effects = set(earlier.effect or Effect)
    return (
        all(_within(getattr(later, name), getattr(earlier, name)) for name in GLOBS)
        and effects.issuperset(later.effect or Effect)
        and all(
            name in later.arguments and _within(later.arguments[name], glob) for name, glob in earlier.arguments.items()
        )
    )


def _within(narrow: str, wide: str) -> bool:
    """Whether every text that `narrow` matches is surely matched by `wide`."""
    if narrow == wide or not SPECIAL & set(narrow):
        return narrow == wide or fnmatchcase(narrow, wide)
    if "[" in narrow or "?" in wide or "[" in wide or FRESH in narrow + wide:
        return False
    # Only a * of `wide` matches FRESH, and what a * matches may be any other text as well.
    return fnmatchcase(narrow.replace("*", FRESH).replace("?", FRESH), wide)


def _unused(rule: Rule) -> Iterator[tuple[str, str]]:
    said = rule.model_dump(exclude_defaults=True)
    if not rule.level.waits and rule.tool != ASKS_ANYWAY:
        for field in (*OF_REQUESTS, "self_approval"):
            if field in said:
                yield field, f"has no effect: at level {rule.level} nobody is asked"
    if rule.level in (Level.NONE, Level.NOTIFY) and "on_deny" in said and rule.tool != ASKS_ANYWAY:
        yield "on_deny", f"has no effect: at level {rule.level} the call always runs"
    if "on_timeout" in said and rule.timeout is None:
        yield "on_timeout", "has no effect without a timeout"


def _people(rule: Rule) -> Iterator[tuple[str, str]]:
    named = (*rule.approvers, *rule.escalate_to)
    exact = {name for name in named if not SPECIAL & set(name) and not name.startswith(ROLE)}
    if rule.approvers and len(exact) == len(set(named)) < rule.quorum:
        yield "quorum", f"{rule.quorum} people must approve, but only {len(exact)} may: {', '.join(sorted(exact))}"
    for field in ("approvers", "escalate_to"):
        for name in getattr(rule, field):
            role = name.removeprefix(ROLE)
            if name.startswith(ROLE) and role not in [*Role] and (like := closest(role, Role)):
                yield field, f"{role!r} is not one of the roles {', '.join(Role)}.{like}"
            elif not name.strip():
                yield field, "an empty name: nobody is called that"


def _times(rule: Rule) -> Iterator[tuple[str, str]]:
    for field in ("reminder", "escalate_after"):
        after = getattr(rule, field)
        if after is not None and rule.timeout is not None and after >= rule.timeout:
            yield field, f"never comes: the request ends after {span(rule.timeout)}"


def _globs(rule: Rule) -> Iterator[tuple[str, str]]:
    for name, glob in rule.arguments.items():
        if "[" in glob and _is_json(glob):  # as which values that are no text are matched
            words = "[...] stands for one of the characters in it; write [[] for a bracket itself"
            yield f"arguments.{name}", words


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list | dict)
    except (ValueError, RecursionError):
        return False
