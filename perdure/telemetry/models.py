"""Measures every call of a model provider, whatever it is for: span, tokens, cost, seconds."""

import time
from collections.abc import Callable
from typing import Protocol

from temporalio import activity

from perdure.domain.errors import PerdureError
from perdure.domain.ports import Price, Provider, ProviderReply, ProviderRequest
from perdure.telemetry import meters
from perdure.telemetry.meters import Meter
from perdure.telemetry.spans import NO_SPANS, Spans, Value

__all__ = ["MeasuredProvider", "MeasuredProviders", "Resolver"]

SCRIPTED = "scripted"
NAMES = {"openai-chat": "openai"}
"""What the GenAI conventions call a provider, where we call it otherwise."""


class Resolver(Protocol):
    """Finds the provider of a model named `provider:model`."""

    def resolve(self, model: str, /) -> tuple[Provider, str]:
        """Return the provider and the model's name without its prefix."""
        ...


class MeasuredProviders:
    """Providers whose calls are measured."""

    def __init__(
        self,
        inner: Resolver,
        prices: Callable[[str], Price | None],
        spans: Spans = NO_SPANS,
        meter: Meter = activity.metric_meter,
    ) -> None:
        """Measure what `inner` finds, priced by `prices`."""
        self._inner = inner
        self._prices = prices
        self._spans = spans
        self._meter = meter
        self._known = set[str]()

    def resolve(self, model: str) -> tuple[Provider, str]:
        """As the inner one does."""
        provider, name = self._inner.resolve(model)
        prefix = model.partition(":")[0]
        # The name of a script is a path, which is no label.
        label = meters.bounded(self._known, SCRIPTED if prefix == SCRIPTED else model)
        measured = MeasuredProvider(provider, prefix, label, self._prices(model), self._spans, self._meter)
        return measured, name


class MeasuredProvider:
    """One model of a provider, with each call measured."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a measurement is made of
        self, inner: Provider, prefix: str, label: str, price: Price | None, spans: Spans, meter: Meter
    ) -> None:
        """`label` names the model in metrics, `prefix` its provider in spans."""
        self._inner = inner
        self._prefix = prefix
        self._label = label
        self._price = price
        self._spans = spans
        self._meter = meter

    def check(self, model: str) -> None:
        """As the inner one does."""
        self._inner.check(model)

    async def reply(self, request: ProviderRequest, progress: Callable[[str], None]) -> ProviderReply:
        """Call the model in a span of its own, and count what came of it."""
        model = SCRIPTED if self._prefix == SCRIPTED else request.model
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": NAMES.get(self._prefix, self._prefix),
            "gen_ai.request.model": model,
            "gen_ai.request.max_tokens": request.max_output_tokens,
            "gen_ai.conversation.id": request.cache_key,
            "perdure.turn": request.turn,
            "perdure.attempt": request.attempt,
            "perdure.purpose": request.purpose,
        }
        begin, outcome = time.monotonic(), "interrupted"
        try:
            with self._spans.span(f"chat {model}", attributes) as note:
                reply = await self._inner.reply(request, progress)
                note(_answered(reply))
            outcome = reply.stop
        except PerdureError as error:
            outcome = error.code
            raise
        finally:
            meters.MODEL_TIME.record(self._meter(), time.monotonic() - begin, model=self._label, outcome=outcome)
        self._count(reply)
        return reply

    async def close(self) -> None:
        """As the inner one does."""
        await self._inner.close()

    def _count(self, reply: ProviderReply) -> None:
        meter, usage = self._meter(), reply.usage
        meters.TOKENS.add(meter, usage.input, direction="input", model=self._label)
        meters.TOKENS.add(meter, usage.output, direction="output", model=self._label)
        if self._price is not None:
            meters.COST.record(meter, self._price.cost(usage), model=self._label)


def _answered(reply: ProviderReply) -> dict[str, Value]:
    found: dict[str, Value] = {
        "gen_ai.usage.input_tokens": reply.usage.input,
        "gen_ai.usage.output_tokens": reply.usage.output,
        "gen_ai.usage.cache_read.input_tokens": reply.usage.cache_read,
        "gen_ai.usage.cache_creation.input_tokens": reply.usage.cache_write,
        "gen_ai.response.finish_reasons": (reply.stop,),
    }
    return found | ({"gen_ai.response.model": reply.model} if reply.model else {})
