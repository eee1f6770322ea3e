"""The activity `run.prepare`: everything a run depends on, resolved once and recorded in its history."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from temporalio import activity

from activities.conversations import Conversations
from activities.failures import reporting
from activities.heartbeat import heartbeating
from activities.llm import Resolver
from perdure.domain.agents import AgentSpec, Limits
from perdure.domain.arguments import check_output_schema
from perdure.domain.context import budget_for
from perdure.domain.contracts import Contract, contracts
from perdure.domain.errors import ConfigurationError, InvalidInput
from perdure.domain.model import JsonObject, canonical_json
from perdure.domain.policy import Policy
from perdure.domain.ports import Price
from perdure.domain.react import FINISH
from perdure.domain.run import AgentInput, Setup
from perdure.domain.tools import ToolSpec
from perdure.loading import Definitions
from perdure.settings import Settings

__all__ = ["Catalogue", "Equipment", "PrepareActivities", "Prices", "Windows"]

MAX_SETUP_BYTES = 1_000_000
MAX_NAME = 200
"""Characters of a model's name: a search attribute holds it."""


class Catalogue(Protocol):
    """Finds tools by name."""

    def select(self, globs: Sequence[str]) -> list[ToolSpec]:
        """Tools whose names match any glob; a glob that matches nothing raises UnknownTool."""
        ...


class Windows(Protocol):
    """Finds the context window of a model."""

    def __call__(self, model: str, /) -> int | None:
        """Return tokens, or None when it is not known."""
        ...


class Prices(Protocol):
    """Finds the price of a model."""

    def __call__(self, model: str, /) -> Price | None:
        """Return US dollars per million tokens, or None when no price is known."""
        ...


@dataclass(frozen=True)
class Equipment:
    """What a worker brings to its runs."""

    settings: Settings
    tools: Catalogue
    providers: Resolver
    prices: Prices
    windows: Windows
    search_attributes: bool = False

    @property
    def definitions(self) -> Definitions:
        """The definitions folder of the settings."""
        return Definitions(self.settings.definitions)


class PrepareActivities:
    """Resolution of a worker's runs."""

    def __init__(self, worker: Equipment, conversations: Conversations) -> None:
        """Resolve with what this worker has."""
        self._worker = worker
        self._conversations = conversations

    @activity.defn(name="run.prepare")
    async def prepare(self, given: AgentInput) -> Setup:
        """Resolve agent, model, tools, policy, limits and price; what cannot work fails here, typed and with words."""
        async with reporting(1, lambda: 0.0), heartbeating():
            # In a thread: it reads files, and the first use of a provider imports its SDK.
            setup = await asyncio.to_thread(resolve, self._worker, given)
        self._conversations.remember(activity.info().workflow_id or "", setup)
        return setup


def resolve(worker: Equipment, given: AgentInput) -> Setup:
    """Setup of a run, from what it was given and what the worker has."""
    agent = given.agent if isinstance(given.agent, AgentSpec) else worker.definitions.agent(given.agent)
    contract = _contract(given, agent)
    model = _model(worker, given, agent)
    provider, name = worker.providers.resolve(model)
    provider.check(name)
    limits = Limits().overridden_by(agent.limits).overridden_by(given.limits)
    if given.lineage is not None:  # what is left of the parent's budget must not widen the agent's own
        limits = limits.within(agent.limits)
    price, warnings = worker.prices(model), list[str]()
    if price is None and limits.cost_usd is not None:
        msg = f"cost_usd is limited, but no price is known for {model}: leave the limit out or name a priced model"
        raise InvalidInput(msg)
    if price is None:
        warnings.append(f"no price is known for {model}: cost_usd stays null")
    output_schema = given.output_schema or agent.output_schema
    role = "" if output_schema or contract is None else contract.role
    if contract is not None and role:
        output_schema = contract.output_schema
    if problem := check_output_schema(output_schema or {}):
        msg = f"output_schema: {problem}"
        raise InvalidInput(msg)
    policy, tools = _policy(worker, given, agent), _tools(worker, given, agent)
    setup = Setup(
        agent=agent,
        model=model,
        instructions=agent.instructions,
        tools=tools,
        limits=limits,
        settings=agent.settings,
        output_schema=output_schema,
        policy=policy,
        policy_digest=policy.digest,
        own_policy=agent.policy if given.lineage is not None else None,
        deny=worker.settings.deny_tools,
        price=price,
        search_attributes=worker.search_attributes,
        warnings=tuple(warnings),
        context=budget_for(agent.settings, worker.windows(model)),
        rollover_events=worker.settings.rollover_events,
        unsigned=worker.settings.unsigned_decisions,
        recorded=True,
        notifies=bool(worker.settings.notify_webhook or worker.settings.notify_mail),
        role=role,
        head=_head(agent.instructions, tools, output_schema),
    )
    if (size := len(setup.wire_json().encode())) > MAX_SETUP_BYTES:
        msg = (
            f"instructions, tools, policy and schema are {size} bytes, at most {MAX_SETUP_BYTES} fit: "
            "give the agent fewer tools"
        )
        raise ConfigurationError(msg)
    return setup


def _contract(given: AgentInput, agent: AgentSpec) -> Contract | None:
    """The contract of the agent's role, against which the input is judged."""
    if agent.role is None:
        if given.input is not None:
            msg = f"input: agent {agent.name} has no role that says what it takes: say it in goal or context"
            raise InvalidInput(msg)
        return None
    contract = contracts.get(agent.role)
    if given.input is not None:
        contract.accept(given.input)
    return contract


def _head(instructions: str, tools: Sequence[ToolSpec], schema: JsonObject | None) -> int:
    """Characters that every model call has beside the conversation."""
    written = sum(len(tool.wire_json()) for tool in tools)
    return len(instructions) + written + (0 if schema is None else len(canonical_json(schema)))


def _model(worker: Equipment, given: AgentInput, agent: AgentSpec) -> str:
    """The model that was asked for, the agent's, the parent's, or the worker's default: the first that is named."""
    model = given.model or agent.model or (given.lineage.model if given.lineage else None) or worker.settings.model
    if not model:
        msg = (
            "no model is named: give --model (for example anthropic:claude-opus-5-5), "
            "`model` in the agent, or PERDURE_MODEL in the worker's environment"
        )
        raise ConfigurationError(msg)
    if len(model) > MAX_NAME:
        msg = f"the model's name has {len(model)} characters, at most {MAX_NAME} are allowed"
        raise InvalidInput(msg)
    return model


def _policy(worker: Equipment, given: AgentInput, agent: AgentSpec) -> Policy:
    policy = given.policy if given.policy is not None else agent.policy
    if policy is not None:
        return policy
    return worker.definitions.policy(worker.settings.policy) if worker.settings.policy else Policy()


def _tools(worker: Equipment, given: AgentInput, agent: AgentSpec) -> tuple[ToolSpec, ...]:
    """The agent's tools, narrowed to those the run asks for; an input can never widen what the agent has."""
    own = worker.tools.select(["*"] if agent.tools is None else agent.tools)
    if given.tools is not None:
        asked = {spec.name for spec in worker.tools.select(given.tools)}
        own = [spec for spec in own if spec.name in asked]
    if agent.reasoning == "react" and any(spec.name.casefold() == FINISH for spec in own):
        msg = f"agent {agent.name}: in text form {FINISH!r} ends the work, so no tool can have this name"
        raise ConfigurationError(msg)
    others = ", ".join(worker.definitions.agent_names())
    return tuple(
        spec.model_copy(update={"description": f"{spec.description} Agents: {others}."})
        if spec.name == "delegate"
        else spec
        for spec in own
    )
