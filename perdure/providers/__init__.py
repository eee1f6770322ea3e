"""Model providers by name: adapters are made, and their SDKs imported, when they are first used."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from perdure.domain.errors import UnknownModel
from perdure.domain.ports import Provider

__all__ = ["PROVIDERS", "Providers", "warm"]

PROVIDERS = ("anthropic", "openai", "openai-chat", "scripted")
"""The prefixes of model names that are built in."""

KEYS = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY", "openai-chat": "OPENAI_API_KEY"}


def warm() -> None:
    """Import the SDKs that this process has a key for, so that its first model call does not wait for that."""
    for prefix, key in KEYS.items():
        if os.environ.get(key):
            _maker(prefix, read_timeout=0)


class Providers:
    """Finds the provider of a model `provider:model`.

    `extra` adds providers by name, or replaces built-in ones. `read_timeout`: seconds without a byte from a
    provider after which its connection counts as dead.
    """

    def __init__(self, *, extra: Mapping[str, Provider] | None = None, read_timeout: float = 60) -> None:
        self._made: dict[str, Provider] = dict(extra or {})
        self._read_timeout = read_timeout

    def resolve(self, model: str) -> tuple[Provider, str]:
        """The provider and the model's name without its prefix; UnknownModel lists the prefixes there are."""
        prefix, colon, name = model.partition(":")
        if not colon or not name or not (prefix in self._made or prefix in PROVIDERS):
            names = ", ".join(f"{each}:…" for each in sorted({*PROVIDERS, *self._made}))
            raise UnknownModel(
                f"{model!r} is no model: a name is `provider:model` with one of these providers: {names}",
                details={"model": model},
            )
        if prefix not in self._made:
            self._made[prefix] = _maker(prefix, self._read_timeout)()
        return self._made[prefix], name

    async def close(self) -> None:
        """Close every provider that was used."""
        for provider in self._made.values():
            await provider.close()


def _maker(name: str, read_timeout: float) -> Callable[[], Any]:
    """Imports here and not above: an SDK takes up to a second, and most processes need one or none."""
    match name:
        case "anthropic":
            from perdure.providers.anthropic import AnthropicProvider  # noqa: PLC0415

            return lambda: AnthropicProvider(read_timeout=read_timeout)
        case "openai":
            from perdure.providers.openai import OpenAIProvider  # noqa: PLC0415

            return lambda: OpenAIProvider(read_timeout=read_timeout)
        case "openai-chat":
            from perdure.providers.openai_chat import OpenAIChatProvider  # noqa: PLC0415

            return lambda: OpenAIChatProvider(read_timeout=read_timeout)
        case _:
            from perdure.providers.scripted import ScriptedProvider  # noqa: PLC0415

            return ScriptedProvider
