"""Scores the faces of one stream with a classifier that runs less often than the others of its committee."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.analysis.score_schedule import ScoreSchedule
from monitor.analysis.scores import Scorer
from monitor.classifiers.crops import crop_squares
from monitor.inference.backends import Engine
from monitor.types import ClassifierScores, Floats, Pixels, Qualities, Reason, Scores, TrackedFaces


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """The last score of one track."""

    logit: float
    log_odds: float
    evidence_map: Floats  # (h, w)


class PacedScorer:
    """Runs one classifier once per ``every`` seconds of media time and track; in between, its last score holds.

    The kept evidence map moves with the face: its square is cut from the current box. A face that cannot be scored now,
    or whose last score failed, is rejected as without pacing. Not thread-safe: one per stream.

    Args:
        scorer: shared with other streams.
        every: seconds of media time; 0: each call scores all faces.
    """

    def __init__(self, scorer: Scorer, *, every: float) -> None:
        self._scorer = scorer
        self._schedule = ScoreSchedule(every) if every > 0 else None
        self._kept: dict[int, _Kept] = {}

    def score(
        self,
        pixels: Pixels,
        tracked: TrackedFaces,
        qualities: Qualities,
        *,
        rows: Sequence[int],
        engine: Engine,
        media_time: float,
    ) -> Scores:
        """As ``Scorer.score``, at ``media_time``."""
        if self._schedule is None:
            return self._scorer.score(pixels, tracked, qualities, rows=rows, engine=engine)
        ids = tracked.track_ids
        wanted = [row for row in rows if int(ids[row]) not in self._kept]
        usable = [row for row in rows if qualities.weights[row] > 0]
        wanted += [usable[due] for due in self._schedule.due(ids[usable], media_time)]
        now = sorted({*wanted, *(row for row in rows if not qualities.weights[row] > 0)})
        fresh = self._scorer.score(pixels, tracked, qualities, rows=now, engine=engine)
        self._keep(fresh)
        tracks = {int(ids[row]): row for row in usable if int(ids[row]) not in fresh.rejected}
        return self._scores(tracked, qualities, tracks=tracks, rejected=fresh.rejected)

    def forget(self, track_ids: tuple[int, ...]) -> None:
        """Free the state of ended tracks."""
        if self._schedule is not None:
            self._schedule.forget(track_ids)
            for track in track_ids:
                self._kept.pop(track, None)

    def _keep(self, fresh: Scores) -> None:
        for track in fresh.rejected:
            self._kept.pop(track, None)
        for row, track in enumerate(fresh.track_ids.tolist()):
            logit, log_odds = float(fresh.parts[0].logits[row]), float(fresh.log_odds[row])
            self._kept[track] = _Kept(logit, log_odds, fresh.evidence_maps[row])

    def _scores(
        self,
        tracked: TrackedFaces,
        qualities: Qualities,
        *,
        tracks: Mapping[int, int],
        rejected: Mapping[int, tuple[Reason, ...]],
    ) -> Scores:
        """The kept scores of ``tracks``, each with its row in ``tracked``."""
        if not tracks:
            return Scores.none(rejected)
        kept, rows = [self._kept[track] for track in tracks], np.array(list(tracks.values()), np.intp)
        log_odds = np.array([one.log_odds for one in kept], np.float32)
        card = self._scorer.classifier.card
        return Scores(
            track_ids=tracked.track_ids[rows],
            log_odds=log_odds,
            evidence_maps=np.stack([one.evidence_map for one in kept]),
            crops=crop_squares(tracked.faces.boxes[rows], policy=card.crop),
            weights=qualities.weights[rows],
            rejected=rejected,
            parts=(ClassifierScores(card.id, np.array([one.logit for one in kept], np.float32), log_odds),),
        )
