"""The search attributes of runs on a server: registered where that is allowed, compared by type where they exist."""

from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from perdure.domain.search import SEARCH_ATTRIBUTES

__all__ = ["register_search_attributes"]

RPC_TIMEOUT = timedelta(seconds=5)
TYPES = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Double": IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
}
WANTED = {name: TYPES[kind] for name, kind in SEARCH_ATTRIBUTES.items()}

LOST = frozenset({RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED})
"""Answers that say nothing about the attributes: the server is gone, and that is the caller's news."""


async def register_search_attributes(client: Client) -> bool:
    """Register what is missing; whether runs in the client's namespace may write all of SEARCH_ATTRIBUTES.

    False where registering is forbidden or not offered, where the namespace has no room for them, or where a
    name exists with another type. Raises RPCError only when the server is lost.
    """
    try:
        missing = WANTED.keys() - (await _registered(client)).keys()
        if missing:
            await _add(client, sorted(missing))
        # Listed again: a server answers OK to a name that exists with another type and leaves it as it is.
        present = await _registered(client)
    except RPCError as error:
        if error.status in LOST:
            raise
        return False
    return all(present.get(name) == kind for name, kind in WANTED.items())


async def _registered(client: Client) -> dict[str, "IndexedValueType.ValueType"]:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    answer = await client.operator_service.list_search_attributes(request, timeout=RPC_TIMEOUT)
    return dict(answer.custom_attributes)


async def _add(client: Client, names: list[str]) -> None:
    wanted = {name: WANTED[name] for name in names}
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=wanted)
    try:
        await client.operator_service.add_search_attributes(request, timeout=RPC_TIMEOUT)
    except RPCError as error:
        # Two workers may start at once; what counts is what the second listing shows.
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise
