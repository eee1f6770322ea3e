"""`@tool` and `register`: how code tells Perdure about a tool."""

import inspect
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any, Literal, TypeVar, overload

from perdure.domain.arguments import check_schema
from perdure.domain.errors import ConfigurationError
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.tools import Effect, ToolSpec
from perdure.tools.options import Hook, Options, check_name, refuse_later
from perdure.tools.registry import AsyncHook, Tool, default_registry
from perdure.tools.signature import read_signature
from perdure.tools.threads import in_thread

__all__ = ["EffectName", "declare", "register", "tool"]

EffectName = Literal["pure", "idempotent", "once", "compensable"]
F = TypeVar("F", bound=Callable[..., Any])


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(
    *,
    effect: EffectName = "once",
    ask: str = "",
    timeout: float = 30,
    heartbeat: float | None = None,
    untrusted: bool = False,
    verify: Hook | None = None,
    compensate: Hook | None = None,
    queue: str | None = None,
    hooks: object = None,
    fallback: object = None,
) -> Callable[[F], F]: ...
def tool(  # noqa: PLR0913 - each is a keyword of the public contract
    function: F | None = None,
    /,
    *,
    effect: EffectName = "once",
    ask: str = "",
    timeout: float = 30,
    heartbeat: float | None = None,
    untrusted: bool = False,
    verify: Hook | None = None,
    compensate: Hook | None = None,
    queue: str | None = None,
    hooks: object = None,
    fallback: object = None,
) -> F | Callable[[F], F]:
    """Declare a typed function as a tool; it stays callable as it is.

    Name and parameters come from the signature, the description is the first paragraph of the docstring. An async
    function runs on the tools' event loop, a plain one in a thread of its own. Whatever it returns must be text or
    JSON; an exception becomes an error the model reads.

    `effect`: "pure", "idempotent", "once" or "compensable": what may be run again, and what asks a person first.
    `ask`: question for that person, with `{parameter}` names. `timeout`: seconds for one attempt. `heartbeat`: the
    tool is stopped unless it calls `current_call().heartbeat()` at least every so many seconds. `untrusted`: what it
    returns was written by strangers. `verify(key)`: tells whether the call with this key happened: returns its
    result, returns or raises NotHappened, or raises anything else when it cannot tell. `compensate(key)`: undoes it.
    `queue`, `hooks` and `fallback` belong to later releases and are refused. Mistakes are a ConfigurationError.
    """

    def decorate(target: F) -> F:
        later = {"queue": queue, "hooks": hooks, "fallback": fallback}
        refuse_later(_where(target), **later)
        given = Options(_where(target), effect, ask, timeout, heartbeat, untrusted, verify, compensate)
        default_registry.add(declare(target, given))
        return target

    return decorate if function is None else decorate(function)


def register(  # noqa: PLR0913 - each is a keyword of the public contract
    *,
    name: str,
    description: str,
    schema: Mapping[str, Any],
    call: Callable[..., Awaitable[Any]],
    effect: EffectName = "once",
    ask: str = "",
    timeout: float = 30,
    heartbeat: float | None = None,
    untrusted: bool = False,
    verify: Hook | None = None,
    compensate: Hook | None = None,
    queue: str | None = None,
    hooks: object = None,
    fallback: object = None,
) -> None:
    """Register a tool that has no Python signature of its own: `await call(**arguments)`.

    `schema` is the JSON Schema (2020-12) of the arguments; they are checked against it before every call. The other
    options are those of `tool`.
    """
    # The place of the call is what an error about duplicates must name.
    frame = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the documented way to a caller
    source = _place(frame.f_code.co_filename, frame.f_lineno)
    where = f"register(name={name!r}) at {source}"
    refuse_later(where, queue=queue, hooks=hooks, fallback=fallback)
    check_name(name, where)
    copy = _checked_schema(schema, where)
    if not description.strip():
        raise ConfigurationError(f"{where}: the description is empty; it is what the model reads")
    if not inspect.iscoroutinefunction(call) and not inspect.iscoroutinefunction(getattr(call, "__call__", None)):  # noqa: B004 - asks whether it is async
        raise ConfigurationError(f"{where}: call must be an async function")
    given = Options(where, effect, ask, timeout, heartbeat, untrusted, verify, compensate)
    properties = copy.get("properties")
    given.check(properties if isinstance(properties, dict) else {})
    spec = _spec(name, description.strip(), copy, given, source)

    async def run(arguments: JsonObject) -> Any:  # noqa: ANN401 - whatever the tool returns
        return await call(**arguments)

    module = str(frame.f_globals.get("__name__", ""))
    default_registry.add(Tool(spec, module, run, _as_async(verify), _as_async(compensate)))


def declare(function: Callable[..., Any], given: Options | None = None) -> Tool:
    """Build the Tool of a function without registering it."""
    options = given or Options(_where(function))
    where = options.where
    if not isinstance(function, FunctionType):
        raise ConfigurationError(f"{where}: @tool goes on a function; use perdure.tools.register for anything else")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"{where}: a tool returns its result, it cannot yield")
    check_name(function.__name__, where)
    signature = read_signature(function, where)
    options.check(signature.parameters)
    spec = _spec(function.__name__, signature.description, signature.schema, options, _source(function))

    async def run(arguments: JsonObject) -> Any:  # noqa: ANN401 - whatever the tool returns
        return await _call_of(function)(**signature.bind(arguments))

    return Tool(spec, function.__module__, run, _as_async(options.verify), _as_async(options.compensate))


def _spec(name: str, description: str, parameters: JsonObject, given: Options, source: str) -> ToolSpec:
    return ToolSpec(
        name=name,
        description=description,
        parameters=parameters,
        effect=Effect(given.effect),
        ask=given.ask,
        timeout=given.timeout,
        heartbeat=given.heartbeat,
        untrusted=given.untrusted,
        verify=given.verify is not None,
        compensate=given.compensate is not None,
        source=source,
    )


def _checked_schema(schema: object, where: str) -> JsonObject:
    try:
        copy: JsonValue = json.loads(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{where}: the schema is not JSON: {error}") from error
    if not isinstance(copy, dict):
        raise ConfigurationError(f"{where}: the schema must be an object, not {type(schema).__name__}")
    if problem := check_schema(copy):
        raise ConfigurationError(f"{where}: {problem}")
    return copy


def _call_of(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Return the function itself when it is async, else a way to run it in a thread of its own."""
    return function if inspect.iscoroutinefunction(function) else in_thread(function)


def _as_async(hook: Hook | None) -> AsyncHook | None:
    return None if hook is None else _call_of(hook)


def _where(target: object) -> str:
    return f"tool {getattr(target, '__name__', repr(target))!r} at {_source(target)}"


def _source(target: object) -> str:
    code = getattr(inspect.unwrap(target) if callable(target) else target, "__code__", None)
    return "unknown place" if code is None else _place(code.co_filename, code.co_firstlineno)


def _place(filename: str, line: int) -> str:
    """Return `file:line` without the machine's part of the path: it travels in histories."""
    path = Path(filename)
    roots = sorted((Path(entry or ".").absolute() for entry in {*sys.path, ""}), key=lambda root: -len(root.parts))
    inside = next((root for root in roots if path.is_relative_to(root)), path.parent)
    return f"{path.relative_to(inside).as_posix()}:{line}"
