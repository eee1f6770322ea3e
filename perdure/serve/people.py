"""Who is calling: named by a reverse proxy that was told to be trusted, or the one user of a page on loopback."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.requests import HTTPConnection

from perdure.domain.identity import MAX_NAME, Role
from perdure.serve.problems import Problem

__all__ = ["Network", "People", "Person", "networks", "parse_roles"]

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Person:
    """Somebody and what they may do; whoever has any role may see."""

    name: str
    roles: tuple[Role, ...]

    def may(self, role: Role) -> bool:
        """Whether this role was given, or admin."""
        return bool(self.roles) if role is Role.VIEWER else role in self.roles or Role.ADMIN in self.roles

    def must(self, role: Role) -> None:
        """Raise Problem (403) when they may not."""
        if not self.may(role):
            have = ", ".join(self.roles) or "none"
            words = f"{self.name} needs the role {role} for this; the roles are: {have}"
            raise Problem(HTTPStatus.FORBIDDEN, "RoleMissing", words)


@dataclass(frozen=True)
class People:
    """How callers are told apart: `user` is everybody who calls, else a header of a trusted proxy names them.

    `roles` gives roles to names, beside those of `roles_header`; `user` may do everything.
    """

    user: str = ""
    user_header: str = ""
    roles_header: str = ""
    roles: Mapping[str, Sequence[Role]] = field(default_factory=dict[str, Sequence[Role]])
    proxies: Sequence[Network] = ()

    def who(self, connection: HTTPConnection) -> Person:
        """The caller; raises Problem (401, or 403 for a peer that is no trusted proxy)."""
        if self.user:
            return Person(self.user, (Role.ADMIN,))
        if not self._is_proxy(connection):
            peer = connection.client.host if connection.client else "unknown"
            words = f"requests come through the proxy, and {peer} is not a trusted one"
            raise Problem(HTTPStatus.FORBIDDEN, "UntrustedPeer", words, hint="name it with --trusted-proxy")
        name = self._header(connection, self.user_header)
        if not name or len(name) > MAX_NAME or not name.isprintable():
            words = f"the proxy has not named a user in the header {self.user_header}"
            raise Problem(HTTPStatus.UNAUTHORIZED, "Unauthorized", words)
        given = parse_roles(self._header(connection, self.roles_header)) if self.roles_header else ()
        return Person(name, tuple(dict.fromkeys([*given, *self.roles.get(name, ())])))

    def _is_proxy(self, connection: HTTPConnection) -> bool:
        try:
            peer = ip_address(connection.client.host if connection.client else "")
        except ValueError:
            return False
        return any(peer in network for network in self.proxies)

    @staticmethod
    def _header(connection: HTTPConnection, name: str) -> str:
        """The one value of a header; none when it came twice, since one of them may be the caller's own."""
        values = connection.headers.getlist(name)
        return values[0].strip() if len(values) == 1 else ""


def parse_roles(text: str) -> tuple[Role, ...]:
    """Our roles of `approver, staff`; a proxy's other groups mean nothing here."""
    known = {role.value: role for role in Role}
    return tuple(known[name] for name in (part.strip().lower() for part in text.split(",")) if name in known)


def networks(addresses: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks (`10.0.0.0/8`); raises ValueError with words."""
    return tuple(ip_network(address) for address in addresses)
