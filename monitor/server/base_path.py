"""The path prefix of the server, for a proxy that passes it on."""

from typing import Final

import streamlit as st
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.server.api import API_PATH
from monitor.server.health import HEALTH_ROUTES
from monitor.server.routes import PREFIX

_HEALTH_PATHS: Final = frozenset(route.path for route in HEALTH_ROUTES)


class BasePathMiddleware:
    """ASGI middleware that serves the server's own routes under ``server.baseUrlPath``, too.

    Streamlit puts its own routes below that prefix, but not those of the app. Without the prefix they answer as before.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Removes the prefix from the path of an own route."""
        if scope["type"] in ("http", "websocket"):
            scope = {**scope, "path": without_base(scope["path"], base=st.get_option("server.baseUrlPath"))}
        await self._app(scope, receive, send)


def without_base(path: str, *, base: str) -> str:
    """The path of an own route without the prefix; any other path as it is."""
    prefix = f"/{base.strip('/')}"
    inner = path.removeprefix(prefix)
    is_own = inner in _HEALTH_PATHS or inner.startswith((f"/{PREFIX}/", f"{API_PATH}/"))
    return inner if path.startswith(f"{prefix}/") and is_own else path
