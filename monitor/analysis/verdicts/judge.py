"""Scores -> Judgement: every live track, frame by frame."""

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from monitor.analysis.verdicts.samples import Sample
from monitor.analysis.verdicts.track import Track
from monitor.settings import VerdictSettings
from monitor.types import Judgement, LabelChange, Reason, ScoreProcess, Scores, TrackSummary, Verdict


class Judge:
    """The verdicts on all live tracks. Not thread-safe; memory is bounded by the number of live tracks.

    Args:
        classifiers: ids of a committee's classifiers; empty for a single classifier.
        max_difference: difference of two classifiers' mean log-odds from which there is no verdict.
        still: the source is a single picture: one sample is enough, without debounce, and every verdict has the reason
            ``SINGLE_IMAGE``.
    """

    def __init__(
        self,
        settings: VerdictSettings,
        *,
        process: ScoreProcess,
        classifiers: tuple[str, ...] = (),
        max_difference: float = math.inf,
        still: bool = False,
    ) -> None:
        if still:
            settings = settings.model_copy(update={"debounce": 0.0})
            process = replace(process, min_effective_samples=0.0)
        self._settings, self._process, self._is_committee = settings, process, bool(classifiers)
        self._new_track = partial(
            Track,
            process=process,
            classifiers=classifiers,
            max_difference=max_difference,
            always=(Reason.SINGLE_IMAGE,) if still else (),
        )
        self._now = -math.inf
        self._tracks: dict[int, Track] = {}

    def use(self, settings: VerdictSettings) -> None:
        """Replace the settings from the next frame on, see ``monitor.analysis.cadence``."""
        self._settings = settings
        for track in self._tracks.values():
            track.use(settings)

    def update(self, scores: Scores, *, track_ids: Iterable[int], frame_index: int, media_time: float) -> Judgement:
        """Judge the tracks of one frame.

        Media time that repeats or steps back a little adds no time; a step back by more than the correlation time
        restarts the clock and drops all earlier evidence.

        Args:
            scores: the scores and rejections of this frame, of these tracks only; usually empty.
            track_ids: the tracks seen in this frame.
            media_time: PTS seconds.
        """
        if media_time < self._now - self._process.correlation_time:
            for track in self._tracks.values():
                track.restart(media_time)
            self._now = media_time
        self._now = max(self._now, media_time)
        rows = {int(track): row for row, track in enumerate(scores.track_ids)}
        verdicts: list[Verdict] = []
        changes: list[LabelChange] = []
        for track_id in map(int, track_ids):
            track = self._see(track_id)
            if track_id in rows:
                self._add_score(track, scores, row=rows[track_id], frame_index=frame_index)
            elif track_id in scores.rejected:
                track.reject(scores.rejected[track_id])
            verdict, change = track.decide(frame_index)
            verdicts.append(verdict)
            if change:
                changes.append(change)
        return Judgement(verdicts=tuple(verdicts), changes=tuple(changes))

    def end(self, track_ids: Iterable[int]) -> tuple[TrackSummary, ...]:
        """Summaries of ended tracks; their state is freed. Unknown tracks are ignored."""
        ended = [self._tracks.pop(track_id) for track_id in map(int, track_ids) if track_id in self._tracks]
        return tuple(track.summary() for track in ended)

    def summaries(self) -> tuple[TrackSummary, ...]:
        """Current summaries of the live tracks."""
        return tuple(track.summary() for track in self._tracks.values())

    def _see(self, track_id: int) -> Track:
        if track_id not in self._tracks:
            self._tracks[track_id] = self._new_track(track_id, self._settings, media_time=self._now)
        track = self._tracks[track_id]
        track.see(self._now)
        return track

    def _add_score(self, track: Track, scores: Scores, *, row: int, frame_index: int) -> None:
        log_odds, weight = float(scores.log_odds[row]), float(scores.weights[row])
        if not math.isfinite(log_odds) or not weight > 0.0:
            track.reject((Reason.ENGINE_DEGRADED,) if weight > 0.0 else ())
            return
        parts = tuple(self._clip(float(part.log_odds[row])) for part in scores.parts) if self._is_committee else ()
        track.accept(Sample(frame_index, self._now, self._clip(log_odds), min(weight, 1.0), parts))

    def _clip(self, log_odds: float) -> float:
        most = self._process.max_sample_logit
        return min(max(log_odds, -most), most)
