"""The calculator: exact, bounded, and nothing but arithmetic."""

import ast
import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.tools.builtin.arithmetic import CalculatorError
from perdure.tools.builtin.calculator import calculator


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("0.1 + 0.2", "0.3"),
        ("19.99 * 3", "59.97"),
        ("1/3*3", "1"),
        ("1/3", "0.333333333333333333333333333333 (rounded)"),
        ("2**100", str(2**100)),
        ("2**-2", "0.25"),
        ("7 // 2", "3"),
        ("-7 % 3", "2"),
        ("1_000.5 * 2", "2001"),
        ("0xff", "255"),
        (" (1 + 2) * -3 ", "-9"),
        ("round(2.675, 2)", "2.68"),
        ("round(-2.5)", "-3"),
        ("round(1234, -2)", "1200"),
        ("sqrt(0.25)", "0.5"),
        ("sqrt(2)", "1.41421356237309504880168872421 (rounded)"),
        ("8 ** (1/3)", "2"),
        ("exp(200)", "7.22597376812574925817747704219E+86 (rounded)"),
        ("log10(1000)", "3"),
        ("ln(e)", "1"),
        ("sum([1, 2, 3], 4)", "10"),
        ("mean(1, 2)", "1.5"),
        ("max(1, 2.5) - min((1, 0.5))", "2"),
        ("abs(-3) + ceil(1.2) + floor(1.8)", "6"),
        ("7e-3000", "7E-3000"),
    ],
)
def test_results(expression: str, result: str) -> None:
    """Decimal numbers are what they say; what is rounded says so."""
    assert calculator(expression) == result


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("9**9**9", "power grows beyond"),
        ("(9**900)**900", "power grows beyond"),
        ("9**0.5**-9999", "power grows beyond"),
        ("1e999999999", "grows beyond 3000 digits"),
        ("1e-999999999", "grows beyond 3000 digits"),
        ("exp(10**9)", "grows beyond"),
        ("*".join(["9**3000"] * 5), "grows beyond"),
        ("'a' * 10**9", "only numbers"),
        ("[0] * 10**9", "only numbers"),
        ("-" * 999 + "1", "nested too deeply"),
        ("(" * 400 + "1" + ")" * 400, "not an arithmetic expression"),
        ("1" * 1001, "more than 1000 characters"),
        ("__import__('os').system('true')", "only arithmetic"),
        ("open('/etc/passwd')", "'open' cannot be used"),
        ("(1).__class__.__bases__", "only arithmetic"),
        ("sqrt.__globals__", "only arithmetic"),
        ("[x for x in (1,)]", "only arithmetic"),
        ("lambda: 1", "only arithmetic"),
        ("1 if 1 else 2", "only arithmetic"),
        ("(y := 1)", "only arithmetic"),
        ("f'{1}'", "only arithmetic"),
        ("sum(*[1])", "only arithmetic"),
        ("round(1, digits=2)", "'round' cannot be used so"),
        ("round(1, 10**9)", "whole number of digits up to 100"),
        ("1 << 999999999", "only arithmetic"),
        ("2 ^ 3", "only arithmetic"),
        ("True + 1", "only numbers"),
        ("1j", "only numbers"),
        ("[1, 2]", "only numbers"),
        ("sqrt", "'sqrt' cannot be used so"),
        ("price * 2", "'price' cannot be used so"),
        ("sqrt(1, 2)", "sqrt does not take 2 numbers"),
        ("min()", "min needs at least one number"),
        ("1 / 0", "division by zero"),
        ("0 ** -1", "division by zero"),
        ("1 % 0", "division by zero"),
        ("sqrt(-1)", "not real"),
        ("(-8) ** 0.5", "not a real number"),
        ("ln(0)", "ln needs a number above 0"),
        ("log10(-1)", "log10 needs a number above 0"),
        ("1 +", "not an arithmetic expression"),
        ("1; 2", "not an arithmetic expression"),
        ("1\n2", "not an arithmetic expression"),
        ("", "not an arithmetic expression"),
        ("1\0", "not an arithmetic expression"),
        ("\ud800", "not valid Unicode"),
    ],
)
def test_what_is_refused(expression: str, words: str) -> None:
    """Quickly, with a reason, and as one kind of error."""
    begin = time.monotonic()
    with pytest.raises(CalculatorError) as caught:
        calculator(expression)
    assert words in str(caught.value)
    assert time.monotonic() - begin < 2


numbers = st.decimals(-(10**6), 10**6, places=3, allow_nan=False).map(lambda value: f"({value})")
expressions = st.recursive(
    numbers,
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({''.join(parts)})"),
    max_leaves=8,
)


@given(expressions)
def test_agrees_with_fractions(expression: str) -> None:
    """The same expression, computed by Python over fractions, is what is shown: exactly or to 29 digits."""
    expected = _reference(ast.parse(expression, mode="eval").body, expression)
    if expected is None:
        with pytest.raises(CalculatorError, match="division by zero"):
            calculator(expression)
        return
    text, _, rounded = calculator(expression).partition(" ")
    error = abs(Fraction(Decimal(text)) - expected)
    assert error <= (abs(expected) / 10**29 if rounded else 0)


def _reference(node: ast.expr, text: str) -> Fraction | None:
    if isinstance(node, ast.BinOp):
        left, right = _reference(node.left, text), _reference(node.right, text)
        if left is None or right is None or (isinstance(node.op, ast.Div) and right == 0):
            return None
        step: dict[type[ast.operator], Fraction] = {
            ast.Add: left + right,
            ast.Sub: left - right,
            ast.Mult: left * right,
        }
        return step[type(node.op)] if type(node.op) in step else left / right
    if isinstance(node, ast.UnaryOp):
        inner = _reference(node.operand, text)
        return None if inner is None else -inner
    return Fraction(ast.get_source_segment(text, node) or "")


@given(st.text(alphabet="0123456789.+-*/%()[],e sqrtminpow_'", max_size=60))
def test_any_text_gives_a_number_or_a_reason(expression: str) -> None:
    """No other exception, whatever a model writes."""
    try:
        assert calculator(expression)
    except CalculatorError as error:
        assert str(error)  # noqa: PT017 - both are allowed
