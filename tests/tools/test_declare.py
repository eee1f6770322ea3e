"""What a declaration makes of a function, and what it refuses."""

from collections.abc import Callable, Generator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from perdure.domain.errors import ConfigurationError
from perdure.domain.tools import Effect
from perdure.tools import default_registry, tool
from perdure.tools.declare import declare
from perdure.tools.options import Options


@pytest.fixture(autouse=True)
def own_names() -> Generator[None]:
    """Takes what a test declares out of the default registry again."""
    yield
    default_registry.forget(__name__)


class Line(BaseModel):
    """One line of an order."""

    item: str
    count: int = 1


def test_the_example_of_the_contract() -> None:
    """The declaration that users are shown gives schema, description, effect and question."""

    @tool(effect="once", ask="Send an invoice of {cents} cents to {customer}")
    async def send_invoice(customer: str, cents: int) -> str:  # noqa: ARG001 - only its signature counts
        """Send an invoice. The first paragraph is what the model reads."""
        return "sent"

    declared = default_registry.get("send_invoice")
    assert declared is not None
    assert declared.spec.description == "Send an invoice. The first paragraph is what the model reads."
    assert declared.spec.effect is Effect.ONCE
    assert declared.spec.ask == "Send an invoice of {cents} cents to {customer}"
    assert declared.spec.parameters == {
        "type": "object",
        "properties": {"customer": {"type": "string"}, "cents": {"type": "integer"}},
        "required": ["customer", "cents"],
        "additionalProperties": False,
    }
    assert declared.spec.source.startswith("tests/tools/test_declare.py:")


async def test_the_function_stays_callable() -> None:
    """A user's unit test calls the function as it was written."""

    @tool
    async def double(n: int) -> int:
        """Double a number."""
        return 2 * n

    assert await double(4) == 8
    found = default_registry.get("double")
    assert found is not None
    assert found.spec.effect is Effect.ONCE


def test_descriptions_constraints_and_defaults_reach_the_schema() -> None:
    """Annotated fields, literals, models and defaults are in the schema; made-up titles are not."""

    def order(
        lines: list[Line],
        schema: Annotated[int, Field(description="version", ge=1)] = 2,
        kind: Literal["fast", "slow"] = "slow",
        note: str | None = None,
    ) -> str:
        """Order things.

        Further words are for people.
        """
        return f"{lines}{schema}{kind}{note}"

    spec = declare(order).spec
    assert spec.description == "Order things."
    assert spec.parameters["required"] == ["lines"]
    properties = spec.parameters["properties"]
    assert isinstance(properties, dict)
    assert properties["schema"] == {"type": "integer", "description": "version", "minimum": 1, "default": 2}
    assert properties["kind"] == {"type": "string", "enum": ["fast", "slow"], "default": "slow"}
    assert properties["note"] == {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}


async def test_arguments_become_python_values() -> None:
    """A parameter that is a model gets the model, and what is not given has the function's own default."""

    async def order(lines: list[Line], copy: int = 7) -> str:
        """Order things."""
        return f"{type(lines[0]).__name__} {lines[0].count} {copy}"

    call = declare(order).call
    assert call is not None
    assert await call({"lines": [{"item": "pen", "count": 3}]}) == "Line 3 7"


def no_docstring(n: int) -> int:  # noqa: D103 - that is the point
    return n


def no_annotation(n) -> str:  # noqa: ANN001  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]
    """Do it."""
    return str(n)  # pyright: ignore[reportUnknownArgumentType]


def variadic(*numbers: int) -> str:
    """Do it."""
    return str(numbers)


def keywords(**numbers: int) -> str:
    """Do it."""
    return str(numbers)


def positional(n: int, /) -> str:
    """Do it."""
    return str(n)


def wrong_type(where: Generator[int], then: Callable[..., Any]) -> str:
    """Do it."""
    return f"{where}{then}"


def inner_default(n: Annotated[int, Field(default=3)]) -> str:
    """Do it."""
    return str(n)


def field_default(n: int = Field(default=3)) -> str:
    """Do it."""
    return str(n)


def unreadable(n: "Missing") -> str:  # noqa: F821  # pyright: ignore[reportUndefinedVariable, reportUnknownParameterType]
    """Do it."""
    return str(n)  # pyright: ignore[reportUnknownArgumentType]


def yields(n: int) -> Generator[int]:
    """Do it."""
    yield n


def long_name(n: int) -> str:
    """Do it."""
    return str(n)


long_name.__name__ = "x" * 65
WRONG: list[tuple[Callable[..., Any], str]] = [
    (no_docstring, "no docstring"),
    (no_annotation, "parameter 'n' has no type annotation"),
    (variadic, "*numbers"),
    (keywords, "**numbers"),
    (positional, "positional-only"),
    (wrong_type, "parameter 'then' has a type that cannot come from JSON"),
    (inner_default, "give the default in the signature"),
    (field_default, "write Annotated"),
    (unreadable, "Missing"),
    (yields, "cannot yield"),
    (long_name, "is not usable: 1 to 64 of"),
    (Line, "goes on a function"),
]


@pytest.mark.parametrize(("function", "words"), WRONG)
def test_functions_that_cannot_be_tools(function: Callable[..., Any], words: str) -> None:
    """Each mistake is named, with the tool and its place."""
    with pytest.raises(ConfigurationError) as caught:
        declare(function)
    assert words in caught.value.message
    assert f"tool {function.__name__!r} at " in caught.value.message


async def verified(key: str) -> str:
    """Read the call back."""
    return key


async def keyless() -> str:
    """Take no key."""
    return ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"effect": "twice"}, "effect 'twice' is not one of pure, idempotent, once, compensable"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0, not 0"),
        ({"timeout": float("nan")}, "not nan"),
        ({"timeout": True}, "not True"),
        ({"timeout": "5"}, "not '5'"),
        ({"heartbeat": -1}, "heartbeat must be"),
        ({"heartbeat": 40}, "shorter than timeout"),
        ({"ask": "Pay {amount}?"}, "'amount', which does not exist; parameters: n"),
        ({"ask": "Pay {n.real}?"}, "plain {parameter} names"),
        ({"ask": "Pay {n!r}?"}, "plain {parameter} names"),
        ({"ask": "Pay {}?"}, "plain {parameter} names"),
        ({"ask": "Pay {n?"}, "not a template"),
        ({"compensate": verified}, 'compensate needs effect="compensable"'),
        ({"verify": verified, "effect": "pure"}, "simply runs again"),
        ({"verify": keyless}, "takes the key"),
        ({"verify": "yes"}, "takes the key"),
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, Any], words: str) -> None:
    """A wrong option is refused with what would be valid."""

    def pay(n: int) -> str:
        """Pay."""
        return str(n)

    with pytest.raises(ConfigurationError) as caught:
        declare(pay, Options("tool 'pay'", **options))
    assert words in caught.value.message
    assert caught.value.message.startswith("tool 'pay'")


@pytest.mark.parametrize("option", ["queue", "hooks", "fallback"])
def test_options_of_later_releases_are_refused(option: str) -> None:
    """Nothing is silently ignored."""
    later: dict[str, Any] = {option: "x"}

    def pay(n: int) -> str:
        """Pay."""
        return str(n)

    with pytest.raises(ConfigurationError, match=f"{option}: not part of this release"):
        tool(**later)(pay)
    assert default_registry.get("pay") is None


def test_a_second_tool_of_the_same_name_names_both_places() -> None:
    """Whoever meets the clash can find both declarations."""

    def clash(n: int) -> str:
        """Do it."""
        return str(n)

    tool(clash)
    with pytest.raises(ConfigurationError, match=r"'clash': .*test_declare\.py:\d+ and .*test_declare\.py:\d+"):

        @tool
        def clash(n: int) -> str:  # pyright: ignore[reportRedeclaration, reportUnusedFunction]
            """Do it otherwise."""
            return str(n)


def test_hooks_are_announced_in_the_spec() -> None:
    """The workflow sees that a tool can be asked and undone."""

    async def pay(n: int) -> str:
        """Pay."""
        return str(n)

    spec = declare(pay, Options("test", effect="compensable", verify=verified, compensate=verified)).spec
    assert (spec.verify, spec.compensate, spec.effect) == (True, True, Effect.COMPENSABLE)
