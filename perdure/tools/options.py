"""What a declaration says beside the function itself, checked with words for the author of the tool."""

import inspect
import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from string import Formatter
from typing import Any, NoReturn

from perdure.domain.errors import ConfigurationError
from perdure.domain.tools import Effect

__all__ = ["Options", "check_name", "refuse_later"]

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

Hook = Callable[[str], Any]


@dataclass(frozen=True)
class Options:
    """Options of one tool; `where` is the beginning of every error: the tool and its place."""

    where: str
    effect: str = "once"
    ask: str = ""
    timeout: float = 30
    heartbeat: float | None = None
    untrusted: bool = False
    verify: Hook | None = None
    compensate: Hook | None = None

    def check(self, parameters: Collection[str]) -> None:
        """Raise ConfigurationError for the first option that cannot be meant so."""
        self._check_effect()
        self._check_seconds("timeout", self.timeout)
        if self.heartbeat is not None:
            self._check_seconds("heartbeat", self.heartbeat)
            if self.heartbeat >= self.timeout:
                self._fail(f"heartbeat ({self.heartbeat} s) must be shorter than timeout ({self.timeout} s)")
        self._check_ask(parameters)
        for name, hook in (("verify", self.verify), ("compensate", self.compensate)):
            if hook is not None and not _takes_one(hook):
                self._fail(f"{name} must be a function that takes the key of the call: async def {name}(key: str)")

    def _check_effect(self) -> None:
        if self.effect not in list(Effect):
            self._fail(f"effect {self.effect!r} is not one of {', '.join(Effect)}")
        if self.verify is not None and Effect(self.effect).repeatable:
            self._fail(f'verify is for effect="once" and "compensable"; a tool that is {self.effect} simply runs again')
        if self.compensate is not None and self.effect != Effect.COMPENSABLE:
            self._fail(f'compensate needs effect="compensable", not {self.effect!r}')

    def _check_seconds(self, name: str, value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
            self._fail(f"{name} must be a number of seconds above 0, not {value!r}")

    def _check_ask(self, parameters: Collection[str]) -> None:
        try:
            fields = list(Formatter().parse(self.ask))
        except ValueError as error:
            self._fail(f"ask {self.ask!r} is not a template: {error}; write {{{{ and }}}} for braces")
        for _, field, spec, conversion in fields:
            if field is None:
                continue
            if spec or conversion or not field.isidentifier():
                # Attributes and indexes in a template could reach anything; plain names cannot.
                self._fail(f"ask {self.ask!r} may only use plain {{parameter}} names")
            if field not in parameters:
                valid = ", ".join(parameters) or "none"
                self._fail(f"ask names the parameter {field!r}, which does not exist; parameters: {valid}")

    def _fail(self, problem: str) -> NoReturn:
        raise ConfigurationError(f"{self.where}: {problem}")


def check_name(name: str, where: str) -> None:
    """Raise ConfigurationError for a name that model providers do not take."""
    if not NAME.fullmatch(name):
        problem = f"the name {name!r} is not usable: 1 to 64 of the characters a-z A-Z 0-9 _ -"
        raise ConfigurationError(f"{where}: {problem}")


def refuse_later(where: str, **options: object) -> None:
    """Raise ConfigurationError when an option is given that only later releases know."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ConfigurationError(f"{where}: {', '.join(given)}: not part of this release; leave it out")


def _takes_one(hook: object) -> bool:
    if not callable(hook):
        return False
    try:
        inspect.signature(hook).bind("key")
    except TypeError:
        return False
    return True
