"""Arguments against a schema: the words a model gets, and what can never happen."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.domain.arguments import check_arguments, check_schema, check_value, closest

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "customer": {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"},
        "cents": {"type": "integer", "minimum": 1, "maximum": 100},
        "kind": {"enum": ["fast", "slow"]},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "lines": {"type": "array", "maxItems": 3, "items": {"$ref": "#/$defs/line"}},
    },
    "required": ["customer", "cents"],
    "additionalProperties": False,
    "$defs": {"line": {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}},
}
GOOD: dict[str, Any] = {"customer": "acme", "cents": 5}

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"cents": "ten"}, 'cents: must be integer, not string "ten"'),
    ({"cents": True}, "cents: must be integer, not true"),
    ({"cents": 0}, "cents: must be at least 1"),
    ({"cents": 101}, "cents: must be at most 100"),
    ({"customer": "a"}, "customer: must have at least 2 characters"),
    ({"customer": "ACME"}, 'customer: must match the regular expression "^[a-z]+$"'),
    ({"customer": {}}, "customer: must be string, not object"),
    ({"kind": "medium"}, 'kind: must be one of ["fast", "slow"]'),
    ({"note": 5}, "note: must be string, not number 5 or must be null, not number 5"),
    ({"lines": [{"count": 1}, {}]}, "lines[1]: missing required field 'count'"),
    ({"lines": [{"count": []}]}, "lines[0].count: must be integer, not array"),
    ({"lines": [{"count": 1}] * 4}, "lines: must have at most 3 items"),
    ({"custmer": "x"}, "unknown field 'custmer' (did you mean 'customer'? valid fields: cents, customer, "),
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "arguments", [GOOD, GOOD | {"note": None}, GOOD | {"note": "x", "lines": [{"count": 1.0}], "kind": "fast"}]
)
def test_what_fits_has_no_problem(arguments: dict[str, Any]) -> None:
    """Nothing to say."""
    assert check_arguments(SCHEMA, arguments) == ""


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_each_problem_names_the_field_and_what_would_be_valid(change: dict[str, Any], words: str) -> None:
    """The model can correct its call from these words."""
    assert check_arguments(SCHEMA, GOOD | change).startswith(words)


def test_all_problems_are_listed_once() -> None:
    """Two missing fields are one problem; others stand beside it."""
    said = check_arguments(SCHEMA, {"kind": "x"})
    assert sorted(said.split("; ")) == [
        'kind: must be one of ["fast", "slow"]',
        "missing required field 'customer', 'cents'",
    ]


def test_the_answer_is_bounded() -> None:
    """However much is wrong, and however large it is."""
    numbers: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}}
    many = check_arguments(numbers, {"a": list(range(100_000))})
    long = check_arguments(SCHEMA, GOOD | {"kind": "x" * 1_000_000, "y" * 1_000_000: 1})
    assert many.endswith("; and more")
    assert len(many) < 3000
    assert len(long) < 3000


def test_remote_references_are_never_fetched() -> None:
    """A reference to elsewhere is a problem of the schema, at once, without a look at the network."""
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/x.json"}}}
    assert "leads nowhere" in check_arguments(schema, {"a": 1})
    assert "only references inside" in check_schema(schema)


def test_formats_are_not_checked() -> None:
    """`format` is a hint for the model: checking could need what a workflow may not do."""
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string", "format": "hostname"}}}
    assert check_arguments(schema, {"a": "no host !"}) == ""


@pytest.mark.parametrize("value", [10**400, float("inf"), 1e308])
def test_numbers_too_large_for_a_rule_are_a_problem_not_an_exception(value: float) -> None:
    """The arithmetic of `multipleOf` can overflow."""
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "number", "multipleOf": 0.1}}}
    assert isinstance(check_arguments(schema, {"a": value}), str)


def test_deep_nesting_is_a_problem_not_an_exception() -> None:
    """A schema that refers to itself follows the arguments down, but not for ever."""
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"$ref": "#"}}}
    value: dict[str, Any] = {}
    for _ in range(5000):
        value = {"a": value}
    assert check_arguments(schema, value) == "the arguments are nested too deeply"


@given(st.dictionaries(st.text(max_size=10) | st.sampled_from(sorted(GOOD)), json_values, max_size=5))
def test_any_arguments_get_a_bounded_and_stable_answer(arguments: dict[str, Any]) -> None:
    """Never an exception, equal for equal input; what has nothing to say has the required fields."""
    said = check_arguments(SCHEMA, arguments)
    assert said == check_arguments(SCHEMA, dict(reversed(arguments.items()))) or len(arguments) > 1
    assert len(said) < 3000
    assert said or {"customer", "cents"} <= set(arguments)


def test_suggestions() -> None:
    """A sentence to append, or nothing; a name of a megabyte costs no time."""
    assert closest("fil_read", ["file_read", "file_write"]) == " Did you mean 'file_read'?"
    assert closest("weather", ["file_read"]) == ""
    begin = time.monotonic()
    assert closest("x" * 1_000_000, ["file_read"]) == ""
    assert time.monotonic() - begin < 1


def test_a_value_is_judged_by_a_schema_with_references() -> None:
    """They lead into the schema itself, wherever it lies; the words begin with the name of the value."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"n": {"$ref": "#/$defs/Number"}, "m": {"$ref": "#/properties/n"}},
        "$defs": {"Number": {"type": "integer"}},
    }
    assert check_value(schema, {"n": 1, "m": 2}) == ""
    assert check_value(schema, {"n": 1, "m": "two"}) == 'answer.m: must be integer, not string "two"'
