"""Verdict -> Segment: the spans of media time in which a face was suspicious.

A span belongs to one track; spans of different faces stay apart. It starts where suspicion truly began,
``LabelChange.began``, not where it was noticed, though at most ``max_backdate`` seconds earlier (the delay of
detection and debounce together), and ends where suspicion truly
ended, by the same estimate. Spans of one track closer than ``merge_gap`` are one, so a span is published only
``merge_gap + max_backdate`` seconds after its end, when no later one can reach back to it, or when its track
ends. Peak, mean and best frame are those of the scored samples inside it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from monitor.types import Judgement, Label, LabelChange, Scores, Segment
from monitor.types.faces import sigmoid

if TYPE_CHECKING:
    from monitor.settings import SegmentSettings

MAX_RECENT: Final = 1024  # scores per track that wait to be counted, whatever their rate


class Segments:
    """The spans of the live tracks. Not thread-safe; memory is bounded by the tracks that are live.

    Args:
        settings: how moments are joined.
    """

    def __init__(self, settings: SegmentSettings) -> None:
        self._settings = settings
        self._now = -math.inf
        self._tracks: dict[int, _TrackSegment] = {}

    def update(self, judged: Judgement, scores: Scores, *, frame_index: int, media_time: float) -> tuple[Segment, ...]:
        """Take one frame into account.

        Args:
            judged: what the judge said of this frame.
            scores: what it judged.
            frame_index: position of the frame in its source.
            media_time: PTS seconds; set back by more than ``merge_gap`` it starts anew and ends all spans.

        Returns:
            The spans that can no longer grow.
        """
        done: tuple[Segment, ...] = ()
        if media_time < self._now - self._settings.merge_gap:
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
            track = self._tracks.setdefault(verdict.track_id, _TrackSegment(verdict.track_id, self._settings))
            if verdict.track_id in usable:
                track.remember(_Score(usable[verdict.track_id], self._now, frame_index))
            done += track.follow(verdict.label, changes.get(verdict.track_id), self._now)
        for track in self._tracks.values():
            done += track.settle(self._now)
        return done

    def end(self, track_ids: Iterable[int]) -> tuple[Segment, ...]:
        """The spans of tracks that ended; their state is freed. Unknown tracks are passed over."""
        ended = [self._tracks.pop(track_id) for track_id in map(int, track_ids) if track_id in self._tracks]
        return tuple(segment for track in ended for segment in track.end())

    def flush(self) -> tuple[Segment, ...]:
        """The spans of all tracks: the source ended."""
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
    """One face's latest span: open while it is suspicious, then held until nothing can reach back to it."""

    def __init__(self, track_id: int, settings: SegmentSettings) -> None:
        self._id = track_id
        self._settings = settings
        self._open: _Span | None = None
        self._held: _Span | None = None
        self._recent: deque[_Score] = deque()  # may yet turn out to lie in a span

    def remember(self, score: _Score) -> None:
        if len(self._recent) == MAX_RECENT:
            self._let_go()
        self._recent.append(score)

    def follow(self, label: Label, change: LabelChange | None, media_time: float) -> tuple[Segment, ...]:
        """Open, extend or close by the label of this frame; the earlier span, if a new one begins."""
        done: tuple[Segment, ...] = ()
        turned = change.began if change else media_time
        if label.suspects and self._open is None:
            start = max(turned, media_time - self._settings.max_backdate)
            if self._held is None or start - self._held.end > self._settings.merge_gap:
                done = self._publish()
                self._held = _Span(start, start, label)
            self._open, self._held = self._held, None
        if self._open is not None and label.suspects:
            self._open.end = media_time
            self._open.label = max(self._open.label, label, key=lambda label: label.severity)
        elif self._open is not None:
            self._close(self._open, max(turned, self._open.start))
        return done

    def settle(self, media_time: float) -> tuple[Segment, ...]:
        """Let go of the scores that no span can reach back to, and of the span that none can join."""
        reach = self._settings.merge_gap + self._settings.max_backdate
        while self._recent and self._recent[0].media_time < media_time - reach:
            self._let_go()
        return self._publish() if self._held is not None and media_time > self._held.end + reach else ()

    def end(self) -> tuple[Segment, ...]:
        """The track ended; an open span ended where the face was last seen."""
        if self._open is not None:
            self._close(self._open, self._open.end)
        return self._publish()

    def _let_go(self) -> None:
        score = self._recent.popleft()
        if self._open is not None and score.media_time >= self._open.start:
            self._open.add(score)

    def _close(self, span: _Span, end: float) -> None:
        span.end = end
        while self._recent and self._recent[0].media_time <= end:
            self._let_go()
        self._open, self._held = None, span

    def _publish(self) -> tuple[Segment, ...]:
        span, self._held = self._held, None
        if span is None or span.best is None or span.end - span.start < self._settings.min_duration:
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
