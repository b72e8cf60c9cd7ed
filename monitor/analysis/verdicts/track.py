"""The verdict on one track: its samples, its current label, and label changes."""

from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

from monitor.analysis.verdicts.samples import Sample, Samples
from monitor.analysis.verdicts.summary import TrackTally
from monitor.settings import VerdictSettings
from monitor.types import ClassifierVerdict, Label, LabelChange, Reason, ScoreProcess, TrackSummary, Verdict

TRACE_SAMPLES: Final = 8  # samples listed in a trace
REJECTIONS: Final = 16  # stored rejections per track
CAUSES: Final = 3  # causes of rejections in a verdict
_AXIS: Final = (Label.LIKELY_REAL, Label.NOT_ENOUGH_EVIDENCE, Label.SUSPICIOUS, Label.LIKELY_FAKE)  # by P(fake)


@dataclass(frozen=True, slots=True)
class _PendingLabel:
    """A new label during its debounce time."""

    label: Label
    since: float


class Track:
    """The current verdict on one face: per frame call ``see``, then ``accept`` or ``reject``, then ``decide``.

    Args:
        media_time: when the face was first seen.
        always: reasons included in every verdict.
    """

    def __init__(
        self,
        track_id: int,
        settings: VerdictSettings,
        *,
        process: ScoreProcess,
        classifiers: tuple[str, ...],
        max_difference: float,
        media_time: float,
        always: tuple[Reason, ...],
    ) -> None:
        self._id = track_id
        self._settings, self._process = settings, process
        self._classifiers, self._max_difference = classifiers, max_difference
        self._always = always
        self._now = self._since = self._began = self._last_usable = media_time
        self._samples = Samples(process, decay_time=settings.decay_time)
        self._rejections: deque[tuple[float, tuple[Reason, ...]]] = deque(maxlen=REJECTIONS)
        self._usable = self._attempts = 0
        self._label = Label.NOT_ENOUGH_EVIDENCE
        self._reasons: tuple[Reason, ...] = (Reason.TOO_FEW_SAMPLES,)
        self._pending: _PendingLabel | None = None
        self._tally = TrackTally(self.verdict(), grace=settings.timeout)

    def use(self, settings: VerdictSettings) -> None:
        """Replace the settings."""
        self._settings = settings
        self._samples.decay_time = settings.decay_time
        self._tally.grace = settings.timeout

    def see(self, media_time: float) -> None:
        """Register that the face is visible at this time."""
        self._now = media_time
        self._tally.pass_time(media_time)

    def accept(self, sample: Sample) -> None:
        """Add a scored sample."""
        self._attempts += 1
        self._usable += 1
        if sample.media_time - self._last_usable > self._settings.timeout:
            self._began = sample.media_time  # the time since the last sample is unknown
        self._last_usable = sample.media_time
        self._samples.add(sample)

    def reject(self, reasons: tuple[Reason, ...]) -> None:
        """Count a rejected face."""
        self._attempts += 1
        self._rejections.append((self._now, reasons))

    def decide(self, frame_index: int) -> tuple[Verdict, LabelChange | None]:
        """Update the verdict; also returns the trace if the label changed."""
        missing, probability = self._missing_evidence(), self._samples.probability(self._now)
        disagree = self._samples.difference >= self._max_difference
        target = Label.NOT_ENOUGH_EVIDENCE
        if not (missing or disagree) and probability is not None:
            target = self._target(probability)
        label = self._debounce(target, immediately=bool(missing))
        if missing or label is not Label.NOT_ENOUGH_EVIDENCE:
            self._reasons = missing
        elif target is label:
            self._reasons = (Reason.MODELS_DISAGREE,) if disagree else (Reason.INCONCLUSIVE,)
        change = None
        if label is not self._label:
            change = self._trace(label, frame_index, lost=bool(missing) or disagree)
            self._label, self._since, self._began = label, self._now, change.began
        verdict = self.verdict()
        self._tally.count(verdict, settled=label is target)
        return verdict, change

    def verdict(self) -> Verdict:
        """The current verdict."""
        return Verdict(
            track_id=self._id,
            label=self._label,
            probability=self._samples.probability(self._now),
            samples=self._usable,
            effective_samples=self._samples.effective(self._now),
            usable_share=self._usable / self._attempts if self._attempts else 0.0,
            reasons=self._reasons + self._always,
            since=self._since,
            classifiers=tuple(map(ClassifierVerdict, self._classifiers, self._samples.part_probabilities(self._now))),
        )

    def summary(self) -> TrackSummary:
        """The summary of the track so far."""
        return self._tally.summary()

    def restart(self, media_time: float) -> None:
        """Restart at ``media_time`` after the clock was set back; earlier evidence is dropped."""
        self._samples.clear()
        self._rejections.clear()
        self._pending = None
        self._tally.set_back(media_time)
        self._since = self._began = self._last_usable = media_time

    def _missing_evidence(self) -> tuple[Reason, ...]:
        """Reasons for NOT_ENOUGH_EVIDENCE; empty if there is enough evidence."""
        timeout = self._settings.timeout
        stale = self._now - self._last_usable > timeout
        enough = self._samples.effective(self._now) >= self._process.min_effective_samples
        if self._samples and enough and not stale:
            return ()
        recent = [reasons for time, reasons in self._rejections if self._now - time <= timeout]
        counts = Counter(reason for reasons in recent for reason in reasons)
        causes = tuple(reason for reason, _ in counts.most_common(CAUSES))
        if stale:
            return causes or (Reason.NOT_SEEN,)
        return (Reason.TOO_FEW_SAMPLES, *causes)

    def _thresholds(self) -> tuple[float, float, float]:
        """P(fake) between the labels of ``_AXIS``, each shifted in favour of the current label."""
        settings, label = self._settings, self._label
        return (
            settings.real_at + settings.hysteresis * (label is Label.LIKELY_REAL),
            settings.suspicious_at - settings.hysteresis * label.suspects,
            settings.fake_at - settings.hysteresis * (label is Label.LIKELY_FAKE),
        )

    def _target(self, probability: float) -> Label:
        """The label for this probability, with hysteresis, before debouncing."""
        real, suspicious, fake = self._thresholds()
        return _AXIS[(probability > real) + (probability >= suspicious) + (probability >= fake)]

    def _debounce(self, target: Label, *, immediately: bool) -> Label:
        """The label to publish: a new one only after it has been pending for ``debounce`` seconds, or ``immediately``.

        SUSPICIOUS and LIKELY_FAKE both mean a suspicious face: together they are debounced for the milder label.
        """
        if immediately or target is self._label:
            self._pending = None
            return target
        pending = self._pending or _PendingLabel(target, self._now)
        if target.suspects and pending.label.suspects and not self._label.suspects:
            pending = _PendingLabel(min(pending.label, target, key=_AXIS.index), pending.since)
        elif target is not pending.label:
            pending = _PendingLabel(target, self._now)
        has_held = self._now - pending.since >= self._settings.debounce
        self._pending = None if has_held else pending
        return pending.label if has_held else self._label

    def _trace(self, after: Label, frame_index: int, *, lost: bool) -> LabelChange:
        rises = _AXIS.index(after) > _AXIS.index(self._label)
        began = self._last_usable if lost else self._samples.onset(self._now, sign=1 if rises else -1)
        return LabelChange(
            track_id=self._id,
            frame_index=frame_index,
            media_time=self._now,
            before=self._label,
            after=after,
            probability=self._samples.probability(self._now),
            window=self._samples.window(self._now),
            threshold=None if lost else self._thresholds()[_AXIS.index(after) - rises],
            reasons=self._reasons + self._always,
            witnesses=self._samples.top_samples(self._now, most=TRACE_SAMPLES),
            began=max(began, self._began),
            restarted_at=self._samples.restarted_at,
        )
