"""The latest verdicts on each face, for sparklines and the rolling timeline."""

import threading
from collections import deque
from dataclasses import dataclass

from monitor.types import Label
from monitor.types.events import Event, FrameAnalysed, StreamOpened


@dataclass(frozen=True, slots=True)
class VerdictPoint:
    """The verdict on one face at one media time."""

    connection: int
    media_time: float
    track_id: int
    label: Label
    probability: float | None


class VerdictHistory:
    """Keeps the verdicts of the last ``seconds`` of media time, at most ``max_points`` points; an observer."""

    def __init__(self, *, seconds: float = 120.0, max_points: int = 20_000) -> None:
        self._seconds = seconds
        self._points: deque[VerdictPoint] = deque(maxlen=max_points)
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Add a point for each scored or rejected face of a frame; a new connection clears all points."""
        match event:
            case StreamOpened():
                with self._lock:
                    self._points.clear()
            case FrameAnalysed():
                self._add(event)

    def _add(self, event: FrameAnalysed) -> None:
        observation = event.observation
        attempted = {*observation.scores.track_ids.tolist(), *observation.scores.rejected}
        points = [
            VerdictPoint(event.connection, observation.media_time, verdict.track_id, verdict.label, verdict.probability)
            for verdict in observation.verdicts
            if verdict.track_id in attempted
        ]
        with self._lock:
            self._points += points
            while self._points and self._points[0].media_time < observation.media_time - self._seconds:
                self._points.popleft()

    @property
    def worst(self) -> list[VerdictPoint]:
        """The worst verdict on each face within the kept time, ordered by face."""
        found: dict[int, VerdictPoint] = {}
        for point in self.points:
            known = found.get(point.track_id)
            if known is None or _rank(point) > _rank(known):
                found[point.track_id] = point
        return [found[track_id] for track_id in sorted(found)]

    @property
    def points(self) -> list[VerdictPoint]:
        """All points, the oldest first."""
        with self._lock:
            return list(self._points)


def _rank(point: VerdictPoint) -> tuple[int, float]:
    return point.label.severity, -1.0 if point.probability is None else point.probability
