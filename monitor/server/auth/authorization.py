"""Which requests our routes answer: those of a page of ours, shown to somebody of the role that it takes."""

import asyncio
from typing import Final

from starlette.requests import HTTPConnection

from monitor.server import service
from monitor.server.auth.user import Role, User

_AGAIN: Final = 1.0  # seconds


def from_here(connection: HTTPConnection) -> bool:
    """Whether it comes from no other site."""
    origin = connection.headers.get("origin")
    return origin is None or origin.partition("://")[2] == connection.headers.get("host")


def token_of(connection: HTTPConnection) -> str:
    """What it shows of its page."""
    return str(connection.query_params.get("token", ""))


def client_of(connection: HTTPConnection) -> str:
    """Whose machine it comes from, as the log has it."""
    return connection.client.host if connection.client else ""


async def admitted(connection: HTTPConnection, role: Role) -> User | None:
    """Who asks, if they come from a page of ours and have at least this role."""
    if not from_here(connection):
        return None
    person = await asyncio.to_thread(service.current().sessions.person, token_of(connection))
    return person if person is not None and person.role >= role else None


async def no_longer_admitted(connection: HTTPConnection, role: Role) -> None:
    """Wait until whoever was admitted has signed out, or may no longer: for what lasts longer than a request."""
    while await admitted(connection, role) is not None:
        await asyncio.sleep(_AGAIN)
