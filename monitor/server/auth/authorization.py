"""The check of a request to the server's own routes: its origin, its token and the user's role."""

import asyncio
from typing import Final

from starlette.requests import HTTPConnection

from monitor.server import service
from monitor.server.auth.user import Role, User

_INTERVAL: Final = 1.0  # seconds between two checks of an open connection


def is_same_origin(connection: HTTPConnection) -> bool:
    """Whether the Origin header is missing or matches the host."""
    origin = connection.headers.get("origin")
    return origin is None or origin.partition("://")[2] == connection.headers.get("host")


def token_of(connection: HTTPConnection) -> str:
    """The page's token in the request."""
    return str(connection.query_params.get("token", ""))


def client_of(connection: HTTPConnection) -> str:
    """The client's address for the audit log."""
    return connection.client.host if connection.client else ""


async def authorize(connection: HTTPConnection, role: Role) -> User | None:
    """The user of a request; None if the origin or the token is wrong, or the role is too low."""
    if not is_same_origin(connection):
        return None
    user = await asyncio.to_thread(service.current().sessions.find_user, token_of(connection))
    return user if user is not None and user.role >= role else None


async def wait_until_denied(connection: HTTPConnection, role: Role) -> None:
    """Waits until the user of a WebSocket has signed out or has lost the role."""
    while await authorize(connection, role) is not None:
        await asyncio.sleep(_INTERVAL)
