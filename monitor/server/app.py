"""The ASGI app: Streamlit's pages and the server's own routes on one port, both on one MonitorService."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any, Final

import streamlit as st
from starlette.middleware import Middleware

from monitor.errors import UsageError
from monitor.server import service
from monitor.server.auth.access_middleware import AccessMiddleware, only_loopback
from monitor.server.base_path import BasePathMiddleware
from monitor.server.routes import ROUTES
from monitor.settings import AccessSettings

__all__ = ["MIDDLEWARE", "ROUTES", "lifespan", "require_access"]

MIDDLEWARE: Final = (Middleware(BasePathMiddleware), Middleware(AccessMiddleware))


def require_access(settings: AccessSettings, *, host: str = "localhost") -> None:
    """Checks that the sign-in settings protect the dashboard and that users can sign in.

    Raises:
        UsageError: other machines could connect without a sign-in, or the sign-in provider is missing.
    """
    if settings.mode == "open" and not settings.open_to_network and not only_loopback(host):
        raise UsageError(
            f"on {host}, other machines could use the dashboard without a sign-in: create accounts with `people add` "
            "and set access.mode to password, or set it to oidc; or give every client the role admin with "
            "access.open_to_network"
        )
    if settings.mode == "oidc" and not all(map(find_spec, ("authlib", "httpx"))):
        raise UsageError("access.mode is oidc, but Authlib is not installed: pip install 'deepfake-monitor[oidc]'")
    if settings.mode == "oidc" and not _has_provider():
        raise UsageError(
            "access.mode is oidc, but no provider is configured: write [auth] into .streamlit/secrets.toml, see "
            "Streamlit's st.login"
        )


def _has_provider() -> bool:
    try:
        return "auth" in st.secrets
    except FileNotFoundError:
        return False


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[dict[str, Any]]:  # noqa: ARG001 - Streamlit's signature
    """Monitors the sources of the settings, and those that people added, until the server stops."""
    monitor_service = await asyncio.to_thread(service.current)
    try:
        require_access(monitor_service.settings.access)
        monitor_service.begin()
        for url in monitor_service.settings.dashboard.sources:
            monitor_service.add(url, name="Demo" if url == "demo:" else "", repeat=True, trusted=True)
        monitor_service.restore()
        yield {}
    finally:
        service.install(None)
        await asyncio.to_thread(monitor_service.close)
