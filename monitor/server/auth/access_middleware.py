"""Access rules for the mode without sign-in, and security headers for every answer.

Without a sign-in, every user is an administrator. So the server answers only this machine by default, and only if the
request's host name is safe against DNS rebinding: in that attack, a foreign site's name resolves to this machine, and
the browser treats the site as the same origin, but the request's host name is still the site's name.
"""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from monitor.server import service
from monitor.server.api import API_PATH
from monitor.server.api.problems import problem
from monitor.server.auth.client_address import is_allowed_client, is_direct, is_rebinding_safe, read_ip
from monitor.server.health import HEALTH_ROUTES
from monitor.settings import AccessSettings

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Content-Security-Policy": "frame-ancestors 'self'; object-src 'none'; base-uri 'self'",
}
_HEALTH_PATHS: Final = frozenset(route.path for route in HEALTH_ROUTES)  # these routes check the address themselves


class AccessMiddleware:
    """ASGI middleware around Streamlit's pages and the server's own routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it with a sentence."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        connection = HTTPConnection(scope)
        reason = "" if scope["path"] in _HEALTH_PATHS else refusal(connection, service.current().settings.access)
        if not reason:
            await self._app(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await WebSocketClose(1008, reason)(scope, receive, send)
        elif scope["path"].startswith(f"{API_PATH}/"):
            await problem(403, reason)(scope, receive, send_with_headers)
        else:
            await PlainTextResponse(f"{reason}\n", status_code=403)(scope, receive, send_with_headers)


def refusal(connection: HTTPConnection, settings: AccessSettings) -> str:
    """The reason for refusing a request, in one sentence; "" if the request is allowed."""
    if settings.mode != "open":
        return ""
    is_local = is_allowed_client(connection.client, networks=(), direct=is_direct(connection))
    if not is_local and not settings.open_to_network:
        return (
            "this dashboard has no sign-in, so it answers its own machine only: "
            "set access.mode to password or oidc, or set access.open_to_network to allow every client"
        )
    name = connection.url.hostname or ""
    if not is_rebinding_safe(name) and name not in map(str.lower, settings.hosts):
        return (
            "this dashboard has no sign-in, so it answers to localhost and to IP addresses only: "
            "use one of these, or add this host name to access.hosts"
        )
    return ""


def only_loopback(host: str) -> bool:
    """Whether only this machine can connect to a server on this address."""
    address = read_ip(host)
    return host == "localhost" or (address is not None and address.is_loopback)
