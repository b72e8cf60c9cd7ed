"""Who gets to the port at all while nobody has to sign in, and headers that tell browsers to be careful.

Without a sign-in everybody is an administrator. So only this machine is let in, unless the settings say otherwise, and
only by a name that no other site can take for itself: a site whose name is made to mean this machine (DNS rebinding) is
of the same origin to the browser, but the name that it asks by is its own.
"""

from ipaddress import ip_address
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from monitor.server import service
from monitor.server.auth.client_address import came_directly, cannot_be_taken, is_near
from monitor.server.health import HEALTH_ROUTES
from monitor.settings import AccessSettings

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Content-Security-Policy": "frame-ancestors 'self'; object-src 'none'; base-uri 'self'",
}
_ASKED_BY_MACHINES: Final = frozenset(route.path for route in HEALTH_ROUTES)  # they look at addresses themselves


class AccessMiddleware:
    """ASGI middleware around Streamlit's pages and our routes.

    Args:
        app: what it is put before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, or refuse with a sentence."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        connection = HTTPConnection(scope)
        why = "" if scope["path"] in _ASKED_BY_MACHINES else refusal(connection, service.current().settings.access)
        if not why:
            await self._app(scope, receive, sent)
        elif scope["type"] == "websocket":
            await WebSocketClose(1008, why)(scope, receive, send)
        else:
            await PlainTextResponse(f"{why}\n", status_code=403)(scope, receive, sent)


def refusal(connection: HTTPConnection, settings: AccessSettings) -> str:
    """Why somebody is not let in, in one sentence; "" if they are."""
    if settings.mode != "open":
        return ""
    near = is_near(connection.client, allowed=(), direct=came_directly(connection))
    if not near and not settings.open_to_network:
        return (
            "nobody signs in at this dashboard, so it answers its own machine only: "
            "set access.mode to password or oidc, or access.open_to_network to let everybody in"
        )
    name = connection.url.hostname or ""
    if not cannot_be_taken(name) and name not in map(str.lower, settings.hosts):
        return (
            "nobody signs in at this dashboard, so it answers to localhost and to addresses in numbers only: "
            "use one of these, or put this name into access.hosts"
        )
    return ""


def only_loopback(host: str) -> bool:
    """Whether who listens at this address is heard on its own machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
