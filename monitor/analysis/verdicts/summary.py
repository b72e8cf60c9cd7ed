"""The verdicts of a track's life -> TrackSummary, and of all tracks -> SourceVerdict."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from monitor.types import Label, Reason, SourceVerdict, TrackSummary, Verdict

REASONS: Final = 3  # given at once, the longest-standing first
REAL_SHARE: Final = 0.5  # of the time: LIKELY_REAL is said of a whole only if it held this long
A_MOMENT: Final = 1e-3  # seconds that a track counts for at least, though seen in a single frame


class TrackTally:
    """What one track's verdicts came to.

    Args:
        first: the verdict when the track was first seen, before any evidence.
        grace: seconds for which a track may be undecided at no cost; also the most that a gap between
            two of its frames counts for.
    """

    def __init__(self, first: Verdict, *, grace: float) -> None:
        self._grace = grace
        self._first_seen = self._last_seen = first.since
        self._last = first
        self._worst: Verdict | None = None  # of those that suspect
        self._real: Verdict | None = None  # the last LIKELY_REAL
        self._real_moment = 0.0  # seconds times P(fake) while LIKELY_REAL
        self._label_seconds = dict.fromkeys(Label, 0.0)
        self._reason_seconds: dict[Reason, float] = {}

    def pass_time(self, media_time: float) -> None:
        """The track is seen again: its last verdict held until now."""
        elapsed = min(max(media_time - self._last_seen, 0.0), self._grace)
        self._last_seen = media_time
        if elapsed == 0.0:
            return
        self._label_seconds[self._last.label] += elapsed
        if self._last.label is Label.NOT_ENOUGH_EVIDENCE:
            for reason in self._last.reasons:
                self._reason_seconds[reason] = self._reason_seconds.get(reason, 0.0) + elapsed
        elif self._last.label is Label.LIKELY_REAL:
            self._real_moment += elapsed * (self._last.probability or 0.0)

    def set_back(self, media_time: float) -> None:
        """The clock was set back: how much time passed is unknown and counts as none."""
        self._last_seen = media_time

    def count(self, verdict: Verdict, *, settled: bool) -> None:
        """Take a verdict into account; one that is about to change (not ``settled``) stands for nothing."""
        self._last = verdict
        if not settled:
            return
        if verdict.label is Label.LIKELY_REAL:
            self._real = verdict
        elif verdict.label.suspects and (self._worst is None or _gravity(verdict) > _gravity(self._worst)):
            self._worst = verdict

    def summary(self) -> TrackSummary:
        """The track in one line."""
        return TrackSummary(
            track_id=self._last.track_id,
            first_seen=self._first_seen,
            last_seen=self._last_seen,
            verdict=self._worst or self._unsuspected(),
            label_seconds=dict(self._label_seconds),
        )

    def _unsuspected(self) -> Verdict:
        real_seconds, seconds = self._label_seconds[Label.LIKELY_REAL], sum(self._label_seconds.values())
        if self._real is not None and real_seconds >= REAL_SHARE * (seconds - self._grace):
            mean = self._real_moment / real_seconds if real_seconds > 0.0 else self._real.probability
            return replace(self._real, probability=mean)
        reasons = _foremost(self._reason_seconds) or self._last.reasons
        return replace(self._last, label=Label.NOT_ENOUGH_EVIDENCE, reasons=reasons)


def source_verdict(summaries: Iterable[TrackSummary]) -> SourceVerdict:
    """The verdict on a stream or file: its worst track, never a mean over people.

    LIKELY_REAL needs more than one unsuspected face: the tracks found real must make up half of the
    time that faces were seen, so that an unjudged crowd is not acquitted by one passer-by.
    """
    tracks = tuple(summaries)
    if not tracks:
        return SourceVerdict(Label.NOT_ENOUGH_EVIDENCE, None, None, (Reason.NO_FACE,))
    worst = max((track.verdict for track in tracks), key=_gravity)
    real = sum(_presence(track) for track in tracks if track.verdict.label is Label.LIKELY_REAL)
    if worst.label.suspects or real >= REAL_SHARE * sum(map(_presence, tracks)):
        return SourceVerdict(worst.label, worst.probability, worst.track_id, worst.reasons)
    reasons: dict[Reason, float] = {}
    for track in tracks:
        if track.verdict.label is Label.NOT_ENOUGH_EVIDENCE:
            for reason in track.verdict.reasons:
                reasons[reason] = reasons.get(reason, 0.0) + _presence(track)
    return SourceVerdict(Label.NOT_ENOUGH_EVIDENCE, None, None, _foremost(reasons))


def _gravity(verdict: Verdict) -> tuple[int, float]:
    return verdict.label.severity, verdict.probability or 0.0


def _presence(track: TrackSummary) -> float:
    return max(sum(track.label_seconds.values()), A_MOMENT)


def _foremost(seconds: Mapping[Reason, float]) -> tuple[Reason, ...]:
    return tuple(sorted(seconds, key=lambda reason: -seconds[reason])[:REASONS])
