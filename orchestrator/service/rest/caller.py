"""Who asks, and what a route demands of them."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from fastapi import Depends
from fastapi.requests import HTTPConnection

from orchestrator.service.rest.problems import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable


class Role(IntEnum):
    """What a caller may do; each role may do what those before it may."""

    READ = 1
    SUBMIT = 2
    ADMIN = 3


class Caller(NamedTuple):
    """Who asks.

    Attributes:
        name: for logs and for what they put on the volume.
        role: the most that they may do.
        owners: only targets of these owners are theirs to see; None for all.
    """

    name: str
    role: Role
    owners: frozenset[str] | None = None


#: Everybody who reaches a service without authentication, which listens on loopback alone.
LOCAL_CALLER = Caller("local", Role.ADMIN)
#: Who has not said who they are, on the way to saying so: sees nothing of anybody.
ANYBODY = Caller("anybody", Role.READ, frozenset())

#: Cookie with the token of who logged in to the page. No script reads it, and no page of another site can have it sent
#: (RFC 6265bis: HttpOnly, SameSite=Strict).
COOKIE = "scanmatrix-token"


class CallerGuard(Protocol):
    """Tells who asks; the service has one, or none where it listens on loopback alone."""

    async def identify(self, connection: HTTPConnection) -> Caller:
        """Who asks.

        Raises:
            UnauthenticatedError: nobody that is known.
        """
        ...


def caller_of(connection: HTTPConnection) -> Caller:
    """Who asks; the middleware has found out before any route runs."""
    found: Caller = connection.scope["state"]["caller"]
    return found


def owners_may() -> None:
    """Marks a route whose answer comes from `ServiceState.ask` and the store alone, which shows owners what is theirs.

    Others refuse a caller who may see some owners' targets only: what lies on the volume is of everybody.
    """


def owners_act() -> None:
    """Marks a route that acts for owners on what is theirs, and refuses the rest itself: `orchestrator.api.owned`."""


def needs(role: Role) -> Callable[[HTTPConnection], Caller]:
    """What a route depends on that demands a role: `Annotated[Caller, Depends(needs(Role.SUBMIT))]`."""

    def check(connection: HTTPConnection) -> Caller:
        caller = caller_of(connection)
        if caller.role < role:
            raise RefusedError(
                f"this needs the role {role.name.lower()}, and {caller.name} has the role {caller.role.name.lower()}"
            )
        if caller.owners is not None and not _is_for_owners(connection):
            raise RefusedError(
                f"this is about targets of all owners, and {caller.name} has those of some only; ask a path that lists"
                " results, or use a token without owners"
            )
        return caller

    return check


def _is_for_owners(connection: HTTPConnection) -> bool:
    marks = getattr(connection.scope.get("route"), "dependencies", ())
    return any(mark.dependency in {owners_may, owners_act} for mark in marks)


#: For routers and routes that show owners what is theirs: `dependencies=[READS, OWNERS_MAY]`.
OWNERS_MAY = Depends(owners_may)
#: For those that change what is theirs: `dependencies=[SUBMITS, OWNERS_ACT]`.
OWNERS_ACT = Depends(owners_act)
#: For routers: `dependencies=[READS]`.
READS, SUBMITS, ADMINISTERS = (Depends(needs(role)) for role in Role)
