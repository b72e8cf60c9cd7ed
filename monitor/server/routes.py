"""The routes beside Streamlit's pages: live frames, files of flags and analyses, uploads.

Streamlit does not protect these routes, so each route checks the request: its Origin header, if present, must match
the host, and its token must belong to a page of a signed-in user with the required role.
"""

import asyncio
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from monitor.errors import FlagNotFoundError, MonitorError, OutputError
from monitor.results.printable import PRINTABLE, printable
from monitor.server import service
from monitor.server.api.mount import API_ROUTE
from monitor.server.auth.authorization import authorize, client_of, token_of, wait_until_denied
from monitor.server.auth.sign_in_route import sign_in
from monitor.server.auth.user import Role
from monitor.server.broadcaster import Broadcaster, Viewer
from monitor.server.frame_messages import ENDED, NOT_ALLOWED
from monitor.server.health import HEALTH_ROUTES
from monitor.server.uploads import check_size
from monitor.server.webcam_route import camera

PREFIX: Final = "monitor"  # of all paths below; pages name them relative to their own address
CREDIT: Final = 2  # unacknowledged frames of one viewer
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data: 'self'; media-src 'self'; "
    "frame-ancestors 'none'",
}


async def live(websocket: WebSocket) -> None:
    """Sends the newest frames of one stream as bytes, at most two unacknowledged, and its changes of state as text."""
    await websocket.accept()
    if await authorize(websocket, Role.VIEWER) is None:
        await websocket.close(NOT_ALLOWED, "not allowed: reload the page")
        return
    stream = service.current().stream(websocket.path_params["stream"])
    if stream is None:
        await websocket.close(ENDED, "the source was removed")
        return
    broadcaster = stream.broadcaster
    with broadcaster.viewing(token_of(websocket)) as viewer:
        credit = asyncio.Semaphore(CREDIT)
        reader = asyncio.create_task(_receive_acknowledgements(websocket, viewer, credit))
        sender = asyncio.create_task(_send_frames(websocket, broadcaster, viewer=viewer, credit=credit))
        guard = asyncio.create_task(wait_until_denied(websocket, Role.VIEWER))
        try:
            await asyncio.wait({reader, sender, guard}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reader, sender, guard):
                task.cancel()
            await asyncio.gather(reader, sender, guard, return_exceptions=True)
            if not guard.cancelled():
                with suppress(WebSocketDisconnect, RuntimeError):
                    await websocket.close(NOT_ALLOWED, "not allowed: your sign-in has ended, sign in again")


async def _receive_acknowledgements(websocket: WebSocket, viewer: Viewer, credit: asyncio.Semaphore) -> None:
    with suppress(WebSocketDisconnect, RuntimeError, ValueError, KeyError, TypeError):
        while True:
            answer = await websocket.receive_json()
            if viewer.acknowledge(answer["connection"], answer["ack"], shown=answer["shown"] is True):
                credit.release()
                viewer.arrived.set()


async def _send_frames(
    websocket: WebSocket, broadcaster: Broadcaster, *, viewer: Viewer, credit: asyncio.Semaphore
) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while not broadcaster.over:
            state = broadcaster.state(viewer)
            if state is not None:
                await websocket.send_json(asdict(state))
            found = None if credit.locked() else await asyncio.to_thread(broadcaster.message, viewer)
            if found is None:
                await viewer.arrived.wait()  # a newer frame, an acknowledgement, or the end
                viewer.arrived.clear()
            else:
                head, message = found
                await credit.acquire()
                viewer.send(head["connection"], head["frame"])
                await websocket.send_bytes(message)
        await websocket.close(ENDED, broadcaster.over[:120])


async def flag_file(request: Request) -> Response:
    """Sends a file of a flag; byte ranges are supported, so that a player can seek in a clip."""
    if await authorize(request, Role.VIEWER) is None:
        return _deny()
    archive = service.current().archive
    flag_id, name = request.path_params["flag"], request.path_params["name"]
    try:
        flag = await asyncio.to_thread(archive.store.get, flag_id)
    except FlagNotFoundError as error:
        return _error(str(error), 404)
    if name not in {exhibit.name for exhibit in flag.exhibits}:
        return _error("this file does not exist", 404)
    return _file(archive.files.folder(flag.id) / name)


async def analysis_file(request: Request) -> Response:
    """Sends a result file of an analysis; with ``saved`` in the query, the browser saves it instead of showing it."""
    if await authorize(request, Role.VIEWER) is None:
        return _deny()
    folder = service.current().analyses.results(Path(request.path_params["analysis"]).name)
    name = request.path_params["name"]
    if folder is not None and name == PRINTABLE:
        return await asyncio.to_thread(_printable, folder)
    if folder is None or name not in {path.name for path in folder.iterdir()}:
        return _error("this file does not exist", 404)
    return _file(folder / name, saved="saved" in request.query_params)


def _printable(folder: Path) -> Response:
    try:
        return HTMLResponse(printable(folder), headers=_HEADERS)
    except OutputError as error:
        return _error(str(error), 404)


async def export(request: Request) -> Response:
    """Sends a bundle of the flags with the given ids."""
    person = await authorize(request, Role.REVIEWER)
    if person is None:
        return _deny()
    archive = service.current().archive
    ids = [one for one in request.query_params.get("ids", "").split(",") if one]
    folder = tempfile.TemporaryDirectory(prefix="deepfake-monitor-")
    path = Path(folder.name) / "flags.zip"
    try:
        flags = [await asyncio.to_thread(archive.store.get, flag_id) for flag_id in ids]
        actor = person.name or request.query_params.get("actor", "")  # the user's name in the mode "open"
        await asyncio.to_thread(archive.export, flags, path, actor=actor)
        await asyncio.to_thread(_note, request, "exported", person=actor, what=", ".join(ids))
    except MonitorError as error:
        folder.cleanup()
        return _error(str(error), 404)
    done = BackgroundTask(folder.cleanup)
    return FileResponse(path, filename="flags.zip", headers=_HEADERS, background=done)


async def upload(request: Request) -> Response:
    """Receives a file for analysis; the request body is written to disk in chunks."""
    person = await authorize(request, Role.REVIEWER)
    if person is None:
        return _deny()
    now = service.current()
    limit = now.settings.dashboard.max_upload_megabytes
    received = 0
    try:
        check_size(int(request.headers.get("content-length", "0")), max_megabytes=limit)
        name = request.query_params.get("name", "")
        with now.analyses.receive(name) as (analysis_id, path):
            with path.open("wb") as file:
                async for piece in request.stream():
                    received += len(piece)
                    check_size(received, max_megabytes=limit)
                    await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(now.analyses.check_readable, path, name=Path(name).name)
            await asyncio.to_thread(_note, request, "uploaded", person=person.name, what=Path(name).name)
    except MonitorError as error:
        return _error(str(error), 400)
    return JSONResponse({"id": analysis_id, "bytes": received}, headers=_HEADERS)


def _note(request: Request, action: str, *, person: str, what: str) -> None:
    service.current().audit.note(action, person=person, what=what, client=client_of(request))


def _file(path: Path, *, saved: bool = False) -> Response:
    if not path.is_file():
        return _error("the file no longer exists", 404)
    return FileResponse(path, headers=_HEADERS, filename=path.name if saved else None)


def _deny() -> Response:
    return _error("not allowed: open the dashboard, sign in as a user with the required role, and try again", 403)


def _error(message: str, status: int) -> Response:
    return JSONResponse({"error": message}, status_code=status, headers=_HEADERS)


ROUTES: Final = [
    WebSocketRoute(f"/{PREFIX}/live/{{stream}}", live),
    WebSocketRoute(f"/{PREFIX}/camera/{{key}}", camera),
    Route(f"/{PREFIX}/flags/{{flag}}/{{name}}", flag_file),
    Route(f"/{PREFIX}/analyses/{{analysis}}/{{name}}", analysis_file),
    Route(f"/{PREFIX}/export", export),
    Route(f"/{PREFIX}/upload", upload, methods=["PUT"]),
    Route(f"/{PREFIX}/sign-in", sign_in, methods=["POST"]),
    API_ROUTE,
    *HEALTH_ROUTES,
]
