"""Sends the requests of the blocking client, and repeats them."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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


class Transport:
    """The connections to one server; usable from several threads."""

    def __init__(self, server: ServerConnection) -> None:
        self.server = server
        self._http = httpx.Client(**server.arguments)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def do(self, call: ApiCall[T], *, body: Callable[[], Iterable[bytes]] | None = None) -> T:
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
                response = self._http.request(call.method, call.path, **call.arguments, **content)
            except httpx.TransportError as error:
                pause: float | None = attempts.fail(error)
            else:
                pause = attempts.take(response)
                if pause is None:
                    return call.read(response)
            time.sleep(pause or 0.0)

    def pages(self, page: Callable[[str | None], ApiCall[ItemPage[T]]]) -> Iterator[T]:
        """The items of all pages of a list; ``page`` is the request for the page of a cursor."""
        cursor: str | None = None
        while True:
            found = self.do(page(cursor))
            yield from found.items
            cursor = found.next
            if cursor is None:
                return

    def download(self, call: ApiCall[None], path: Path) -> None:
        """Writes the body of an answer to a file; a lost connection resumes the download.

        Raises:
            OutputError: the file cannot be written.
        """
        attempts = self._attempts(call)
        with PartialFile(path) as file:
            while True:
                try:
                    with self._stream(replace(call, headers=file.headers)) as response:
                        pause = attempts.take(response)
                        if pause is None:
                            file.begin(response)
                            for chunk in response.iter_bytes():
                                file.add(chunk)
                            return
                except httpx.TransportError as error:
                    pause = attempts.fail(error)
                time.sleep(pause)

    def events(self, call: ApiCall[None], *, last_event_id: str) -> Iterator[ServerEvent]:
        """The events of an endless answer; a lost connection continues after the last one.

        The attempts are counted anew from each line, so that a server without events may cut the connection often.
        """
        attempts = self._attempts(call)
        while True:
            try:
                with self._stream(replace(call, headers=calls.resume(last_event_id)), timeout=EVENT_TIMEOUT) as found:
                    pause = attempts.take(found)
                    if pause is None:
                        for event in _read_lines(found):
                            attempts = self._attempts(call)
                            if event is not None:
                                last_event_id = event.id or last_event_id
                                yield event
                        raise httpx.ReadError("it closed the connection", request=found.request)
            except httpx.TransportError as error:
                pause = attempts.fail(error)
            time.sleep(pause)

    def _attempts(self, call: ApiCall[Any]) -> RequestAttempts:
        return RequestAttempts(call, self.server.retries, secret=self.server.key)

    @contextmanager
    def _stream(self, call: ApiCall[Any], **extra: Any) -> Iterator[httpx.Response]:  # noqa: ANN401 - httpx's own
        """An answer whose body is not read yet, unless it is an error."""
        with self._http.stream(call.method, call.path, **call.arguments, **extra) as response:
            if not response.is_success:
                response.read()
            yield response


def _read_lines(response: httpx.Response) -> Iterator[ServerEvent | None]:
    """For each line, the event that it completes; None: it completes none, e.g. the comment of a heartbeat."""
    parser = EventParser()
    for line in response.iter_lines():
        try:
            event = parser.feed(line)
        except ValueError as error:
            raise unreadable_answer(response, error) from error
        yield event
