"""The flagged moments: ``/flags``."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Request, Response
from starlette.responses import FileResponse

from monitor.errors import ConflictError, OutputError, UsageError
from monitor.flags.queries import FlagQuery
from monitor.flags.recorder import FlagRequest
from monitor.server import sent_files, service
from monitor.server.api.analysis_answers import ExportRequest, FlagPageAnswer, FlagRequestBody, FlagReview
from monitor.server.api.authentication import Caller, require
from monitor.server.api.caching import HEADERS, answer, answer_file, check_if_match
from monitor.server.api.paging import Page, cut
from monitor.server.api.problems import describe_errors
from monitor.server.api.query_times import Moment
from monitor.server.api.v1.streams import find_stream
from monitor.server.auth.user import Role
from monitor.system.logs import mask_text
from monitor.types import Flag, Label, Opinion, Origin

router: Final = APIRouter(tags=["flags"])

_VIEWER: Final = [require(Role.VIEWER, scope="flags")]
Reviewer = Annotated[Caller, require(Role.REVIEWER, scope="flags")]
Administrator = Annotated[Caller, require(Role.ADMIN, scope="flags")]
_NOT_FOUND: Final = describe_errors({404: "There is no such flag, or no such file."})
_IF_MATCH: Final = {
    **_NOT_FOUND,
    **describe_errors({412: "The header If-Match names another version: another client has changed the flag."}),
}
_CREATED: Final = describe_errors(
    {
        404: "There is no stream with this id.",
        409: "The stream has no picture yet, or not this face.",
        507: "The flag cannot be stored.",
    }
)


@router.get("/flags", response_model=FlagPageAnswer, dependencies=_VIEWER, summary="The flags, the newest first")
async def list_flags(
    request: Request,
    paging: Page,
    since: Annotated[Moment | None, Query(description="Flagged at this time or later.")] = None,
    until: Annotated[Moment | None, Query(description="Flagged before this time.")] = None,
    source: Annotated[str, Query(max_length=2000, description="Its name, as in a flag.")] = "",
    label: Label | None = None,
    opinion: Opinion | None = None,
    origin: Origin | None = None,
    reviewed: bool | None = None,  # noqa: FBT001 - a parameter of the query
) -> Response:
    """The keys of a flag are on the page JSON and CSV of the documentation."""
    position = paging.position(str, str)
    query = FlagQuery(
        since=since,
        until=until,
        source=source,
        label=label,
        opinion=opinion,
        origin=origin,
        reviewed=reviewed,
        before=None if position is None else (_read_time(str(position[0])), str(position[1])),
    )
    found = await asyncio.to_thread(service.current().archive.store.find, query, limit=paging.limit + 1)
    flags, cursor = cut(found, paging, position=lambda flag: (flag.created_at.isoformat(), flag.id))
    return answer(request, {"items": [flag.record() for flag in flags], "next": cursor})


@router.post(
    "/flags", response_model=Flag, status_code=201, summary="Flag the newest picture of a stream", responses=_CREATED
)
async def create_flag(request: Request, caller: Reviewer, body: FlagRequestBody) -> Response:
    """The clip follows when the seconds after the moment are recorded: `clip` is `pending` until then."""
    stream = find_stream(body.stream)
    now = stream.broadcaster.now
    if now is None:
        raise ConflictError(f"{stream.name} has no picture yet: wait until it is live")
    if body.track_id is not None and body.track_id not in {face["id"] for face in now["faces"]}:
        raise ConflictError(f"face {body.track_id} is not in the newest picture of {stream.name}: leave track_id out")
    mark = FlagRequest(
        connection=now["connection"],
        media_time=now["time"],
        frame_index=now["frame"],
        track_id=body.track_id,
        reporter=caller.actor,
        category=body.category,
        note=body.note,
    )
    await caller.audit("flagged", f"{mask_text(stream.name)}, connection {mark.connection}, {mark.media_time:.3f} s")
    flag = await asyncio.to_thread(stream.flag_recorder.flag, mark)
    return _answer(request, flag, status=201, headers={"Location": f"flags/{flag.id}"})


@router.get("/flags/{flag_id}", response_model=Flag, dependencies=_VIEWER, summary="One flag", responses=_NOT_FOUND)
async def read_flag(request: Request, flag_id: str) -> Response:
    """A flag with its files and its review."""
    return _answer(request, await _find(flag_id))


@router.patch("/flags/{flag_id}", response_model=Flag, summary="Judge a flag", responses=_IF_MATCH)
async def update_flag(request: Request, caller: Reviewer, flag_id: str, body: FlagReview) -> Response:
    """Stores a person's review; the flag's history keeps each one."""
    if not body.model_fields_set:
        raise UsageError("the body judges nothing: give opinion, category or note")
    expected = await _expected(request, flag_id)
    await caller.audit("flag judged", flag_id)
    flag = await asyncio.to_thread(
        service.current().archive.store.review,
        flag_id,
        actor=caller.actor,
        opinion=body.opinion,
        category=body.category,
        note=body.note,
        expected=expected,
    )
    return _answer(request, flag)


@router.delete("/flags/{flag_id}", status_code=204, summary="Delete a flag and its files", responses=_IF_MATCH)
async def delete_flag(request: Request, caller: Administrator, flag_id: str) -> Response:
    """The log of the flags keeps the id and the name of the key."""
    expected = await _expected(request, flag_id)
    await caller.audit("flag deleted", flag_id)
    archive = service.current().archive
    await asyncio.to_thread(archive.delete, flag_id, actor=caller.actor, expected=expected)
    return Response(status_code=204, headers=HEADERS)


@router.get(
    "/flags/{flag_id}/files/{name}",
    response_class=FileResponse,
    dependencies=_VIEWER,
    summary="A file of a flag",
    responses=_NOT_FOUND,
)
async def read_flag_file(request: Request, flag_id: str, name: str) -> Response:
    """Picture, clip or trace; byte ranges are supported."""
    flag = await _find(flag_id)
    try:
        file = await asyncio.to_thread(sent_files.flag_file, service.current().archive, flag, name)
        return answer_file(request, file)
    except OutputError as error:
        raise HTTPException(404, str(error)) from None


@router.post(
    "/flags/export",
    response_class=FileResponse,
    summary="A bundle of flags, as a zip file",
    responses={200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}, **_NOT_FOUND},
)
async def export_flags(caller: Reviewer, body: ExportRequest) -> Response:
    """All files of the flags with a readable report; `deepfake-monitor flags verify` checks it anywhere."""
    ids = list(dict.fromkeys(body.ids))

    async def note() -> None:
        await caller.audit("exported", ", ".join(ids))

    archive = service.current().archive
    return await sent_files.export_flags(
        archive, ids, actor=caller.actor, note=note, credentials=service.current().settings.credentials, blur=body.blur
    )


async def _find(flag_id: str) -> Flag:
    return await asyncio.to_thread(service.current().archive.store.get, flag_id)


async def _expected(request: Request, flag_id: str) -> str | None:
    """The SHA-256 of the flag that the header If-Match names; None without this header.

    Raises:
        FlagNotFoundError: there is no such flag.
        HTTPException: 412, the header names another version.
    """
    flag = await _find(flag_id)
    check_if_match(request, _etag(flag))
    return flag.sha256 if "if-match" in request.headers else None


def _etag(flag: Flag) -> str:
    return f'"{flag.sha256}"'


def _answer(request: Request, flag: Flag, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return answer(request, flag.record(), status=status, headers=headers, etag=_etag(flag))


def _read_time(text: str) -> datetime:
    """The time of a cursor.

    Raises:
        UsageError: the cursor belongs to another list.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError("the cursor is not one of this list: begin again without a cursor") from None
