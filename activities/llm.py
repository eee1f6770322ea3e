"""The activity `llm.reply`: one model call over a conversation that is named, not sent."""

import asyncio
import random
from typing import Protocol

from temporalio import activity

from activities.conversations import Conversations
from activities.failures import to_application_error
from activities.heartbeat import heartbeating
from perdure.domain.errors import ContextOverflow, PerdureError
from perdure.domain.messages import AssistantMessage
from perdure.domain.ports import Provider, ProviderReply, ProviderRequest
from perdure.domain.run import ModelReply, ModelRequest, Setup

__all__ = ["LlmActivities", "Resolver"]


class Resolver(Protocol):
    """Finds the provider of a model named `provider:model`."""

    def resolve(self, model: str) -> tuple[Provider, str]:
        """Return the provider and the model's name without its prefix."""
        ...


class LlmActivities:
    """Model calls of a worker."""

    def __init__(self, providers: Resolver, conversations: Conversations) -> None:
        """Use these providers and this cache of conversations."""
        self._providers = providers
        self._conversations = conversations

    @activity.defn(name="llm.reply")
    async def reply(self, request: ModelRequest) -> ModelReply:
        """Ask the model once. What passes by itself fails retryably, with the delay to wait as the failure's own."""
        info = activity.info()
        try:
            async with heartbeating():
                return await self._reply(request, info.attempt)
        except PerdureError as error:
            raise to_application_error(error, request.tries + info.attempt, random.random) from error

    async def _reply(self, request: ModelRequest, attempt: int) -> ModelReply:
        setup, conversation = await self._conversations.find(request)
        # In a thread: the first use of a provider imports its SDK, and heartbeats must go on meanwhile.
        provider, model = await asyncio.to_thread(self._providers.resolve, setup.model)
        call = ProviderRequest(
            model=model,
            instructions=setup.instructions,
            conversation=conversation,
            tools=setup.tools,
            output_schema=setup.output_schema,
            max_output_tokens=request.max_output_tokens,
            effort=setup.settings.effort,
            cache_key=activity.info().workflow_id or "",
            attempt=request.tries + attempt,
        )
        try:
            reply = await provider.reply(call, _nothing)
        except ContextOverflow:
            return ModelReply(message=AssistantMessage(), stop="context_limit")
        return _result(reply, setup)


def _nothing() -> None:
    """Heartbeats are sent by the clock; streaming to people comes with a later release."""


def _result(reply: ProviderReply, setup: Setup) -> ModelReply:
    cost = None if setup.price is None else setup.price.cost(reply.usage)
    return ModelReply(message=reply.message, stop=reply.stop, usage=reply.usage, cost_usd=cost, unused=reply.unused)
