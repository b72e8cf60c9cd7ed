"""The web server of ``serve``."""

import asyncio
import threading
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from support.waiting import until

from monitor.server.http_server import HttpServer


def test_an_endless_answer_ends_whole_before_the_server(caplog: pytest.LogCaptureFixture) -> None:
    ended = threading.Event()

    async def count() -> AsyncIterator[str]:
        yield "begun"
        while not ended.is_set():
            await asyncio.sleep(0.01)
        yield ", ended"

    async def endless(request: Request) -> StreamingResponse:
        return StreamingResponse(count())

    config = uvicorn.Config(
        Starlette(routes=[Route("/", endless)]), port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=5
    )
    server = HttpServer(config, before_shutdown=ended.set)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.stream("GET", f"http://127.0.0.1:{port}/", timeout=30) as answer:
        parts = answer.iter_text()
        assert next(parts) == "begun"
        server.should_exit = True
        assert "".join(parts) == ", ended", "the answer is complete"
    thread.join(20)
    assert not thread.is_alive()
    assert "Cancel" not in caplog.text
