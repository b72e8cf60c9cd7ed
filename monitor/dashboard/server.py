"""What the server does while it runs: Streamlit's pages and our own routes on one port, the station behind both."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from monitor.dashboard import station
from monitor.dashboard.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import streamlit as st

__all__ = ["ROUTES", "lifespan"]


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[dict[str, Any]]:  # noqa: ARG001 - Streamlit's signature
    """Watch what the settings name until the server ends."""
    here = await asyncio.to_thread(station.current)
    try:
        for url in here.settings.dashboard.sources:
            here.add(url, name="Demo" if url == "demo:" else "", repeat=True, trusted=True)
        yield {}
    finally:
        station.install(None)
        await asyncio.to_thread(here.close)
