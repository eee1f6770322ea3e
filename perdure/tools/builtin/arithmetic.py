"""Exact arithmetic with bounds: every number is a fraction, and no operation makes one that is too large to handle."""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, InvalidOperation, Overflow, localcontext
from fractions import Fraction
from typing import Any

__all__ = ["FUNCTIONS", "NAMES", "OPERATORS", "CalculatorError", "Number", "number", "shown"]

Number = Fraction

MAX_BITS = 10_000
"""Of numerator or denominator: about 3,000 digits."""
MAX_EXPONENT = 3_000
MAX_REAL_EXPONENT = 300
"""Of results that are not fractions, which cost far more time."""
DIGITS = 50
"""Of roots, logarithms and other results that are not fractions: so many after the point, too."""
EXACT_DIGITS = 40
SHOWN_DIGITS = 30
_ROUND_DIGITS = 100


class CalculatorError(ValueError):
    """The expression cannot be computed; the text says why."""


def number(value: object) -> Number:
    """Take a fraction, an int, or the text of a decimal number, within bounds."""
    if isinstance(value, Fraction):
        return _bounded(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _bounded(Fraction(value))
    if not isinstance(value, str) or value[:1] not in set("0123456789."):
        raise CalculatorError("only numbers can be computed with")
    return _from_decimal(Decimal(value))


def shown(value: Number) -> str:
    """Write whole numbers and decimals of up to 40 digits exactly, others with 30 digits and "(rounded)"."""
    if value.denominator == 1:
        return str(value.numerator)
    with localcontext(Context(prec=EXACT_DIGITS)) as context:
        quotient = _decimal(value)
        exact = Fraction(quotient) == value
        context.prec = EXACT_DIGITS if exact else SHOWN_DIGITS
        quotient = quotient.normalize()
    text = f"{quotient:f}" if abs(quotient.adjusted()) < EXACT_DIGITS else str(quotient)
    return text if exact else f"{text} (rounded)"


def _bounded(value: Number) -> Number:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise CalculatorError(f"a number grows beyond {MAX_EXPONENT} digits")
    return value


def _below(digits: int, most: int) -> int:
    if digits > most:
        raise CalculatorError(f"a number grows beyond {most} digits")
    return digits


def _from_decimal(value: Decimal) -> Number:
    # Before it becomes a fraction: 1e999999999 is short as text and enormous as a number.
    if not value.is_finite() or (value and abs(value.adjusted()) > MAX_EXPONENT):
        raise CalculatorError(f"a number grows beyond {MAX_EXPONENT} digits")
    return _bounded(Fraction(value))


def _power(base: Number, exponent: Number) -> Number:
    base, exponent = number(base), number(exponent)
    if exponent.denominator != 1:
        return _irrational(lambda: _decimal(base) ** _decimal(exponent), "this power is not a real number")
    size = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(exponent) * (size - 1) > MAX_BITS:
        raise CalculatorError(f"a power grows beyond {MAX_EXPONENT} digits")
    if base in (0, 1, -1) and exponent > 0:
        return base if exponent.numerator % 2 else abs(base)
    return _bounded(Fraction(base) ** exponent.numerator)


def _checked(function: Callable[[Number, Number], Any]) -> Callable[[Number, Number], Number]:
    return lambda left, right: number(function(number(left), number(right)))


def _irrational(compute: Callable[[], Decimal], problem: str) -> Number:
    """Compute with decimals of 50 digits; large results again with 50 digits after the point.

    Else a large one would be a whole number, and look exact.
    """
    with localcontext(Context(prec=DIGITS, Emax=10**6, Emin=-(10**6))) as context:
        try:
            result = compute()
            if result.is_finite() and result.adjusted() > 0:
                context.prec += _below(result.adjusted(), MAX_REAL_EXPONENT)
                result = compute()
        except Overflow as error:
            raise CalculatorError(f"a number grows beyond {MAX_REAL_EXPONENT} digits") from error
        except InvalidOperation as error:
            raise CalculatorError(problem) from error
    if not result.is_finite():
        raise CalculatorError(problem)
    return _from_decimal(result)


def _decimal(value: Number) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def _sqrt(value: Number) -> Number:
    value = number(value)
    if value < 0:
        raise CalculatorError("the root of a negative number is not real")
    root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
    if root * root == value:
        return root
    return _irrational(lambda: _decimal(value).sqrt(), "no such root")


def _round(value: Number, digits: Number = Fraction(0)) -> Number:
    value, digits = number(value), number(digits)
    if digits.denominator != 1 or abs(digits) > _ROUND_DIGITS:
        raise CalculatorError(f"round takes a whole number of digits up to {_ROUND_DIGITS}")
    scale = Fraction(10) ** digits.numerator
    whole = math.floor(abs(value) * scale + Fraction(1, 2))
    return _bounded(whole / scale * (-1 if value < 0 else 1))


def _many(name: str, function: Callable[[list[Number]], Any]) -> Callable[..., Number]:
    """Take numbers, or lists of them, as Python's min and sum do."""

    def call(*values: Number | tuple[Number, ...]) -> Number:
        flat = [item for value in values for item in (value if isinstance(value, tuple) else (number(value),))]
        if not flat:
            raise CalculatorError(f"{name} needs at least one number")
        return number(function(flat))

    return call


def _real(function: Callable[[Decimal], Decimal], problem: str) -> Callable[[Number], Number]:
    return lambda value: _irrational(lambda: function(_decimal(number(value))), problem)


def _one(function: Callable[[Number], Any]) -> Callable[[Number], Number]:
    return lambda value: number(function(number(value)))


def _sum(values: list[Number]) -> Number:
    total = Fraction(0)
    for value in values:
        total = _bounded(total + value)
    return total


OPERATORS: Mapping[type[ast.AST], Callable[..., Number]] = {
    ast.Add: _checked(operator.add),
    ast.Sub: _checked(operator.sub),
    ast.Mult: _checked(operator.mul),
    ast.Div: _checked(lambda left, right: left / right),
    ast.FloorDiv: _checked(lambda left, right: left // right),
    ast.Mod: _checked(operator.mod),
    ast.Pow: _power,
    ast.USub: _one(operator.neg),
    ast.UAdd: _one(operator.pos),
}

FUNCTIONS: Mapping[str, Callable[..., Number]] = {
    "abs": _one(abs),
    "ceil": _one(math.ceil),
    "floor": _one(math.floor),
    "round": _round,
    "sqrt": _sqrt,
    "min": _many("min", min),
    "max": _many("max", max),
    "sum": _many("sum", _sum),
    "mean": _many("mean", lambda values: _sum(values) / len(values)),
    "exp": _real(Decimal.exp, "exp has no result here"),
    "ln": _real(Decimal.ln, "ln needs a number above 0"),
    "log10": _real(Decimal.log10, "log10 needs a number above 0"),
}

NAMES: Mapping[str, Number] = {
    "pi": Fraction("3.14159265358979323846264338327950288419716939937510582"),
    "e": Fraction("2.71828182845904523536028747135266249775724709369995957"),
}
