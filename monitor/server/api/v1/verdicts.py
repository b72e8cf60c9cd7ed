"""The verdicts on one stream, now and in the last hours: ``/streams/{id}/verdicts``."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from monitor.server.api.answers import VerdictList
from monitor.server.api.authentication import require
from monitor.server.api.caching import answer
from monitor.server.api.paging import Paging, cut, decode_cursor
from monitor.server.api.query_times import Moment
from monitor.server.api.v1.streams import NOT_FOUND, StreamId, find_stream
from monitor.server.auth.user import Role
from monitor.server.stream import Stream
from monitor.server.verdict_log import LoggedVerdict

router: Final = APIRouter(tags=["verdicts"])

_LONGEST: Final = 5000  # points of one page
_WEEK: Final = 604_800.0  # seconds


async def read_point_paging(
    limit: Annotated[int, Query(ge=1, le=_LONGEST, description="Maximum number of points.")] = 1000,
    cursor: Annotated[str | None, Query(max_length=512, description="The value `next` of the page before.")] = None,
) -> Paging:
    """The page of points that a request asks for."""
    return Paging(limit, None if cursor is None else decode_cursor(cursor))


@router.get(
    "/streams/{stream_id}/verdicts",
    response_model=VerdictList,
    dependencies=[require(Role.VIEWER, scope="verdicts")],
    responses=NOT_FOUND,
    summary="The verdicts now, and those of the last hours",
)
async def list_verdicts(
    request: Request,
    stream_id: StreamId,
    paging: Annotated[Paging, Depends(read_point_paging)],
    since: Annotated[Moment | None, Query(description="Only points from this time on.")] = None,
    until: Annotated[Moment | None, Query(description="Only points up to this time.")] = None,
    seconds: Annotated[float | None, Query(gt=0, le=_WEEK, description="Only the last seconds before now.")] = None,
) -> Response:
    """How long points are kept, and how many, is set by `api.history_hours` and `api.history_points`."""
    stream = find_stream(stream_id)
    if seconds is not None:
        began = datetime.now(UTC) - timedelta(seconds=seconds)
        since = began if since is None else max(since, began)
    return await asyncio.to_thread(_answer, request, stream, paging, since=since, until=until)


def _answer(
    request: Request, stream: Stream, paging: Paging, *, since: datetime | None, until: datetime | None
) -> Response:
    points = _points(stream, paging, since=since, until=until)
    kept, cursor = cut(points, paging, position=_position)
    newest = stream.verdict_log.newest
    found = {
        "at": None if newest is None else newest.at,
        "connection": None if newest is None else newest.connection,
        "media_time": None if newest is None else round(newest.media_time, 3),
        "verdicts": [] if newest is None else [verdict.to_dict() for verdict in newest.verdicts],
        "items": [point.to_dict() for point in kept],
        "next": cursor,
    }
    return answer(request, VerdictList.model_validate(found))


def _points(
    stream: Stream, paging: Paging, *, since: datetime | None, until: datetime | None
) -> Sequence[LoggedVerdict]:
    after = paging.position(float, int, int)
    place = None if after is None else (float(after[0]), int(after[1]), int(after[2]))
    return stream.verdict_log.points(since=since, until=until, after=place, limit=paging.limit + 1)


def _position(point: LoggedVerdict) -> tuple[float, int, int]:
    return point.at.timestamp(), point.connection, point.track_id
