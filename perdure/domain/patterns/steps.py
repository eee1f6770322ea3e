"""What every pattern takes and comes to, and the steps that it is made of."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, StringConstraints

from perdure.domain.agents import AgentSpec, Limits, Name
from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonObject, JsonValue, Partial, canonical_json
from perdure.domain.policy import Seconds
from perdure.domain.results import StepResult
from perdure.domain.run import AgentInput, ContextItem, RunResult, StopReason, Usage

__all__ = [
    "MAX_STEPS",
    "Done",
    "Found",
    "PatternInput",
    "PatternResult",
    "Step",
    "StepId",
    "StepSpec",
    "Worker",
    "named",
    "text_of",
]

MAX_STEPS = 3_000
"""Child runs of one pattern: its history takes about twelve events for each, and 51,200 in all."""

StepId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Worker = Name | AgentSpec
"""Who does a step: the name of an agent, or a whole agent."""


class PatternInput(AgentInput, frozen=True):
    """Input of every pattern: `goal` is the task, `agent` does the steps that name nobody else.

    `limits` bound the whole: tokens, tool calls and money are leased to the steps, `turns` bounds each agent.
    """

    max_concurrent: int = Field(default=8, ge=1, le=100)

    @property
    def own(self) -> AgentInput:
        """What the pattern's own run is prepared from: it calls no tools itself."""
        named = {name: getattr(self, name) for name in self.model_fields_set & AgentInput.model_fields.keys()}
        return AgentInput.model_validate({**named, "tools": ()})


class PatternResult(RunResult, frozen=True):
    """Result of every pattern: that of a run, and its steps with what each came to.

    `evaluation_score` (0 to 1) is how good the output was found to be, None when the pattern does not score it.
    """

    steps: tuple[StepResult, ...] = ()
    evaluation_score: float | None = None


@dataclass(frozen=True)
class Step:
    """One child run to be. `agent` None is the input's; `workflow` other than Agent takes `given` as further input.

    `timeout` is in seconds; a step that fails is tried `retries` times more; `iteration` counts from 1.
    """

    id: str
    goal: str
    agent: Worker | None = None
    context: tuple[ContextItem, ...] = ()
    output_schema: JsonObject | None = None
    tools: tuple[str, ...] | None = None
    model: str | None = None
    limits: Limits | None = None
    timeout: float | None = None
    retries: int = 0
    workflow: str = "Agent"
    given: JsonObject = field(default_factory=dict[str, JsonValue])
    iteration: int = 1


class StepSpec(Partial, frozen=True):
    """A step as people write it. Without `goal` it has the pattern's, without `agent` the pattern's agent does it.

    `timeout` is in seconds or as "15m"; a step that fails is tried `retries` times more.
    """

    id: StepId | None = None
    goal: Annotated[str, StringConstraints(min_length=1)] | None = None
    agent: Worker | None = None
    context: tuple[str | ContextItem, ...] = ()
    output_schema: JsonObject | None = None
    tools: tuple[str, ...] | None = None
    model: str | None = None
    limits: Limits | None = None
    timeout: Seconds | None = None
    retries: int = Field(default=0, ge=0, le=10)

    def step(self, name: str, goal: str, context: Iterable[ContextItem] = (), iteration: int = 1) -> Step:
        """The step to run: `name` and `goal` stand where it has none of its own, `context` comes after its own."""
        own = tuple(ContextItem(text=item) if isinstance(item, str) else item for item in self.context)
        return Step(
            id=self.id or name,
            goal=self.goal or goal,
            agent=self.agent,
            context=(*own, *context),
            output_schema=self.output_schema,
            tools=self.tools,
            model=self.model,
            limits=self.limits,
            timeout=self.timeout,
            retries=self.retries,
            iteration=iteration,
        )


def named(steps: Sequence[StepSpec], prefix: str) -> list[str]:
    """An id for each step: its own, else `prefix` and its number. Raises ValueError when two are the same."""
    names = [step.id or f"{prefix}-{number}" for number, step in enumerate(steps, start=1)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        msg = f"two steps are called {twice[0]!r}: ids must differ"
        raise ValueError(msg)
    return names


@dataclass(frozen=True)
class Done:
    """What a step came to. `error` is None exactly when it succeeded; `details` are what a pattern answers beyond."""

    step: Step
    report: StepResult
    output: JsonValue = None
    error: ErrorInfo | None = None
    usage: Usage = field(default_factory=Usage)
    details: JsonObject = field(default_factory=dict[str, JsonValue])

    @property
    def success(self) -> bool:
        """Whether the step reached its goal."""
        return self.error is None

    @property
    def text(self) -> str:
        """The output as a model reads it."""
        return text_of(self.output)

    def as_context(self, title: str = "") -> ContextItem:
        """The output as context of another step."""
        return ContextItem(title=title or self.step.id, text=self.text)


@dataclass(frozen=True)
class Found:
    """What a pattern came to: its output, and the fields that its result has beyond those of every pattern.

    `error` says that it did not succeed; `output` then is the best that was reached.
    """

    output: JsonValue
    details: Mapping[str, object] = field(default_factory=dict[str, object])
    error: ErrorInfo | None = None
    reason: StopReason = StopReason.ERROR
    """Why it ended, when there is an error."""
    warnings: tuple[str, ...] = ()
    """What people should know of a result, also of a successful one."""
    score: float | None = None
    """The `evaluation_score` of the result."""


def text_of(value: JsonValue) -> str:
    """A value as text: what is text already stays so."""
    return value if isinstance(value, str) else canonical_json(value)
