"""What was said of each face lately: for sparklines and the rolling timeline."""

import threading
from collections import deque
from dataclasses import dataclass

from monitor.types import Frame, Label, Observation


@dataclass(frozen=True, slots=True)
class VerdictPoint:
    """What was said of one face at one scored moment."""

    epoch: int
    media_time: float
    track_id: int
    label: Label
    probability: float | None


class VerdictHistory:
    """A sink that keeps the last ``seconds`` of media time of one watch, and at most ``most`` points."""

    def __init__(self, *, seconds: float = 120.0, most: int = 20_000) -> None:
        self._seconds = seconds
        self._points: deque[VerdictPoint] = deque(maxlen=most)
        self._lock = threading.Lock()
        self._epoch = 0

    def opened(self, epoch: int) -> None:
        """A new epoch begins; points of the last one are forgotten."""
        with self._lock:
            self._epoch = epoch
            self._points.clear()

    def __call__(self, frame: Frame, observation: Observation) -> None:  # noqa: ARG002 - a sink
        """Keep a point for each face that was scored or rejected in this frame. Runs on the analysis thread."""
        attempted = {*observation.scores.track_ids.tolist(), *observation.scores.rejected}
        with self._lock:
            for verdict in observation.verdicts:
                if verdict.track_id in attempted:
                    self._points.append(
                        VerdictPoint(
                            self._epoch, observation.media_time, verdict.track_id, verdict.label, verdict.probability
                        )
                    )
            while self._points and self._points[0].media_time < observation.media_time - self._seconds:
                self._points.popleft()

    @property
    def points(self) -> list[VerdictPoint]:
        """Oldest first."""
        with self._lock:
            return list(self._points)
