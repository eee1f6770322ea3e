"""Which calls run, which are announced, which wait for a person: ordered rules, first match wins."""

import hashlib
import re
from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from perdure.domain.model import Compact, JsonObject, JsonValue, canonical_json
from perdure.domain.tools import Effect

__all__ = [
    "LONGEST",
    "STRICTNESS",
    "Call",
    "Level",
    "Policy",
    "Rule",
    "Ruling",
    "Seconds",
    "matches_any",
    "rule_for",
    "seconds_of",
    "stricter",
]


LONGEST = 315_360_000
"""Seconds, ten years: longer waits are mistakes, and much longer ones no clock can hold."""

MAX_QUORUM = 20
MAX_RULES = 2_000
"""What can be gone through for one call well within a workflow task."""
SHORTEST_REMINDER = 1
"""Seconds: each reminder is a handful of events in the history."""


class Level(StrEnum):
    """What a rule asks for."""

    NONE = "none"
    """Run."""
    NOTIFY = "notify"
    """Run, and leave a notice in the status."""
    CONFIRM = "confirm"
    """Wait for one decision."""
    REVIEW = "review"
    """Wait for a `decide` that repeats the digest of the call."""
    DENY = "deny"
    """Do not run; the model is told."""

    @property
    def waits(self) -> bool:
        """Whether a person is asked."""
        return self in (Level.CONFIRM, Level.REVIEW)


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
SPAN = re.compile(r"[0-9]{1,9}[smhd]?")
SPAN_WORDS = 'write seconds as a number, or "90s", "15m", "2h", "3d"'


def seconds_of(value: Any) -> Any:  # noqa: ANN401 - raw input of any kind, pydantic judges the rest
    """Turn "90s", "15m", "2h" or "3d" into seconds; other text, and yes and no, raise ValueError."""
    if isinstance(value, bool) or (isinstance(value, str) and not SPAN.fullmatch(value)):
        msg = f"{SPAN_WORDS} (got {str(value)[:40]!r})"
        raise ValueError(msg)
    if not isinstance(value, str):
        return value
    return int(value) if value.isdecimal() else int(value[:-1]) * _UNITS[value[-1]]


_Number = Annotated[float, Field(gt=0, le=LONGEST, allow_inf_nan=False)]
_Text = Annotated[str, Field(pattern=f"^{SPAN.pattern}$")]
Seconds = Annotated[_Number, BeforeValidator(seconds_of, json_schema_input_type=_Number | _Text)]
"""A length of time: a number of seconds or text like "15m"; the JSON Schema says both."""


class Rule(Compact, frozen=True):
    """One rule; every condition it names must match. Globs are case-sensitive; `arguments` maps names to globs.

    `approvers` are globs of names, or `role:NAME`, of who may decide; with a `quorum` so many different people must
    approve, and one rejection rejects. `timeout` (seconds, or "15m") makes silence a decision, `on_timeout`. After
    `reminder` people are told again, again and again; after `escalate_after` those in `escalate_to` may decide too.
    Who asked for a run decides on it only where `self_approval` says so.
    """

    level: Level
    agent: str = "*"
    tool: str = "*"
    arguments: dict[str, str] = {}
    effect: tuple[Effect, ...] = ()
    tenant: str = "*"
    requester: str = "*"
    timeout: Seconds | None = None
    on_timeout: Literal["reject", "stop"] = "reject"
    on_deny: Literal["continue", "stop"] = "continue"
    approvers: tuple[str, ...] = ()
    quorum: int = Field(default=1, ge=1, le=MAX_QUORUM, strict=True)
    reminder: Seconds | None = None
    escalate_after: Seconds | None = None
    escalate_to: tuple[str, ...] = ()
    self_approval: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.escalate_after is not None and not self.escalate_to:
            msg = "escalate_after needs escalate_to: who may decide from then on"
            raise ValueError(msg)
        if self.reminder is not None and self.reminder < SHORTEST_REMINDER:
            msg = f"reminder: at least {SHORTEST_REMINDER} seconds"
            raise ValueError(msg)
        return self


class Policy(Compact, frozen=True):
    """Ordered rules. With no match pure tools run and every other effect needs `confirm`."""

    rules: tuple[Rule, ...] = Field(default=(), max_length=MAX_RULES)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical rules: which policy a run went by."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json")).encode()).hexdigest()


class Ruling(Compact, frozen=True):
    """What the policy says of one call; `rule` is None when no rule matched."""

    level: Level
    rule: Rule | None = None


class Call(Compact, frozen=True):
    """What rules can speak of: a call of a tool with these arguments, by an agent, for whom."""

    agent: str
    tool: str
    effect: Effect
    arguments: JsonObject = {}
    tenant: str = "default"
    requester: str = ""


def matches_any(globs: Sequence[str], name: str) -> bool:
    """Whether any of the globs matches."""
    return any(_fits(name, glob) for glob in globs)


_SPECIAL = frozenset("*?[")


def _fits(text: str, glob: str) -> bool:
    # Most globs are plain names: compiling each of them would take a policy of many rules longer than a workflow task.
    return glob == "*" or (fnmatchcase(text, glob) if _SPECIAL.intersection(glob) else text == glob)


def _as_text(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical_json(_whole(value))


def _whole(value: JsonValue) -> JsonValue:
    """The value with 42.0 as 42: to JSON Schema both are the same integer, and a rule about one must hold for both."""
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _matches(rule: Rule, call: Call) -> bool:
    effect, arguments = call.effect, call.arguments
    return (
        _fits(call.agent, rule.agent)
        and _fits(call.tool, rule.tool)
        and _fits(call.tenant, rule.tenant)
        and _fits(call.requester, rule.requester)
        and (not rule.effect or effect in rule.effect)
        and all(name in arguments and _fits(_as_text(arguments[name]), glob) for name, glob in rule.arguments.items())
    )


STRICTNESS = (Level.NONE, Level.NOTIFY, Level.CONFIRM, Level.REVIEW, Level.DENY)


def stricter(first: Ruling, second: Ruling) -> Ruling:
    """The ruling that asks for more; the first when both ask for the same."""
    return max(first, second, key=lambda ruling: STRICTNESS.index(ruling.level))


def rule_for(policy: Policy, call: Call) -> Ruling:
    """First rule that matches this call, else the default for its effect."""
    for rule in policy.rules:
        if _matches(rule, call):
            return Ruling(level=rule.level, rule=rule)
    return Ruling(level=Level.NONE if call.effect is Effect.PURE else Level.CONFIRM)
