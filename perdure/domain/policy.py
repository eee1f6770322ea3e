"""Which calls run, which are announced, which wait for a person: ordered rules, first match wins."""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import Field, field_validator

from perdure.domain.model import Compact, JsonObject, JsonValue, canonical_json
from perdure.domain.tools import Effect

__all__ = ["LONGEST", "Level", "Policy", "Rule", "Ruling", "matches_any", "rule_for", "seconds_of", "stricter"]


LONGEST = 315_360_000
"""Seconds, ten years: longer waits are mistakes, and much longer ones no clock can hold."""


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


def seconds_of(value: Any) -> Any:  # noqa: ANN401 - raw input of any kind, pydantic judges the rest
    """Turn "90s", "15m", "2h" or "3d" into seconds; anything else is left for the field's own check."""
    if isinstance(value, str) and value[-1:] in _UNITS and value[:-1].isdigit():
        return int(value[:-1]) * _UNITS[value[-1]]
    return value


class Rule(Compact, frozen=True):
    """One rule; every condition it names must match. Globs are case-sensitive; `arguments` maps names to globs.

    `timeout` (seconds, or "15m") makes silence a decision, `on_timeout`; `approvers` are globs of who may decide.
    """

    level: Level
    agent: str = "*"
    tool: str = "*"
    arguments: dict[str, str] = {}
    effect: tuple[Effect, ...] = ()
    tenant: str = "*"
    timeout: float | None = Field(default=None, gt=0, le=LONGEST, allow_inf_nan=False)
    on_timeout: Literal["reject", "stop"] = "reject"
    on_deny: Literal["continue", "stop"] = "continue"
    approvers: tuple[str, ...] = ()
    quorum: int = 1

    _units = field_validator("timeout", mode="before")(seconds_of)

    @field_validator("quorum")
    @classmethod
    def _one(cls, value: int) -> int:
        if value != 1:
            msg = "a quorum is not in this release: leave it out"
            raise ValueError(msg)
        return value


class Policy(Compact, frozen=True):
    """Ordered rules. With no match pure tools run and every other effect needs `confirm`."""

    rules: tuple[Rule, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical rules: which policy a run went by."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json")).encode()).hexdigest()


class Ruling(Compact, frozen=True):
    """What the policy says of one call; `rule` is None when no rule matched."""

    level: Level
    rule: Rule | None = None


def matches_any(globs: Sequence[str], name: str) -> bool:
    """Whether any of the globs matches."""
    return any(fnmatchcase(name, glob) for glob in globs)


def _as_text(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def _matches(rule: Rule, agent: str, tool: str, effect: Effect, arguments: JsonObject, tenant: str) -> bool:  # noqa: PLR0913, PLR0917 - see rule_for
    return (
        fnmatchcase(agent, rule.agent)
        and fnmatchcase(tool, rule.tool)
        and fnmatchcase(tenant, rule.tenant)
        and (not rule.effect or effect in rule.effect)
        and all(
            name in arguments and fnmatchcase(_as_text(arguments[name]), glob) for name, glob in rule.arguments.items()
        )
    )


STRICTNESS = (Level.NONE, Level.NOTIFY, Level.CONFIRM, Level.REVIEW, Level.DENY)


def stricter(first: Ruling, second: Ruling) -> Ruling:
    """The ruling that asks for more; the first when both ask for the same."""
    return max(first, second, key=lambda ruling: STRICTNESS.index(ruling.level))


def rule_for(  # noqa: PLR0913 - the five things a rule can speak of, and the rules
    policy: Policy, *, agent: str, tool: str, effect: Effect, arguments: JsonObject, tenant: str
) -> Ruling:
    """First rule that matches this call, else the default for its effect."""
    for rule in policy.rules:
        if _matches(rule, agent, tool, effect, arguments, tenant):
            return Ruling(level=rule.level, rule=rule)
    return Ruling(level=Level.NONE if effect is Effect.PURE else Level.CONFIRM)
