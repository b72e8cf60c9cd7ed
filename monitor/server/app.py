"""What the server does while it runs: Streamlit's pages and our own routes on one port, the station behind both."""

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
from monitor.server.routes import ROUTES
from monitor.settings import AccessSettings

__all__ = ["MIDDLEWARE", "ROUTES", "lifespan", "require_access"]

MIDDLEWARE: Final = (Middleware(AccessMiddleware),)


def require_access(settings: AccessSettings, *, host: str = "localhost") -> None:
    """Have it settled who may use the dashboard.

    Args:
        settings: how people sign in.
        host: address to listen on.

    Raises:
        UsageError: other machines could come in though nobody signs in, or nobody could.
    """
    if settings.mode == "open" and not settings.open_to_network and not only_loopback(host):
        raise UsageError(
            f"on {host} other machines would come in, and nobody signs in: make accounts with `people add` and set "
            "access.mode to password, or to oidc; or let everybody in as an administrator with access.open_to_network"
        )
    if settings.mode == "oidc" and not all(map(find_spec, ("authlib", "httpx"))):
        raise UsageError("access.mode is oidc, and Authlib is not installed: pip install 'deepfake-monitor[oidc]'")
    if settings.mode == "oidc" and not _provider_is_named():
        raise UsageError(
            "access.mode is oidc, and no provider is named: write [auth] into .streamlit/secrets.toml, see st.login"
        )


def _provider_is_named() -> bool:
    try:
        return "auth" in st.secrets
    except FileNotFoundError:
        return False


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[dict[str, Any]]:  # noqa: ARG001 - Streamlit's signature
    """Watch what the settings name until the server ends."""
    here = await asyncio.to_thread(service.current)
    try:
        require_access(here.settings.access)
        here.begin()
        for url in here.settings.dashboard.sources:
            here.add(url, name="Demo" if url == "demo:" else "", repeat=True, trusted=True)
        yield {}
    finally:
        service.install(None)
        await asyncio.to_thread(here.close)
