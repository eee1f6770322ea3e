"""An agent as data: what it is told, which model and tools it has, and how far it may go."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, StringConstraints

from perdure.domain.context import ContextSettings
from perdure.domain.model import JsonObject, Partial
from perdure.domain.policy import LONGEST, Policy

__all__ = ["AgentSettings", "AgentSpec", "Limits", "Name", "later"]

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]

T = TypeVar("T")


def later(feature: str) -> AfterValidator:
    """Refuse any value but the empty default of a contract field whose feature this release does not have."""

    def refuse(value: Any) -> Any:  # noqa: ANN401 - any type of field may come later
        if value:
            msg = f"{feature} is not in this release: leave it out"
            raise ValueError(msg)
        return value

    return AfterValidator(refuse)


class Limits(Partial, frozen=True):
    """Bounds of one run. A value that is missing means the default; one of a wrong type, zero or negative is refused.

    `tokens` counts input and output, `seconds` working time (waiting for people, pauses and outages do not count),
    `depth` levels of delegation below the first run, `deadline` the wall clock.
    """

    model_config = ConfigDict(strict=True)

    turns: int = Field(default=30, gt=0)
    tool_calls: int = Field(default=100, gt=0)
    tokens: int = Field(default=1_000_000, gt=0)
    cost_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    seconds: float = Field(default=86_400, gt=0, le=LONGEST, allow_inf_nan=False)
    depth: int = Field(default=3, gt=0)
    deadline: Annotated[datetime, AwareDatetime] | None = None

    def overridden_by(self, other: "Limits | None") -> "Limits":
        """These limits with every field that `other` names taken from it."""
        if other is None:
            return self
        return self.model_copy(update={name: getattr(other, name) for name in other.model_fields_set})

    def within(self, other: "Limits | None") -> "Limits":
        """These limits with every field that `other` names lowered to it where `other` is the stricter."""
        named = {} if other is None else {name: getattr(other, name) for name in other.model_fields_set}
        own = {name: getattr(self, name) for name in named}
        stricter = {
            name: value if own[name] is None else min(value, own[name])
            for name, value in named.items()
            if value is not None
        }
        return self.model_copy(update=stricter)


class AgentSettings(Partial, frozen=True):
    """How the model is asked. `max_output_tokens` bounds one answer; `effort` is the provider's reasoning effort."""

    max_output_tokens: int = Field(default=8192, gt=0)
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    context: ContextSettings = ContextSettings()


class AgentSpec(Partial, frozen=True):
    """An agent. Without `tools` it has every registered tool; an empty list means none.

    `reasoning` says how it thinks and calls tools: by native tool calls (`tools`), by text for models without them
    (`react`), step by step with an answer at the end (`cot`), or over a small tree of thoughts first (`tot`). `role`
    names the contract that its input and its answer must fulfil.
    """

    name: Name
    description: str = ""
    instructions: str = ""
    model: str | None = None
    models: Annotated[JsonObject, later("models (roles)")] = {}
    fallbacks: Annotated[tuple[str, ...], later("fallbacks")] = ()
    tools: tuple[str, ...] | None = None
    limits: Limits | None = None
    reasoning: Literal["tools", "react", "cot", "tot"] = "tools"
    output_schema: JsonObject | None = None
    role: Name | None = None
    handoffs: Annotated[tuple[str, ...], later("handoffs")] = ()
    policy: Policy | None = None
    memory: Annotated[JsonObject | None, later("memory")] = None
    settings: AgentSettings = AgentSettings()
