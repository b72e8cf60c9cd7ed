"""The web server of ``serve``: uvicorn, which ends endless answers before it waits for open ones."""

import socket
from collections.abc import Callable

import uvicorn


class HttpServer(uvicorn.Server):
    """A uvicorn server.

    Args:
        before_shutdown: ends the answers that do not end by themselves, such as those of ``/events``.
    """

    def __init__(self, config: uvicorn.Config, *, before_shutdown: Callable[[], None]) -> None:
        super().__init__(config)
        self._before_shutdown = before_shutdown

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the endless answers, then waits for the open ones as uvicorn does."""
        self._before_shutdown()
        await super().shutdown(sockets)
