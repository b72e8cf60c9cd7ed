"""The verdicts of the last hours on one stream, for other programs: a point per second and face when they are old."""

import math
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.types import Label, Verdict
from monitor.types.events import Event, FrameAnalysed, StreamClosed
from monitor.types.serialise import PROBABILITY, Serialisable

FULL_SECONDS: Final = 120.0  # for so long, every score has its point
_LABELS: Final = tuple(Label)  # by severity
_FIRST_ROWS: Final = 1024
_MAX_RECENT: Final = 20_000  # complete points
_ROW: Final = np.dtype(
    [("at", "f8"), ("media_time", "f8"), ("connection", "i4"), ("track_id", "i4"), ("label", "i4"), ("p", "f4")]
)

Place = tuple[float, int, int]  # of a point in their order: seconds since 1970, connection, track


@dataclass(frozen=True, slots=True)
class LoggedVerdict(Serialisable):
    """The verdict on one face at one moment."""

    at: datetime  # UTC
    connection: int  # number of the connection, from 1; media time restarts with each connection
    media_time: float  # seconds
    track_id: int  # of the face
    label: Label
    probability: float | None = field(metadata=PROBABILITY)  # calibrated P(fake); None without a usable sample


@dataclass(frozen=True, slots=True)
class NewestVerdicts:
    """The verdicts on all faces of the newest frame."""

    at: datetime  # UTC
    connection: int
    media_time: float  # seconds
    verdicts: tuple[Verdict, ...]


class _Point(NamedTuple):
    at: float  # seconds since 1970, UTC
    media_time: float
    connection: int
    track_id: int
    severity: int
    probability: float  # NaN: none

    @property
    def place(self) -> Place:
        """The place in the order of the points."""
        return self.at, self.connection, self.track_id

    @property
    def rank(self) -> tuple[int, float]:
        """The worst has the highest one."""
        return self.severity, -1.0 if math.isnan(self.probability) else self.probability


class VerdictLog:
    """Keeps the verdicts on one stream in bounded memory; an observer.

    The points of the last two minutes are complete. Of the older ones, the worst per second and face is kept.

    Args:
        hours: age of the oldest points.
        max_points: limit of the thinned points; the oldest are lost.
    """

    def __init__(self, *, hours: float, max_points: int) -> None:
        self._seconds = 3600.0 * hours
        self._max_points = max_points
        self._recent: deque[_Point] = deque()
        self._second: dict[tuple[int, int], _Point] = {}  # the worst of each face in the second that is being thinned
        self._rows: NDArray[Any] = np.zeros(min(_FIRST_ROWS, max_points), _ROW)  # a ring, oldest at _next when full
        self._count = self._next = 0
        self._lock = threading.Lock()
        self._newest: NewestVerdicts | None = None

    def __call__(self, event: Event) -> None:
        """Add a point for each scored or rejected face of a frame."""
        match event:
            case FrameAnalysed():
                self._add(event)
            case StreamClosed():
                self._newest = None

    @property
    def newest(self) -> NewestVerdicts | None:
        """The verdicts on the newest frame; None before the first frame and after the end of a connection."""
        return self._newest

    def points(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        after: Place | None = None,
        limit: int | None = None,
    ) -> Sequence[LoggedVerdict]:
        """The points of a span, sorted by time and face.

        Args:
            after: only the points behind this one.
            limit: maximum number of points, the oldest first.
        """
        first = max(datetime.now(UTC).timestamp() - self._seconds, -math.inf if since is None else since.timestamp())
        last = math.inf if until is None else until.timestamp()
        with self._lock:  # which the stream's thread needs: copy, and convert later
            rows = self._rows[: self._count]
            thinned = rows[_chosen(rows, first, last, after=after)]
            newer = [*self._second.values(), *self._recent]
        if limit is not None and len(thinned) > limit:
            thinned = thinned[thinned["at"] <= np.partition(thinned["at"], limit)[limit]]
        found = [point for point in newer if first <= point.at <= last and (after is None or point.place > after)]
        found += [_Point(*row) for row in thinned.tolist()]
        found.sort(key=lambda point: point.place)
        return [_logged(point) for point in found[:limit]]

    def _add(self, event: FrameAnalysed) -> None:
        observation, at = event.observation, event.at.timestamp()
        self._newest = NewestVerdicts(event.at, event.connection, observation.media_time, observation.verdicts)
        attempted = {*observation.scores.track_ids.tolist(), *observation.scores.rejected}
        with self._lock:
            for verdict in observation.verdicts:
                if verdict.track_id in attempted:
                    probability = math.nan if verdict.probability is None else verdict.probability
                    label = verdict.label.severity
                    self._recent.append(
                        _Point(at, observation.media_time, event.connection, verdict.track_id, label, probability)
                    )
            while self._recent and (self._recent[0].at < at - FULL_SECONDS or len(self._recent) > _MAX_RECENT):
                self._thin(self._recent.popleft())

    def _thin(self, point: _Point) -> None:
        """Keep the worst point of each face in each second."""
        if self._second and int(point.at) != int(next(iter(self._second.values())).at):
            for kept in self._second.values():
                self._store(kept)
            self._second.clear()
        face = point.connection, point.track_id
        known = self._second.get(face)
        if known is None or point.rank > known.rank:
            self._second[face] = point

    def _store(self, point: _Point) -> None:
        if self._count == len(self._rows) < self._max_points:
            more = min(2 * self._count, self._max_points) - self._count
            self._rows = np.concatenate([self._rows, np.zeros(more, _ROW)])
            self._next = self._count
        self._rows[self._next] = tuple(point)
        self._next = (self._next + 1) % len(self._rows)
        self._count = min(self._count + 1, len(self._rows))


def _chosen(rows: NDArray[Any], first: float, last: float, *, after: Place | None) -> NDArray[np.bool_]:
    """Which rows are in a span, and behind a place."""
    at = rows["at"]
    chosen: NDArray[np.bool_] = (at >= first) & (at <= last)
    if after is not None:
        seconds, connection, track = after
        same = rows["connection"] == connection
        behind = (rows["connection"] > connection) | (same & (rows["track_id"] > track))
        chosen &= (at > seconds) | ((at == seconds) & behind)
    return chosen


def _logged(point: _Point) -> LoggedVerdict:
    return LoggedVerdict(
        at=datetime.fromtimestamp(point.at, UTC),
        connection=point.connection,
        media_time=point.media_time,
        track_id=point.track_id,
        label=_LABELS[point.severity],
        probability=None if math.isnan(point.probability) else point.probability,
    )
