"""Sends the requests of the asynchronous client, and repeats them."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx

from monitor.client import calls
from monitor.client.calls import ApiCall, ItemPage
from monitor.client.connection import EVENT_TIMEOUT, ServerConnection
from monitor.client.event_parser import EventParser, ServerEvent
from monitor.client.partial_file import PartialFile
from monitor.client.refusals import unreadable_answer
from monitor.client.retries import RequestAttempts

T = TypeVar("T")


class AsyncTransport:
    """The connections to one server; for one event loop."""

    def __init__(self, server: ServerConnection) -> None:
        self.server = server
        self._http = httpx.AsyncClient(**server.arguments)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def do(self, call: ApiCall[T], *, body: Callable[[], AsyncIterable[bytes]] | None = None) -> T:
        """Sends a request until it succeeds.

        Args:
            body: the bytes of an upload, for each attempt.

        Raises:
            RemoteError: it does not.
        """
        attempts = self._attempts(call)
        while True:
            content: dict[str, Any] = {} if body is None else {"content": body()}
            try:
                response = await self._http.request(call.method, call.path, **call.arguments, **content)
            except httpx.TransportError as error:
                pause: float | None = attempts.fail(error)
            else:
                pause = attempts.take(response)
                if pause is None:
                    return call.read(response)
            await asyncio.sleep(pause or 0.0)

    async def pages(self, page: Callable[[str | None], ApiCall[ItemPage[T]]]) -> AsyncIterator[T]:
        """The items of all pages of a list; ``page`` is the request for the page of a cursor."""
        cursor: str | None = None
        while True:
            found = await self.do(page(cursor))
            for item in found.items:
                yield item
            cursor = found.next
            if cursor is None:
                return

    async def download(self, call: ApiCall[None], path: Path) -> None:
        """Writes the body of an answer to a file; a lost connection resumes the download.

        Raises:
            OutputError: the file cannot be written.
        """
        attempts = self._attempts(call)
        with PartialFile(path) as file:
            while True:
                try:
                    async with self._stream(replace(call, headers=file.headers)) as response:
                        pause = attempts.take(response)
                        if pause is None:
                            file.begin(response)
                            async for chunk in response.aiter_bytes():
                                file.add(chunk)
                            return
                except httpx.TransportError as error:
                    pause = attempts.fail(error)
                await asyncio.sleep(pause)

    async def events(self, call: ApiCall[None], *, last_event_id: str) -> AsyncIterator[ServerEvent]:
        """The events of an endless answer; a lost connection continues after the last one.

        The attempts are counted anew from each line, so that a server without events may cut the connection often.
        """
        attempts = self._attempts(call)
        while True:
            try:
                async with self._stream(
                    replace(call, headers=calls.resume(last_event_id)), timeout=EVENT_TIMEOUT
                ) as found:
                    pause = attempts.take(found)
                    if pause is None:
                        async for event in _read_lines(found):
                            attempts = self._attempts(call)
                            if event is not None:
                                last_event_id = event.id or last_event_id
                                yield event
                        raise httpx.ReadError("it closed the connection", request=found.request)
            except httpx.TransportError as error:
                pause = attempts.fail(error)
            await asyncio.sleep(pause)

    def _attempts(self, call: ApiCall[Any]) -> RequestAttempts:
        return RequestAttempts(call, self.server.retries, secret=self.server.key)

    @asynccontextmanager
    async def _stream(self, call: ApiCall[Any], **extra: Any) -> AsyncIterator[httpx.Response]:  # noqa: ANN401 - httpx's own
        """An answer whose body is not read yet, unless it is an error."""
        async with self._http.stream(call.method, call.path, **call.arguments, **extra) as response:
            if not response.is_success:
                await response.aread()
            yield response


async def _read_lines(response: httpx.Response) -> AsyncIterator[ServerEvent | None]:
    """For each line, the event that it completes; None: it completes none, e.g. the comment of a heartbeat."""
    parser = EventParser()
    async for line in response.aiter_lines():
        try:
            event = parser.feed(line)
        except ValueError as error:
            raise unreadable_answer(response, error) from error
        yield event
