"""The events of all streams as they happen: ``/events`` (server-sent events) and ``/events/ws`` (WebSocket)."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, WebSocket
from starlette.requests import HTTPConnection
from starlette.responses import StreamingResponse
from starlette.websockets import WebSocketDisconnect

from monitor.errors import ConflictError, SignInError, StoreError, UsageError
from monitor.server import service
from monitor.server.api.authentication import Requirement, find_caller, require
from monitor.server.auth.user import Role
from monitor.server.notify.event_feed import (
    EVENT_TYPES,
    USUAL_TYPES,
    EventFeed,
    EventFilter,
    FeedMessage,
    FeedReader,
)

router: Final = APIRouter(tags=["events"])

HEARTBEAT: Final = 15.0  # seconds between two comments, so that no proxy ends a silent connection
_RETRY: Final = 3000  # milliseconds until a disconnected client connects again
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would wait for more
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_REQUIREMENT: Final = Requirement(Role.VIEWER, "events")
_REVOKED, _LEAVING = 1008, 1001  # close codes of RFC 6455

Types = Annotated[
    str,
    Query(
        max_length=400,
        description=f"Types, separated by commas: {', '.join(EVENT_TYPES)}. None: all but frame_analysed.",
    ),
]
Streams = Annotated[str, Query(max_length=2000, description="Ids of streams, separated by commas; none: all streams.")]


EventId = Annotated[str, Query(max_length=64, description="Id of an event: continue after it.")]


async def subscribe(
    types: Types = "",
    streams: Streams = "",
    after: EventId = "",
    last_event_id: Annotated[
        str, Header(max_length=64, description="As `after`; browsers send it when they connect again.")
    ] = "",
) -> AsyncIterator[FeedReader]:
    """The reader of a request, until its connection ends."""
    try:
        with find_feed().reading(_filter(types, streams), after=last_event_id or after) as reader:
            yield reader
    except ConflictError as error:
        raise HTTPException(503, str(error), {"Retry-After": "10"}) from None


Reader = Annotated[FeedReader, Depends(subscribe)]


@router.get(
    "/events",
    dependencies=[require(Role.VIEWER, scope="events")],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "The events."}},
    summary="Events as server-sent events",
)
async def stream_events(request: Request, reader: Reader) -> StreamingResponse:
    """Endless; `/events/ws` sends the same as WebSocket.

    Each event has its type as name, its id, and as data one JSON object (docs/json.md). A client that is too slow, or
    returns too late, receives `events_lost` with the number of lost events.
    """
    return StreamingResponse(_send_events(request, reader), media_type="text/event-stream", headers=_HEADERS)


async def _send_events(request: Request, reader: FeedReader) -> AsyncIterator[str]:
    yield f"retry: {_RETRY}\n: connected\n\n"
    access = _Access(request)
    while await access.holds() and not find_feed().closed:
        message = await _next(reader)
        if message is None:
            yield ": heartbeat\n\n"
        else:
            head = f"id: {message.id}\n" if message.id else ""
            yield f"{head}event: {message.type}\ndata: {message.text}\n\n"


@router.websocket("/events/ws", dependencies=[require(Role.VIEWER, scope="events")])
async def send_events(websocket: WebSocket, reader: Reader) -> None:
    """The same events as JSON messages."""
    await websocket.accept()
    sender = asyncio.create_task(_send_messages(websocket, reader))
    listener = asyncio.create_task(_wait_for_end(websocket))
    try:
        await asyncio.wait({sender, listener}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sender, listener):
            task.cancel()
        await asyncio.gather(sender, listener, return_exceptions=True)


async def _send_messages(websocket: WebSocket, reader: FeedReader) -> None:
    access = _Access(websocket)
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while await access.holds():
            if find_feed().closed:
                await websocket.close(_LEAVING, "the server stops")
                return
            message = await _next(reader)
            if message is not None:
                await websocket.send_text(message.text)
        await websocket.close(_REVOKED, "the key is not valid any more")


async def _wait_for_end(websocket: WebSocket) -> None:
    """Read until the client leaves; its messages have no meaning."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while (await websocket.receive())["type"] != "websocket.disconnect":
            pass


async def _next(reader: FeedReader) -> FeedMessage | None:
    """The next message; None if none came for the time of a heartbeat."""
    message = reader.take()
    if message is None:
        await reader.wait(HEARTBEAT)
        message = reader.take()
    return message


class _Access:
    """Checks now and then that the key of an open connection is still valid."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._checked = time.monotonic()

    async def holds(self) -> bool:
        """Whether a new connection would be allowed."""
        if time.monotonic() - self._checked < HEARTBEAT:
            return True
        self._checked = time.monotonic()
        try:
            _REQUIREMENT.check(await find_caller(self._connection))
        except (SignInError, HTTPException):
            return False
        except StoreError:  # a busy database must not end a connection
            return True
        return True


def find_feed() -> EventFeed:
    """The event feed of the service.

    Raises:
        HTTPException: 503, the service has none.
    """
    feed = next((outlet for outlet in service.current().outlets if isinstance(outlet, EventFeed)), None)
    if feed is None:
        raise HTTPException(503, "this server has no event feed: start it without a changed registry of outlets")
    return feed


def _filter(types: str, streams: str) -> EventFilter:
    chosen = frozenset(filter(None, map(str.strip, types.split(","))))
    unknown = sorted(chosen - set(EVENT_TYPES))
    if unknown:
        raise UsageError(f"{unknown[0][:40]} is not a type of event: choose from {', '.join(EVENT_TYPES)}")
    return EventFilter(chosen or USUAL_TYPES, frozenset(filter(None, map(str.strip, streams.split(",")))))
