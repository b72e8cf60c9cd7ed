"""A sink that records the verdicts of every face over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.lab.evaluation.outcomes import ScoredFrame
from monitor.types import Frame, Label, Observation, ScoreProcess, Verdict
from monitor.types.faces import sigmoid

if TYPE_CHECKING:
    from monitor.settings import VerdictSettings


@dataclass(slots=True)
class _Face:
    seen: float  # media time when it was last seen
    label: Label
    decided: bool = False
    total: float = 0.0  # sum of P(fake) over the frames with enough effective samples
    count: int = 0


class VideoWatcher:
    """Collects scored frames, and the time of each face under each label.

    Memory grows with the scored frames, five per second. A gap between two frames of a face counts as at most
    ``timeout`` seconds.

    Args:
        settings: of the verdicts.
        process: from the classifier's model card.
        still: the source is one picture, so that a single sample suffices.
    """

    def __init__(self, settings: VerdictSettings, *, process: ScoreProcess, still: bool = False) -> None:
        self._timeout = settings.timeout
        self._witnesses = 0.0 if still else process.min_effective_samples
        self._faces: dict[int, _Face] = {}
        self.moments: list[ScoredFrame] = []
        self.last_time = 0.0  # media time of the last frame
        self.face_seconds = 0.0
        self.abstaining_seconds = 0.0
        self.flips = 0

    def __call__(self, frame: Frame, observation: Observation) -> None:  # noqa: ARG002 - a sink
        """Record one frame's observation."""
        now = self.last_time = observation.media_time
        scores = observation.scores
        due = bool(len(scores) or scores.rejected)
        for verdict in observation.verdicts:
            self._see(verdict, now, due=due)
        if not observation.verdicts or not (due or observation.changes):
            return
        probabilities = [one.probability for one in observation.verdicts if one.probability is not None]
        samples = [sigmoid(log_odds) for log_odds in scores.log_odds.tolist()]
        self.moments.append(
            ScoredFrame(
                media_time=now,
                label=max((one.label for one in observation.verdicts), key=lambda label: label.severity),
                probability=max(probabilities, default=None),
                sample=max(samples, default=None),
            )
        )

    @property
    def mean_probability(self) -> float | None:
        """The highest mean P(fake) of a face, over the frames with enough effective samples; None without any.

        Files are ranked by it. It does not depend on the label thresholds.
        """
        return max((face.total / face.count for face in self._faces.values() if face.count), default=None)

    def _see(self, verdict: Verdict, now: float, *, due: bool) -> None:
        face = self._faces.setdefault(verdict.track_id, _Face(now, verdict.label))
        elapsed = min(max(now - face.seen, 0.0), self._timeout)
        self.face_seconds += elapsed
        if face.label is Label.NOT_ENOUGH_EVIDENCE:
            self.abstaining_seconds += elapsed
        if verdict.label is not face.label and face.decided:
            self.flips += 1
        face.seen, face.label = now, verdict.label
        face.decided = face.decided or verdict.label is not Label.NOT_ENOUGH_EVIDENCE
        witnessed = verdict.effective_samples >= self._witnesses
        if due and witnessed and verdict.probability is not None:
            face.total += verdict.probability
            face.count += 1
