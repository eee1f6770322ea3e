"""Words for a pydantic ValidationError: which field, what was wrong, what would be valid."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

__all__ = ["explain", "explain_one"]

MOST_PROBLEMS = 10
MOST_CHARACTERS = 120


def explain(error: ValidationError) -> str:
    """One line per problem, `field: what is wrong (got …)`, joined by "; "."""
    lines = list(dict.fromkeys(explain_one(item) for item in error.errors()))
    more = len(lines) - MOST_PROBLEMS
    return "; ".join(lines[:MOST_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")


def explain_one(item: ErrorDetails) -> str:
    """Words for one problem."""
    kind, message = item["type"], item["msg"]
    field = ".".join(str(part) for part in item["loc"] if not str(part).startswith(("constrained-", "function-")))
    prefix = f"{field}: " if field else ""
    if kind == "extra_forbidden":
        return f"{prefix}unknown field"
    if kind == "missing":
        return f"{prefix}required, but missing"
    words = message.removeprefix("Value error, ")
    if kind == "value_error":
        return f"{prefix}{words}"
    got = repr(item["input"])
    got = got if len(got) <= MOST_CHARACTERS else f"{got[:MOST_CHARACTERS]}…"
    return f"{prefix}{words[:1].lower()}{words[1:]} (got {got})"
