"""The activity `llm.reply`: one model call over a conversation that is named, not sent."""

import asyncio
import random
from datetime import timedelta
from typing import Protocol

from pydantic_core import from_json
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.answering import Answer
from activities.conversations import Conversations, Known
from activities.failures import defect, to_application_error
from activities.forms import ask, misfit
from activities.heartbeat import heartbeating
from perdure.domain.contracts import contracts
from perdure.domain.errors import AuthenticationFailed, ContextOverflow, KeyMissing, PerdureError
from perdure.domain.messages import AssistantMessage, TextPart
from perdure.domain.ports import Conversation, Provider, ProviderReply, ProviderRequest, TokenUsage
from perdure.domain.run import ModelReply, ModelRequest, Setup
from perdure.providers.text import estimate
from perdure.streams.ports import SILENT, Events

__all__ = ["LlmActivities", "Resolver"]

LONG_WAIT = timedelta(seconds=30)
MARGIN = 10
"""Levels that an answer may come to lie deeper in a later request or page: parsers stop at about 200 in all."""
MAX_REPLY = 1_000_000
"""Bytes of JSON: it must fit into a payload of 2 MiB and, escaped once more, into an answer to a query."""


class Resolver(Protocol):
    """Finds the provider of a model named `provider:model`."""

    def resolve(self, model: str) -> tuple[Provider, str]:
        """Return the provider and the model's name without its prefix."""
        ...


class LlmActivities:
    """Model calls of a worker."""

    def __init__(self, providers: Resolver, conversations: Conversations, events: Events = SILENT) -> None:
        """Use these providers and this cache of conversations; tell of answers there."""
        self._providers = providers
        self._conversations = conversations
        self._events = events
        self._resolved: dict[str, tuple[Provider, str]] = {}

    @activity.defn(name="llm.reply")
    async def reply(self, request: ModelRequest) -> ModelReply:
        """Ask the model once. What passes by itself fails retryably, with the delay to wait as the failure's own.

        A call that the run cancels ends with what was said until then, and stop `interrupted`.
        """
        info = activity.info()
        try:
            async with heartbeating():
                return await self._reply(request, info.attempt)
        except PerdureError as error:
            raise _failure(error, request, info.attempt) from None
        except Exception as error:
            raise defect(error, request.tries + info.attempt) from error

    async def _resolve(self, model: str) -> tuple[Provider, str]:
        if model not in self._resolved:
            # In a thread: the first use of a provider imports its SDK, and heartbeats must go on meanwhile.
            self._resolved[model] = await asyncio.to_thread(self._providers.resolve, model)
        return self._resolved[model]

    async def _reply(self, request: ModelRequest, attempt: int) -> ModelReply:
        known = await self._conversations.find(request.transcript, request.new, request.basis)
        setup = known.setup
        provider, model = await self._resolve(setup.model)
        try:
            provider.check(model)
        except AuthenticationFailed as error:  # not the run's fault: it was prepared where there was a key
            raise KeyMissing(error.message) from error
        if setup.role:
            contracts.get(setup.role)  # a worker without the contract is found out before the model is paid for
        info, epoch = activity.info(), request.tries + attempt
        workflow_id = info.workflow_id or ""
        answer = Answer(self._events, workflow_id, info.workflow_run_id or "", request.turn + 1, epoch)
        answer.begin(setup.model)
        try:
            call = _call(request, known, model, workflow_id, epoch)
            said = await ask(provider, call, request, setup, answer.say)
            found = _result(said, setup)
            reply = _sendable(found.model_copy(update={"misfit": misfit(contracts, said, request, setup)}))
        except ContextOverflow:
            reply = ModelReply(message=AssistantMessage(), stop="context_limit")
        except asyncio.CancelledError:
            if not _cancelled_by_run():
                raise
            reply = _sendable(_broken_off(answer.text, known))
        await answer.end(reply)
        return reply


def _call(request: ModelRequest, known: Known, model: str, workflow_id: str, epoch: int) -> ProviderRequest:
    setup = known.setup
    return ProviderRequest(
        model=model,
        instructions=setup.instructions,
        conversation=Conversation(messages=known.transcript.messages, wire=known.wire),
        tools=() if request.closing else setup.tools,
        output_schema=None if request.closing else setup.output_schema,
        max_output_tokens=request.max_output_tokens,
        effort=setup.settings.effort,
        cache_key=workflow_id,
        attempt=epoch,
        turn=request.turn,
    )


def _cancelled_by_run() -> bool:
    """Whether the run broke the call off; a worker that shuts down leaves it to another one."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested


def _broken_off(text: str, known: Known) -> ModelReply:
    """What was said so far, as words of nobody's: a provider would want its own parts back whole.

    A provider counts at the end, which did not come: the usage is an estimate, of what was sent and what was said.
    """
    setup = known.setup
    sent = known.transcript.size + len(setup.instructions) + sum(len(tool.wire_json()) for tool in setup.tools)
    usage = TokenUsage(input=estimate(sent), output=estimate(len(text)))
    message = AssistantMessage(content=(TextPart(text=text),) if text else ())
    return _result(ProviderReply(message=message, stop="interrupted", usage=usage), setup)


def _failure(error: PerdureError, request: ModelRequest, attempt: int) -> ApplicationError:
    """End the quick tries at once when the provider asks for a long wait: the run waits where people can see it."""
    failure = to_application_error(error, request.tries + attempt, random.random)
    delay = failure.next_retry_delay
    if request.tries or delay is None or delay <= LONG_WAIT:
        return failure
    return ApplicationError(
        failure.message,
        *failure.details,
        type=failure.type,
        non_retryable=True,
        next_retry_delay=delay,
        category=failure.category,
    )


def _sendable(reply: ModelReply) -> ModelReply:
    """The reply, or what is wrong with one that no payload can carry: trying again would only cost again."""
    try:
        json = reply.wire_json().encode()
        from_json(b"[" * MARGIN + json + b"]" * MARGIN)
    except ValueError:
        problem = "the model's answer cannot be stored: it is nested too deeply or holds half characters"
    else:
        if len(json) <= MAX_REPLY:
            return reply
        problem = f"the model's answer has {len(json)} bytes, at most {MAX_REPLY} fit"
    return reply.model_copy(update={"message": AssistantMessage(), "stop": "end", "problem": problem})


def _result(reply: ProviderReply, setup: Setup) -> ModelReply:
    cost = None if setup.price is None else setup.price.cost(reply.usage)
    return ModelReply(
        message=reply.message,
        stop=reply.stop,
        usage=reply.usage,
        cost_usd=cost,
        unused=reply.unused,
        malformed=reply.malformed,
    )
