"""Search attributes that runs write and a server must know: name to the type that Temporal calls it."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["SEARCH_ATTRIBUTES"]

SEARCH_ATTRIBUTES: Mapping[str, str] = MappingProxyType(
    {
        "PerdureState": "Keyword",
        "PerdureAgent": "Keyword",
        "PerdureModel": "Keyword",
        "PerdureTenant": "Keyword",
        "PerdureRoot": "Keyword",
        "PerdurePending": "Int",
        "PerdureCostUsd": "Double",
    }
)
"""Five of the ten Keyword attributes that a namespace on SQL may have."""
