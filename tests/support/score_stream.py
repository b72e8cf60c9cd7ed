"""Streams of scores for one face or more, played through the judge and the segments as the pipeline does."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from monitor.analysis.segments import Segments
from monitor.analysis.verdicts import Judge
from monitor.settings import SegmentSettings, VerdictSettings
from monitor.types import Label, LabelChange, Reason, ScoreProcess, Scores, Segment, TrackSummary, Verdict

Said = float | Reason | None  # a logit, why there is none, or no face in the frame
FPS = 25.0
EVERY = 0.2  # seconds between two scores


def scores(logits: Mapping[int, Said], *, weight: float = 1.0) -> Scores:
    """Scores of the tracks that have a logit; the others are rejected."""
    usable = {track: logit for track, logit in logits.items() if isinstance(logit, float)}
    n = len(usable)
    return Scores(
        track_ids=np.array(list(usable), np.int64),
        log_odds=np.array(list(usable.values()), np.float32),
        evidence_maps=np.zeros((n, 1, 1), np.float32),
        crops=np.zeros((n, 4), np.float32),
        weights=np.full(n, weight, np.float32),
        rejected={track: (reason,) for track, reason in logits.items() if isinstance(reason, Reason)},
    )


@dataclass
class Timeline:
    """All that came out."""

    verdicts: list[Verdict] = field(default_factory=list)
    changes: list[LabelChange] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    summaries: tuple[TrackSummary, ...] = ()

    @property
    def labels(self) -> list[Label]:
        return [change.after for change in self.changes]


def play(
    said: Callable[[float], Said],
    *,
    seconds: float,
    fps: float = FPS,
    every: float = EVERY,
    keep: int = 1,
    weight: float = 1.0,
    process: ScoreProcess | None = None,
    settings: VerdictSettings | None = None,
) -> Timeline:
    """One face whose score at media time t is ``said(t)``, seen in each ``keep``-th frame, scored once per slot."""
    judge = Judge(settings or VerdictSettings(), process=process or ScoreProcess())
    segments = Segments(SegmentSettings())
    timeline, used = Timeline(), -1
    for index in range(0, round(seconds * fps), keep):
        now = index / fps
        value, slot = said(now), math.floor(now / every + 1e-6)
        present = [] if value is None else [1]
        due = present and slot != used
        used = slot if due else used
        scored = scores({1: value} if due else {}, weight=weight)
        judged = judge.update(scored, track_ids=present, frame_index=index, media_time=now)
        timeline.verdicts += judged.verdicts
        timeline.changes += judged.changes
        timeline.segments += segments.update(judged, scored, frame_index=index, media_time=now)
    timeline.segments += segments.flush()
    timeline.summaries = judge.summaries()
    return timeline


def noisy(
    level: Callable[[float], float], *, seed: int, deviation: float = 1.0, tau: float = 0.0
) -> Callable[[float], float]:
    """``level(t)`` plus noise that is a function of the score's slot, correlating like exp(-dt / tau)."""
    rng = np.random.default_rng(seed)
    keep = math.exp(-EVERY / tau) if tau else 0.0
    values = [float(rng.normal())]

    def said(now: float) -> float:
        slot = math.floor(now / EVERY + 1e-6)
        while len(values) <= slot:
            values.append(keep * values[-1] + math.sqrt(1.0 - keep * keep) * float(rng.normal()))
        return level(now) + deviation * values[slot]

    return said


def switch(before: float, after: float, *, at: float) -> Callable[[float], float]:
    """A level that steps from ``before`` to ``after``."""
    return lambda now: before if now < at else after
