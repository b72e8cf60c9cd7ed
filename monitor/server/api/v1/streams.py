"""The streams and their newest pictures: ``/streams``."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from monitor.server import service
from monitor.server.api.answers import StreamAnswer, StreamCounts, StreamList
from monitor.server.api.authentication import Caller, require
from monitor.server.api.caching import HEADERS, answer, answer_bytes, is_known
from monitor.server.api.paging import Page, cut
from monitor.server.api.problems import describe_errors
from monitor.server.auth.user import Role
from monitor.server.stream import Stream
from monitor.system.logs import mask_text
from monitor.types import Label

router: Final = APIRouter(tags=["streams"])

StreamId = Annotated[str, Path(max_length=64, description="The id of a stream, from /streams.")]
StreamName = Annotated[str, Field(max_length=200, description="Display name; empty: the masked address.")]
NOT_FOUND: Final = describe_errors({404: "There is no stream with this id."})


class NewStream(BaseModel):
    """A source to watch."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=1, max_length=2000, description="An address, as on the page: rtsp://, https://, ...")
    name: StreamName = ""
    repeat: bool = Field(default=False, description="Restart a file at its end.")


class StreamChange(BaseModel):
    """The changes of a stream; what is absent stays."""

    model_config = ConfigDict(extra="forbid")

    name: StreamName | None = None
    paused: bool | None = Field(None, description="true pauses; false resumes, or restarts a failed or ended one.")


@router.get(
    "/streams",
    response_model=StreamList,
    dependencies=[require(Role.VIEWER, scope="streams")],
    summary="All streams with their state",
)
async def list_streams(request: Request, paging: Page) -> Response:
    """The streams in the order of their ids."""
    after = paging.position(str)
    streams = sorted(service.current().streams, key=lambda stream: stream.id)
    rest = [stream for stream in streams if after is None or (stream.id,) > after]
    kept, cursor = cut(rest, paging, position=lambda stream: (stream.id,))
    return answer(request, StreamList(items=[describe_stream(stream) for stream in kept], next=cursor))


@router.post(
    "/streams",
    response_model=StreamAnswer,
    status_code=201,
    responses=describe_errors({409: "The source is watched already, or there are too many streams."}),
    summary="Watch another source",
)
async def create_stream(
    request: Request, body: NewStream, caller: Annotated[Caller, require(Role.ADMIN, scope="streams")]
) -> Response:
    """The address has the same limits as on the page. The source is watched again after a restart of the server."""
    now = service.current()
    await caller.audit("source added", await asyncio.to_thread(now.check_new_source, body.url))
    stream = await asyncio.to_thread(now.add_saved, body.url, name=body.name, repeat=body.repeat)
    return answer(request, describe_stream(stream), status=201, headers={"Location": f"streams/{stream.id}"})


@router.get(
    "/streams/{stream_id}",
    response_model=StreamAnswer,
    dependencies=[require(Role.VIEWER, scope="streams")],
    responses=NOT_FOUND,
    summary="One stream with its state",
)
async def read_stream(request: Request, stream_id: StreamId) -> Response:
    """The state of one stream now."""
    return answer(request, describe_stream(find_stream(stream_id)))


@router.patch("/streams/{stream_id}", response_model=StreamAnswer, responses=NOT_FOUND, summary="Rename, pause, resume")
async def change_stream(
    request: Request,
    stream_id: StreamId,
    body: StreamChange,
    caller: Annotated[Caller, require(Role.ADMIN, scope="streams")],
) -> Response:
    """The state follows within some tenths of a second. A pause ends with the server."""
    stream = find_stream(stream_id)
    if body.name is not None:
        await caller.audit("source renamed", stream.address)
        await asyncio.to_thread(service.current().rename, stream, body.name)
    if body.paused is not None:
        await caller.audit("source paused" if body.paused else "source resumed", stream.address)
        await asyncio.to_thread(stream.pause if body.paused else stream.resume)
    return answer(request, describe_stream(stream))


@router.delete("/streams/{stream_id}", status_code=204, responses=NOT_FOUND, summary="Stop watching a source")
async def remove_stream(
    stream_id: StreamId, caller: Annotated[Caller, require(Role.ADMIN, scope="streams")]
) -> Response:
    """The source is not watched after a restart, either; its flags stay."""
    stream = find_stream(stream_id)
    await caller.audit("source removed", stream.address)
    await asyncio.to_thread(service.current().remove, stream.id)
    return Response(status_code=204)


@router.get(
    "/streams/{stream_id}/picture",
    response_class=Response,
    dependencies=[require(Role.VIEWER, scope="streams")],
    responses={
        200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}, "description": "JPEG."},
        **describe_errors({404: "There is no stream with this id, or it has no picture yet."}),
    },
    summary="The newest picture as JPEG",
)
async def read_picture(request: Request, stream_id: StreamId) -> Response:
    """The newest analysed frame in full size, without boxes. 404 before the first frame."""
    stream = find_stream(stream_id)
    number = stream.broadcaster.number
    if number is not None and is_known(request, _picture_tag(stream, number)):
        return Response(status_code=304, headers={**HEADERS, "ETag": _picture_tag(stream, number)})
    found = await asyncio.to_thread(stream.broadcaster.still)
    if found is None:
        raise HTTPException(404, "this stream has no picture yet: its state says why")
    number, picture = found
    return answer_bytes(request, picture, media_type="image/jpeg", etag=_picture_tag(stream, number))


def _picture_tag(stream: Stream, number: int) -> str:
    return f'"{stream.id}-{number}"'


def find_stream(stream_id: str) -> Stream:
    """The stream with this id.

    Raises:
        HTTPException: 404, there is none.
    """
    stream = service.current().stream(stream_id)
    if stream is None:
        raise HTTPException(404, "there is no stream with this id: /streams lists all streams")
    return stream


def describe_stream(stream: Stream) -> StreamAnswer:
    """The state of a stream now."""
    status, totals, faces = stream.status, stream.metrics.totals, dict(stream.metrics.faces)
    stats = status.stats
    return StreamAnswer(
        id=stream.id,
        name=mask_text(stream.name),
        address=stream.address,
        state=status.state,
        reason=mask_text(status.reason),
        connection=status.connection,
        attempt=status.attempt,
        retry_after=None if status.retry_after is None else round(status.retry_after, 1),
        source=None if status.info is None else status.info.to_dict(),
        label=max(faces, key=lambda label: label.severity).value if faces else None,
        faces={label.value: faces.get(label, 0) for label in Label},
        hints=sorted(hint.value for hint in stream.metrics.hints),
        fps=None if stats is None else round(stats.fps, 2),
        latency_p50=None if stats is None else stats.latency_p50,
        latency_p95=None if stats is None else stats.latency_p95,
        viewers=stream.broadcaster.viewers,
        node=stream.node,
        counts=StreamCounts(
            openings=totals.openings,
            frames_read=totals.read,
            frames_analysed=totals.analysed,
            dropped=dict(totals.dropped),
            lost=dict(totals.lost),
            label_changes={label.value: totals.changes.get(label, 0) for label in Label},
            flags=totals.flags,
        ),
    )
