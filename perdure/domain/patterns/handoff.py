"""What the pattern `Handoff` takes and comes to: who may hand over to whom, and what the next one sees."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from perdure.domain.agents import AgentSpec, Name
from perdure.domain.arguments import closest
from perdure.domain.model import JsonObject, JsonValue, Model, Partial
from perdure.domain.patterns.steps import PatternInput, PatternResult, Worker
from perdure.domain.run import ContextItem

__all__ = ["Edge", "HandoffAgent", "HandoffInput", "HandoffResult", "Hop", "Sees", "answer_schema", "seen", "too_often"]

Sees = Literal["last", "all", "none"]


class Edge(Partial, frozen=True):
    """An allowed handoff, with what the next one sees of what was said: the message only, all messages, or nothing."""

    to: Name
    sees: Sees | None = None


class HandoffAgent(Partial, frozen=True):
    """One agent of the graph. `hands_off_to` are names, or objects that say what the next one sees.

    Without `agent` the agent of this name is meant. `description` is what those read who may hand over to it.
    """

    agent: Worker | None = None
    hands_off_to: tuple[Name | Edge, ...] = ()
    description: str = ""

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The allowed handoffs."""
        return tuple(Edge(to=item) if isinstance(item, str) else item for item in self.hands_off_to)


class HandoffInput(PatternInput, frozen=True):
    """Input of `Handoff`: a graph of agents, of whom `start` begins; each ends it or hands over along an edge.

    After `max_handoffs`, or when the same handoff (from, to) would happen more than `repeats` times, it ends.
    """

    agents: dict[Name, HandoffAgent] = Field(min_length=1, max_length=200)
    start: Name
    sees: Sees = "last"
    max_handoffs: int = Field(default=10, ge=0, le=1_000)
    repeats: int = Field(default=2, ge=1, le=1_000)

    @model_validator(mode="after")
    def _connected(self) -> Self:
        names = ", ".join(self.agents)
        if self.start not in self.agents:
            msg = f"start: there is no agent {self.start!r}.{closest(self.start, self.agents)} Valid: {names}"
            raise ValueError(msg)
        for name, agent in self.agents.items():
            found = [edge.to for edge in agent.edges]
            for to in found:
                if to not in self.agents:
                    msg = f"agents.{name}.hands_off_to: there is no agent {to!r}.{closest(to, self.agents)}"
                    raise ValueError(f"{msg} Valid: {names}")
                if to == name:
                    msg = f"agents.{name}.hands_off_to: it cannot hand over to itself"
                    raise ValueError(msg)
                if found.count(to) > 1:
                    msg = f"agents.{name}.hands_off_to: {to!r} stands there twice"
                    raise ValueError(msg)
        reached = self._reached()
        if lost := [name for name in self.agents if name not in reached]:
            msg = (
                f"agents.{lost[0]}: nobody reaches it from {self.start!r}: "
                "name it in hands_off_to of an agent that is reached, or leave it out"
            )
            raise ValueError(msg)
        return self

    def _reached(self) -> list[str]:
        reached = [self.start]
        for name in reached:  # grows while it is gone through
            reached += [edge.to for edge in self.agents[name].edges if edge.to not in reached]
        return reached

    def worker(self, name: str) -> Name | AgentSpec:
        """Who does the work under this name."""
        return self.agents[name].agent or name

    def sees_of(self, name: str, to: str) -> Sees:
        """What `to` sees of what was said before, when `name` hands over to it."""
        edge = next(edge for edge in self.agents[name].edges if edge.to == to)
        return edge.sees or self.sees


class Hop(Model, frozen=True):
    """One handoff, with what was said along."""

    by: str
    to: str
    message: str


class HandoffResult(PatternResult, frozen=True):
    """Result of `Handoff`: `path` are the agents in the order they worked, `ended_by` is who gave the final answer."""

    path: tuple[str, ...] = ()
    hops: tuple[Hop, ...] = ()
    ended_by: str = ""


def answer_schema(allowed: Sequence[str], final: JsonObject | None = None) -> JsonObject:
    """What an agent answers: a final answer, or one of the allowed handoffs with a message."""
    one: JsonObject = {
        "type": "object",
        "properties": {"final": final or {"type": "string", "minLength": 1}},
        "required": ["final"],
        "additionalProperties": False,
    }
    if not allowed:
        return one
    names: list[JsonValue] = list(allowed)
    other: JsonObject = {
        "type": "object",
        "properties": {"handoff": {"enum": names}, "message": {"type": "string", "minLength": 1}},
        "required": ["handoff", "message"],
        "additionalProperties": False,
    }
    return {"type": "object", "anyOf": [one, other]}


def seen(hops: Sequence[Hop], sees: Sees) -> list[ContextItem]:
    """What the next agent is shown of the handoffs so far."""
    chosen = hops[-1:] if sees == "last" else hops if sees == "all" else ()
    return [ContextItem(title=f"{hop.by} to {hop.to}", text=hop.message) for hop in chosen]


def too_often(hops: Sequence[Hop], by: str, to: str, repeats: int) -> bool:
    """Whether this handoff has happened `repeats` times already."""
    return Counter((hop.by, hop.to) for hop in hops)[by, to] >= repeats
