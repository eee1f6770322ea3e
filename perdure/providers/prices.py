"""What models cost and how much they read: data in `prices.yaml`, with an own table in front when there is one."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from perdure.domain.errors import ConfigurationError
from perdure.domain.model import Model
from perdure.domain.ports import Price

__all__ = ["PriceRow", "PriceTable", "price_for", "window_for"]

_SHIPPED = Path(__file__).with_name("prices.yaml")


class PriceRow(Model, frozen=True):
    """US dollars per million tokens for the models that a glob over `provider:model` matches.

    `window` is their context window in tokens, where it is known.
    """

    model: str = Field(min_length=1)
    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_read: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)
    window: int | None = Field(default=None, ge=1_000)


class PriceTable(Model, frozen=True):
    """Rows in order: the first that matches wins. `as_of` is the day somebody last looked."""

    as_of: str = ""
    prices: tuple[PriceRow, ...]


def price_for(model: str, own: Path | None = None) -> Price | None:
    """The price of `provider:model`, from `own` (same format, asked first) or the shipped table; None if unknown."""
    row = next(_rows(model, own), None)
    return None if row is None else Price(**row.model_dump(exclude={"model", "window"}))


def window_for(model: str, own: Path | None = None) -> int | None:
    """The context window of `provider:model` in tokens, from the first row for it that names one; None if unknown."""
    return next((row.window for row in _rows(model, own) if row.window), None)


def _rows(model: str, own: Path | None) -> Iterator[PriceRow]:
    rows = (*(_table(own).prices if own else ()), *_table(_SHIPPED).prices)
    return (row for row in rows if fnmatchcase(model, row.model))


@cache
def _table(path: Path) -> PriceTable:
    """A table, read once in the life of a process."""
    try:
        loaded: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return PriceTable.model_validate(loaded)
    except OSError as error:
        raise ConfigurationError(f"The price table {path} cannot be read: {error.strerror or error}.") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"The price table {path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ConfigurationError(f"The price table {path} is wrong: {wrong}") from error
