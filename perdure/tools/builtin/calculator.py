"""Built-in tool that evaluates arithmetic exactly, with fractions, and within bounds of size."""

import ast
from typing import Annotated

from pydantic import Field

from perdure.tools.builtin.arithmetic import FUNCTIONS, NAMES, OPERATORS, CalculatorError, Number, number, shown
from perdure.tools.declare import declare
from perdure.tools.options import Options

__all__ = ["TOOLS", "calculator"]

MAX_LENGTH = 1000
HELP = f"numbers, + - * / // % **, parentheses, and {', '.join(sorted([*FUNCTIONS, *NAMES]))}"


def calculator(
    expression: Annotated[
        str, Field(description="like '(19.99 * 3 + 5) / 2' or 'sqrt(2)'", min_length=1, max_length=MAX_LENGTH)
    ],
) -> str:
    """Compute an arithmetic expression exactly: + - * / // % **, abs, ceil, floor, round, min, max, sum, mean, sqrt, exp, ln, log10, pi, e.

    `round` takes halves away from zero. A result with more digits than shown ends with "(rounded)".
    """  # noqa: E501 - the first paragraph is one line for the model
    if len(expression) > MAX_LENGTH:
        raise CalculatorError(f"the expression has more than {MAX_LENGTH} characters")
    try:
        text = expression.strip()
        return shown(number(_value(ast.parse(text, mode="eval").body, text)))
    except ZeroDivisionError as error:
        raise CalculatorError("division by zero") from error
    except (RecursionError, MemoryError) as error:
        raise CalculatorError("the expression is nested too deeply") from error
    except SyntaxError as error:
        raise CalculatorError(f"not an arithmetic expression: {error.msg}; it may use {HELP}") from error
    except UnicodeEncodeError as error:
        raise CalculatorError("the expression is not valid Unicode") from error


TOOLS = (declare(calculator, Options("built-in", effect="pure")),)


def _value(node: ast.expr, text: str) -> Number | tuple[Number, ...]:  # noqa: PLR0911 - one for each kind of node
    """Compute a node; what is not listed here does not exist in expressions."""
    match node:
        case ast.Constant(value=float()):
            # The text of the number, not its value: 0.1 as a float is no longer 0.1.
            return number(ast.get_source_segment(text, node))
        case ast.Constant(value=value):
            return number(value)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_value(left, text), _value(right, text))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_value(operand, text))
        case ast.Name(id=name) if name in NAMES:
            return NAMES[name]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return tuple(number(_value(item, text)) for item in items)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            return _call(name, [_value(arg, text) for arg in args])
        case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)):
            raise CalculatorError(f"{name!r} cannot be used so; an expression may use {HELP}")
        case _:
            raise CalculatorError(f"only arithmetic is possible; an expression may use {HELP}")


def _call(name: str, values: list[Number | tuple[Number, ...]]) -> Number:
    try:
        return FUNCTIONS[name](*values)
    except TypeError as error:
        raise CalculatorError(f"{name} does not take {len(values)} numbers") from error
