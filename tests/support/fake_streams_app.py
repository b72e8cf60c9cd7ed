"""The server as ``streamlit_app.py`` starts it, with fake streams: ``FAKE_STREAMS`` of them.

``/fake`` says how many frames they have published, and how far the publishing threads are behind.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

if __name__ == "__main__" and st.runtime.exists():
    from monitor.dashboard.pages import show

    show()
else:
    from support.fake_streams import publisher, replace_supervisors

    from monitor.server import service
    from monitor.server.app import MIDDLEWARE, ROUTES

    async def describe(_: Request) -> JSONResponse:
        return JSONResponse({"published": publisher.published, "late": publisher.late})

    @asynccontextmanager
    async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
        """As the real one, without the heartbeat: no engine is loaded, and none is needed."""
        replace_supervisors()
        publisher.rate = float(os.environ.get("FAKE_RATE", "5"))
        publisher.change_interval = float(os.environ.get("FAKE_CHANGE_INTERVAL", "60"))
        monitor_service = await asyncio.to_thread(service.current)
        for outlet in monitor_service.outlets:
            outlet.start()
        for number in range(int(os.environ.get("FAKE_STREAMS", "10"))):
            monitor_service.add(f"rtsp://camera-{number:04d}/live", name=f"Camera {number:04d}", trusted=True)
        publisher.begin()
        try:
            yield {}
        finally:
            publisher.end()
            service.install(None)
            await asyncio.to_thread(monitor_service.close)

    app = st.App(__file__, routes=[*ROUTES, Route("/fake", describe)], middleware=MIDDLEWARE, lifespan=lifespan)
