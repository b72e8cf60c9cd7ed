"""Summarises the verdicts of a track, and of all tracks of a source."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from monitor.types import Label, Reason, SourceVerdict, TrackSummary, Verdict

REASONS: Final = 3  # reasons in a summary, the longest-lasting first
REAL_SHARE: Final = 0.5  # share of the time required for a LIKELY_REAL summary
MIN_PRESENCE: Final = 1e-3  # minimum presence of a track, seconds, even if seen in a single frame


class TrackTally:
    """Accumulates the verdicts of one track.

    Args:
        first: the verdict when the track was first seen, before any evidence.
        grace: seconds without a decision that do not count against LIKELY_REAL; also the largest gap between
            two frames that counts as presence.
    """

    def __init__(self, first: Verdict, *, grace: float) -> None:
        self.grace = grace
        self._first_seen = self._last_seen = first.since
        self._last = first
        self._worst: Verdict | None = None  # the worst suspicious verdict
        self._real: Verdict | None = None  # the last LIKELY_REAL verdict
        self._real_moment = 0.0  # seconds times P(fake) while LIKELY_REAL
        self._label_seconds = dict.fromkeys(Label, 0.0)
        self._reason_seconds: dict[Reason, float] = {}

    def pass_time(self, media_time: float) -> None:
        """Add the time since the track was last seen to its current verdict."""
        elapsed = min(max(media_time - self._last_seen, 0.0), self.grace)
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
        """Handle a clock that was set back: the elapsed time is unknown and counts as zero."""
        self._last_seen = media_time

    def count(self, verdict: Verdict, *, settled: bool) -> None:
        """Add a verdict; a verdict that is about to change (not ``settled``) is ignored in the summary."""
        self._last = verdict
        if not settled:
            return
        if verdict.label is Label.LIKELY_REAL:
            self._real = verdict
        elif verdict.label.suspects and (self._worst is None or _severity_key(verdict) > _severity_key(self._worst)):
            self._worst = verdict

    def summary(self) -> TrackSummary:
        """The summary of the track so far."""
        return TrackSummary(
            track_id=self._last.track_id,
            first_seen=self._first_seen,
            last_seen=self._last_seen,
            verdict=self._worst or self._unsuspicious_verdict(),
            label_seconds=dict(self._label_seconds),
        )

    def _unsuspicious_verdict(self) -> Verdict:
        real_seconds, seconds = self._label_seconds[Label.LIKELY_REAL], sum(self._label_seconds.values())
        if self._real is not None and real_seconds >= REAL_SHARE * (seconds - self.grace):
            mean = self._real_moment / real_seconds if real_seconds > 0.0 else self._real.probability
            return replace(self._real, probability=mean)
        reasons = _top_reasons(self._reason_seconds) or self._last.reasons
        return replace(self._last, label=Label.NOT_ENOUGH_EVIDENCE, reasons=reasons)


def source_verdict(summaries: Iterable[TrackSummary]) -> SourceVerdict:
    """The verdict on a stream or file: its worst track, never a mean over people.

    LIKELY_REAL needs more than one unsuspicious face: LIKELY_REAL tracks must make up half of the time with visible
    faces, so that one face is not enough in a crowd without verdicts.
    """
    tracks = tuple(summaries)
    if not tracks:
        return SourceVerdict(Label.NOT_ENOUGH_EVIDENCE, None, None, (Reason.NO_FACE,))
    worst = max((track.verdict for track in tracks), key=_severity_key)
    real = sum(_presence(track) for track in tracks if track.verdict.label is Label.LIKELY_REAL)
    if worst.label.suspects or real >= REAL_SHARE * sum(map(_presence, tracks)):
        return SourceVerdict(worst.label, worst.probability, worst.track_id, worst.reasons)
    reasons: dict[Reason, float] = {}
    for track in tracks:
        if track.verdict.label is Label.NOT_ENOUGH_EVIDENCE:
            for reason in track.verdict.reasons:
                reasons[reason] = reasons.get(reason, 0.0) + _presence(track)
    return SourceVerdict(Label.NOT_ENOUGH_EVIDENCE, None, None, _top_reasons(reasons))


def _severity_key(verdict: Verdict) -> tuple[int, float]:
    return verdict.label.severity, verdict.probability or 0.0


def _presence(track: TrackSummary) -> float:
    return max(sum(track.label_seconds.values()), MIN_PRESENCE)


def _top_reasons(seconds: Mapping[Reason, float]) -> tuple[Reason, ...]:
    return tuple(sorted(seconds, key=lambda reason: -seconds[reason])[:REASONS])
