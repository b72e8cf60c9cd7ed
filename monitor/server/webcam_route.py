"""Receives the pictures of a browser's own camera over a WebSocket; monitor.dashboard.webcam defines the messages.

The first connection creates a stream. The stream survives short interruptions: it ends when no picture arrives for
``CAMERA_GRACE`` seconds after a connection has closed.
"""

import asyncio
import re
import struct
from contextlib import suppress
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from monitor.errors import MonitorError
from monitor.media.sources.push import PushInbox
from monitor.server import service
from monitor.server.auth.authorization import authorize, client_of, wait_until_denied
from monitor.server.auth.user import Role
from monitor.server.frame_messages import ENDED, NOT_ALLOWED
from monitor.server.service import MonitorService
from monitor.server.stream import Stream, camera_id

_KEY: Final = re.compile(r"[\w-]{16,64}", re.ASCII)
_TIME: Final = struct.Struct(">d")  # Unix milliseconds
_LONGEST_NAME: Final = 80
_TICK: Final = 0.5  # seconds between two checks of the stream's end
_NOT_ALLOWED: Final = "not allowed: a camera needs the role reviewer; reload the page"
_REMOVED: Final = "the source was removed"


async def camera(websocket: WebSocket) -> None:
    """Receives pictures until either side closes; acknowledges each with ``{"ack": n}``."""
    person = await authorize(websocket, Role.REVIEWER)
    monitor_service, key = service.current(), websocket.path_params["key"]
    if person is None or not _KEY.fullmatch(key):
        await _close(websocket, NOT_ALLOWED, _NOT_ALLOWED)
        return
    owner = person.name or websocket.query_params.get("name", "").strip()[:_LONGEST_NAME]
    name = f"Camera of {owner or 'a browser'}"
    is_new = monitor_service.stream(camera_id(key)) is None
    try:
        stream = monitor_service.camera(key, name=name)
        if is_new:
            about = {"person": owner, "what": name, "client": client_of(websocket)}
            await asyncio.to_thread(monitor_service.audit.note, "source added", **about)
    except MonitorError as error:
        await _close(websocket, ENDED, str(error))
        return
    if stream.inbox is None:
        await _close(websocket, ENDED, _REMOVED)
        return
    await websocket.accept()
    tasks = {
        asyncio.create_task(_receive(websocket, stream.inbox)): (1000, ""),
        asyncio.create_task(_wait_for_end(stream)): (ENDED, _REMOVED),
        asyncio.create_task(wait_until_denied(websocket, Role.REVIEWER)): (NOT_ALLOWED, _NOT_ALLOWED),
    }
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        code, why = tasks[done.pop()]
        with suppress(WebSocketDisconnect, RuntimeError):
            await websocket.close(code, why)
    finally:
        asyncio.get_running_loop().call_later(
            service.CAMERA_GRACE, _leave, monitor_service, stream
        )  # first, as this task may be cancelled
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _close(websocket: WebSocket, code: int, why: str) -> None:
    """Accepts and closes a connection: a browser hides the reason of a failed handshake from its page."""
    await websocket.accept()
    await websocket.close(code, why[:120])


async def _wait_for_end(stream: Stream) -> None:
    while not stream.broadcaster.over:
        await asyncio.sleep(_TICK)


async def _receive(websocket: WebSocket, inbox: PushInbox) -> None:
    """Acknowledges every message; for an invalid picture, ``refused`` contains the error."""
    number = 0
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            number += 1
            answer: dict[str, Any] = {"ack": number}
            try:
                taken_at, content = _unpack(message.get("bytes") or b"")
                inbox.push(content, taken_at=taken_at)
            except ValueError as error:
                answer["refused"] = str(error)
            await websocket.send_json(answer)


def _unpack(message: bytes) -> tuple[float, bytes]:
    """Seconds on the browser's clock, and the JPEG; NaN if the message is too short for a time."""
    if len(message) < _TIME.size:
        return float("nan"), b""
    return _TIME.unpack_from(message)[0] / 1000, message[_TIME.size :]


def _leave(monitor_service: MonitorService, stream: Stream) -> None:
    """Ends a camera's stream unless pictures arrived over another connection; runs on the event loop."""
    if stream.inbox is not None and stream.inbox.silence >= service.CAMERA_GRACE:
        stream.broadcaster.end("the camera's browser has disconnected")
        asyncio.get_running_loop().run_in_executor(None, monitor_service.remove, stream.id)
