"""Tools that bring their own schema."""

from collections.abc import Generator
from functools import partial
from typing import Any

import pytest

from perdure.domain.errors import ConfigurationError
from perdure.domain.model import JsonValue
from perdure.tools import ToolHost, default_registry, register
from tests.tools.helpers import Caller

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture(autouse=True)
def own_names() -> Generator[None]:
    """Takes what a test registers out of the default registry again."""
    yield
    default_registry.forget(__name__)


async def weather(prefix: str = "", **arguments: JsonValue) -> dict[str, Any]:
    """Say what was asked."""
    return {"prefix": prefix, "got": arguments}


async def test_arguments_are_checked_and_passed_by_name() -> None:
    """`call(**arguments)` is awaited with what fits the schema, and never with what does not."""
    register(name="weather-now", description="Weather.", schema=SCHEMA, effect="pure", call=partial(weather, "a"))
    host = ToolHost()
    call = Caller(host)
    good = await call("weather-now", city="Ulm")
    bad = await call("weather-now", city=5)
    await host.close()
    assert good.text == '{"prefix":"a","got":{"city":"Ulm"}}'
    assert (bad.error, bad.text) == (
        "INVALID_ARGUMENTS",
        "Invalid arguments for weather-now: city: must be string, not number 5",
    )


async def test_the_schema_is_kept_as_it_was() -> None:
    """Changing the dictionary later does not change the tool."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    register(name="weather", description="Weather.", schema=schema, call=weather)
    schema["properties"] = {}
    found = default_registry.get("weather")
    assert found is not None
    assert found.spec.parameters["properties"] == {"city": {"type": "string"}}
    assert found.spec.source.startswith("tests/tools/test_register.py:")


def not_async(**_arguments: JsonValue) -> str:
    """Answer at once."""
    return ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": {"type": "array"}}, '"type": "object"'),
        ({"schema": {}}, '"type": "object"'),
        ({"schema": {"type": "objekt"}}, "type: 'objekt'"),
        ({"schema": {"type": "object", "properties": {"a": {"minimum": "x"}}}}, "properties.a.minimum"),
        ({"schema": {"type": "object", "properties": {"a": {"$ref": "http://example.com/x"}}}}, "only references"),
        ({"schema": {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}}}, "leads nowhere"),
        ({"schema": {"type": "object", "x": object()}}, "not JSON"),
        ({"schema": [1]}, "must be an object"),
        ({"name": "a b"}, "not usable"),
        ({"name": "x" * 65}, "not usable"),
        ({"description": " "}, "description is empty"),
        ({"call": not_async}, "async function"),
        ({"call": "x"}, "async function"),
        ({"effect": "never"}, "effect 'never'"),
        ({"ask": "{town}?"}, "parameters: city"),
        ({"queue": "q"}, "not part of this release"),
    ],
)
def test_what_cannot_be_registered(change: dict[str, Any], words: str) -> None:
    """Each mistake is named with the place of the registration."""
    given: dict[str, Any] = {"name": "weather", "description": "Weather.", "schema": SCHEMA, "call": weather}
    with pytest.raises(ConfigurationError) as caught:
        register(**(given | change))
    assert words in caught.value.message
    assert "test_register.py:" in caught.value.message
    assert default_registry.get("weather") is None


def test_duplicates_name_both_places() -> None:
    """The places are those of the two registrations."""
    register(name="weather", description="Weather.", schema=SCHEMA, call=weather)
    with pytest.raises(ConfigurationError, match=r"test_register\.py:\d+ and .*test_register\.py:\d+"):
        register(name="weather", description="Weather.", schema=SCHEMA, call=weather)
