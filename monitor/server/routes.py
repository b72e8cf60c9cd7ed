"""The routes beside Streamlit's pages: live frames, files of flags and analyses, uploads.

Streamlit does not protect these routes, so each route checks the request: its Origin header, if present, must match
the host, and its token must belong to a page of a signed-in user with the required role.
"""

import asyncio
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from monitor.errors import FlagNotFoundError, MonitorError, OutputError, StoreError
from monitor.server import sent_files, service
from monitor.server.api.mount import API_ROUTE
from monitor.server.auth.authorization import authorize, client_of, token_of, wait_until_denied
from monitor.server.auth.sign_in_route import sign_in
from monitor.server.auth.user import Role
from monitor.server.broadcaster import Broadcaster, Viewer
from monitor.server.frame_messages import ENDED, NOT_ALLOWED
from monitor.server.health import HEALTH_ROUTES
from monitor.server.upload_body import receive_body
from monitor.server.webcam_route import camera

PREFIX: Final = "monitor"  # of all paths below; pages name them relative to their own address
CREDIT: Final = 2  # unacknowledged frames of one viewer


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
    archive, path = service.current().archive, request.path_params
    try:
        flag = await asyncio.to_thread(archive.store.get, path["flag"])
        return await asyncio.to_thread(sent_files.flag_file, archive, flag, path["name"])
    except (FlagNotFoundError, OutputError) as error:
        return _error(str(error), 404)
    except StoreError as error:
        return _error(str(error), 503)


async def analysis_file(request: Request) -> Response:
    """Sends a result file of an analysis; with ``saved`` in the query, the browser saves it instead of showing it."""
    if await authorize(request, Role.VIEWER) is None:
        return _deny()
    folder = service.current().analyses.results(Path(request.path_params["analysis"]).name)
    name, saved = request.path_params["name"], "saved" in request.query_params
    try:
        return await asyncio.to_thread(sent_files.result_file, folder, name, saved=saved)
    except OutputError as error:
        return _error(str(error), 404)


async def export(request: Request) -> Response:
    """Sends a bundle of the flags with the given ids."""
    person = await authorize(request, Role.REVIEWER)
    if person is None:
        return _deny()
    ids = [one for one in request.query_params.get("ids", "").split(",") if one]
    actor = person.name or request.query_params.get("actor", "")  # the user's name in the mode "open"

    async def note() -> None:
        await asyncio.to_thread(_note, request, "exported", person=actor, what=", ".join(ids))

    try:
        now = service.current()
        return await sent_files.export_flags(
            now.archive, ids, actor=actor, note=note, credentials=now.settings.credentials
        )
    except MonitorError as error:
        return _error(str(error), 404)


async def upload(request: Request) -> Response:
    """Receives a file for analysis; the request body is written to disk in chunks."""
    person = await authorize(request, Role.REVIEWER)
    if person is None:
        return _deny()
    name = request.query_params.get("name", "")

    async def note(_: str) -> None:
        await asyncio.to_thread(_note, request, "uploaded", person=person.name, what=Path(name).name)

    try:
        analysis_id, received = await receive_body(request, service.current().analyses, name=name, accept=note)
    except MonitorError as error:
        return _error(str(error), 400)
    return JSONResponse({"id": analysis_id, "bytes": received}, headers=sent_files.HEADERS)


def _note(request: Request, action: str, *, person: str, what: str) -> None:
    service.current().audit.note(action, person=person, what=what, client=client_of(request))


def _deny() -> Response:
    return _error("not allowed: open the dashboard, sign in as a user with the required role, and try again", 403)


def _error(message: str, status: int) -> Response:
    return JSONResponse({"error": message}, status_code=status, headers=sent_files.HEADERS)


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
