"""Verdict -> Segment: the spans of media time in which a face was suspicious.

A span belongs to one track; spans of different faces stay separate. It starts at the estimated start of the suspicion,
``LabelChange.began``, instead of the time of the label change, but at most ``max_backdate`` seconds earlier (the
combined delay of detection and debounce), and ends at the estimated end. Spans of one track closer than ``merge_gap``
are merged. So a span is published only ``merge_gap + max_backdate`` seconds after its end, when no later span can be
merged with it, or when its track ends. Peak, mean and best frame are those of the scored samples inside it.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from monitor.settings import SegmentSettings
from monitor.types import Judgement, Label, LabelChange, Scores, Segment
from monitor.types.faces import sigmoid

MAX_RECENT: Final = 1024  # unassigned scores per track, at any score rate


class Segments:
    """The spans of the live tracks. Not thread-safe; memory is bounded by the number of live tracks.

    Args:
        settings: limits for merging and publishing spans; may be replaced between two frames, see
            ``monitor.analysis.cadence``.
    """

    def __init__(self, settings: SegmentSettings) -> None:
        self.settings = settings
        self._now = -math.inf
        self._tracks: dict[int, _TrackSegment] = {}

    def update(self, judged: Judgement, scores: Scores, *, frame_index: int, media_time: float) -> tuple[Segment, ...]:
        """Update the spans with one frame.

        Args:
            media_time: PTS seconds; a step back of more than ``merge_gap`` ends all spans.

        Returns:
            The spans that can no longer grow.
        """
        done: tuple[Segment, ...] = ()
        if media_time < self._now - self.settings.merge_gap:
            done, self._now = self.flush(), media_time
        self._now = max(self._now, media_time)
        usable = {
            track_id: sigmoid(log_odds)
            for track_id, log_odds, weight in zip(
                scores.track_ids.tolist(), scores.log_odds.tolist(), scores.weights.tolist(), strict=True
            )
            if weight > 0.0 and math.isfinite(log_odds)
        }
        changes = {change.track_id: change for change in judged.changes}
        for verdict in judged.verdicts:
            track = self._tracks.setdefault(verdict.track_id, _TrackSegment(verdict.track_id, self.settings))
            track.settings = self.settings
            if verdict.track_id in usable:
                track.add_score(_Score(usable[verdict.track_id], self._now, frame_index))
            done += track.follow(verdict.label, changes.get(verdict.track_id), self._now)
        for track in self._tracks.values():
            done += track.settle(self._now)
        return done

    def end(self, track_ids: Iterable[int]) -> tuple[Segment, ...]:
        """The spans of ended tracks; their state is freed. Unknown tracks are ignored."""
        ended = [self._tracks.pop(track_id) for track_id in map(int, track_ids) if track_id in self._tracks]
        return tuple(segment for track in ended for segment in track.end())

    def flush(self) -> tuple[Segment, ...]:
        """The spans of all tracks at the end of the source."""
        return self.end(list(self._tracks))


@dataclass(frozen=True, slots=True)
class _Score:
    probability: float
    media_time: float
    frame_index: int


@dataclass(slots=True)
class _Span:
    """A segment that may still grow."""

    start: float
    end: float
    label: Label
    best: _Score | None = None
    count: int = 0
    total: float = 0.0

    def add(self, score: _Score) -> None:
        self.count += 1
        self.total += score.probability
        if self.best is None or score.probability > self.best.probability:
            self.best = score


class _TrackSegment:
    """The latest span of one face: open while the face is suspicious, then pending until no later span can join it."""

    def __init__(self, track_id: int, settings: SegmentSettings) -> None:
        self._id = track_id
        self.settings = settings
        self._open: _Span | None = None
        self._pending: _Span | None = None
        self._recent: deque[_Score] = deque()  # scores that a later span may still include

    def add_score(self, score: _Score) -> None:
        if len(self._recent) == MAX_RECENT:
            self._assign_oldest()
        self._recent.append(score)

    def follow(self, label: Label, change: LabelChange | None, media_time: float) -> tuple[Segment, ...]:
        """Open, extend or close the span by the label of this frame; returns the earlier span if a new one starts."""
        done: tuple[Segment, ...] = ()
        change_time = change.began if change else media_time
        if label.suspects and self._open is None:
            start = max(change_time, media_time - self.settings.max_backdate)
            if self._pending is None or start - self._pending.end > self.settings.merge_gap:
                done = self._publish()
                self._pending = _Span(start, start, label)
            self._open, self._pending = self._pending, None
        if self._open is not None and label.suspects:
            self._open.end = media_time
            self._open.label = max(self._open.label, label, key=lambda label: label.severity)
        elif self._open is not None:
            self._close(self._open, max(change_time, self._open.start))
        return done

    def settle(self, media_time: float) -> tuple[Segment, ...]:
        """Drop the scores that no span can include any more, and publish the span that none can join."""
        reach = self.settings.merge_gap + self.settings.max_backdate
        while self._recent and self._recent[0].media_time < media_time - reach:
            self._assign_oldest()
        return self._publish() if self._pending is not None and media_time > self._pending.end + reach else ()

    def end(self) -> tuple[Segment, ...]:
        """Close and publish the span of an ended track; an open span ends when the face was last seen."""
        if self._open is not None:
            self._close(self._open, self._open.end)
        return self._publish()

    def _assign_oldest(self) -> None:
        score = self._recent.popleft()
        if self._open is not None and score.media_time >= self._open.start:
            self._open.add(score)

    def _close(self, span: _Span, end: float) -> None:
        span.end = end
        while self._recent and self._recent[0].media_time <= end:
            self._assign_oldest()
        self._open, self._pending = None, span

    def _publish(self) -> tuple[Segment, ...]:
        span, self._pending = self._pending, None
        if span is None or span.best is None or span.end - span.start < self.settings.min_duration:
            return ()
        segment = Segment(
            track_id=self._id,
            start=span.start,
            end=span.end,
            label=span.label,
            peak=span.best.probability,
            mean=span.total / span.count,
            best_frame=span.best.frame_index,
            best_time=span.best.media_time,
        )
        return (segment,)
