"""One face: its samples, the label that it holds, and when that changes."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from monitor.analysis.verdicts.samples import Sample, Samples
from monitor.analysis.verdicts.summary import TrackTally
from monitor.types import Label, LabelChange, Reason, ScoreProcess, TrackSummary, Verdict

if TYPE_CHECKING:
    from monitor.settings import VerdictSettings

WITNESSES: Final = 8  # named in a trace
REJECTIONS: Final = 16  # remembered per track
CAUSES: Final = 3  # of the rejections, given at once
_AXIS: Final = (Label.LIKELY_REAL, Label.NOT_ENOUGH_EVIDENCE, Label.SUSPICIOUS, Label.LIKELY_FAKE)  # along P(fake)


@dataclass(frozen=True, slots=True)
class _Due:
    """A label that waits for its debounce time."""

    label: Label
    since: float


class Track:
    """The verdict on one face, kept up to date: ``see``, then ``accept`` or ``reject``, then ``decide``.

    Args:
        track_id: the tracker's.
        settings: thresholds and time constants.
        process: from the model card.
        media_time: when the face was first seen.
        always: reasons that every verdict carries.
    """

    def __init__(
        self,
        track_id: int,
        settings: VerdictSettings,
        *,
        process: ScoreProcess,
        media_time: float,
        always: tuple[Reason, ...],
    ) -> None:
        self._id = track_id
        self._settings, self._process = settings, process
        self._always = always
        self._now = self._since = self._began = self._last_usable = media_time
        self._samples = Samples(process, decay_time=settings.decay_time)
        self._rejections: deque[tuple[float, tuple[Reason, ...]]] = deque(maxlen=REJECTIONS)
        self._usable = self._attempts = 0
        self._label = Label.NOT_ENOUGH_EVIDENCE
        self._reasons: tuple[Reason, ...] = (Reason.TOO_FEW_SAMPLES,)
        self._due: _Due | None = None
        self._tally = TrackTally(self.verdict(), grace=settings.timeout)

    def see(self, media_time: float) -> None:
        """The face is in the frame of this time."""
        self._now = media_time
        self._tally.pass_time(media_time)

    def accept(self, sample: Sample) -> None:
        """It was scored."""
        self._attempts += 1
        self._usable += 1
        if sample.media_time - self._last_usable > self._settings.timeout:
            self._began = sample.media_time  # nothing is known of the time between
        self._last_usable = sample.media_time
        self._samples.add(sample)

    def reject(self, reasons: tuple[Reason, ...]) -> None:
        """It should have been scored and could not be."""
        self._attempts += 1
        self._rejections.append((self._now, reasons))

    def decide(self, frame_index: int) -> tuple[Verdict, LabelChange | None]:
        """Settle on a verdict for now; the trace, if it is another label."""
        missing, probability = self._missing(), self._samples.probability(self._now)
        target = Label.NOT_ENOUGH_EVIDENCE if missing or probability is None else self._target(probability)
        said = self._debounced(target, at_once=bool(missing))
        if missing or said is not Label.NOT_ENOUGH_EVIDENCE:
            self._reasons = missing
        elif target is said:
            self._reasons = (Reason.INCONCLUSIVE,)
        change = None
        if said is not self._label:
            change = self._trace(said, frame_index, lost=bool(missing))
            self._label, self._since, self._began = said, self._now, change.began
        verdict = self.verdict()
        self._tally.count(verdict, settled=said is target)
        return verdict, change

    def verdict(self) -> Verdict:
        """What is said now."""
        return Verdict(
            track_id=self._id,
            label=self._label,
            probability=self._samples.probability(self._now),
            samples=self._usable,
            effective_samples=self._samples.effective(self._now),
            usable_share=self._usable / self._attempts if self._attempts else 0.0,
            reasons=self._reasons + self._always,
            since=self._since,
        )

    def summary(self) -> TrackSummary:
        """The track so far, in one line."""
        return self._tally.summary()

    def restart(self, media_time: float) -> None:
        """The clock was set back to ``media_time``: nothing seen so far can be placed on the new one."""
        self._samples.clear()
        self._rejections.clear()
        self._due = None
        self._tally.set_back(media_time)
        self._since = self._began = self._last_usable = media_time

    def _missing(self) -> tuple[Reason, ...]:
        """Why nothing can be said at all; empty if something can."""
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

    def _lines(self) -> tuple[float, float, float]:
        """P(fake) between the labels of ``_AXIS``, each shifted in favour of the label that is held."""
        settings, label = self._settings, self._label
        return (
            settings.real_at + settings.hysteresis * (label is Label.LIKELY_REAL),
            settings.suspicious_at - settings.hysteresis * label.suspects,
            settings.fake_at - settings.hysteresis * (label is Label.LIKELY_FAKE),
        )

    def _target(self, probability: float) -> Label:
        """The label that the evidence asks for, with hysteresis, before debouncing."""
        real, suspicious, fake = self._lines()
        return _AXIS[(probability > real) + (probability >= suspicious) + (probability >= fake)]

    def _debounced(self, target: Label, *, at_once: bool) -> Label:
        """The label to say: another one only when it has been due for ``debounce`` seconds, or ``at_once``.

        SUSPICIOUS and LIKELY_FAKE agree that a face is suspect: together they are debounced for the milder.
        """
        if at_once or target is self._label:
            self._due = None
            return target
        due = self._due or _Due(target, self._now)
        if target.suspects and due.label.suspects and not self._label.suspects:
            due = _Due(min(due.label, target, key=_AXIS.index), due.since)
        elif target is not due.label:
            due = _Due(target, self._now)
        has_held = self._now - due.since >= self._settings.debounce
        self._due = None if has_held else due
        return due.label if has_held else self._label

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
            threshold=None if lost else self._lines()[_AXIS.index(after) - rises],
            reasons=self._reasons + self._always,
            witnesses=self._samples.witnesses(self._now, most=WITNESSES),
            began=max(began, self._began),
            restarted_at=self._samples.restarted_at,
        )
