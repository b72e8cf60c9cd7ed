"""The recent samples of one track and their sums; the equations are in ``monitor.analysis.verdicts``."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.types import ScoredSample, ScoreProcess
from monitor.types.faces import sigmoid

Doubles = NDArray[np.float64]

HORIZON: Final = 3.0  # multiples of decay_time after which a sample (5 % of its weight left) is dropped
MAX_SAMPLES: Final = 1024  # per track, at any score rate
PRIOR_SAMPLES: Final = 3.0  # weight of PRIOR_NOISE relative to the track's own noise, in samples
PRIOR_NOISE: Final = 0.8  # standard deviation of a sample around its track's level, log-odds


@dataclass(frozen=True, slots=True)
class Sample:
    """One usable score."""

    frame_index: int
    media_time: float
    log_odds: float  # calibrated, clipped
    weight: float  # 0..1, > 0
    parts: tuple[float, ...] = ()  # log-odds of each classifier of a committee, calibrated, clipped


class Samples:
    """The evidence on one track, oldest sample first.

    Args:
        decay_time: seconds of media time after which a sample's weight is 1/e.

    Memory is bounded: samples older than ``HORIZON`` decay times and all but the last ``MAX_SAMPLES`` are dropped.
    """

    def __init__(self, process: ScoreProcess, *, decay_time: float) -> None:
        self._process, self.decay_time = process, decay_time
        self._samples: deque[Sample] = deque(maxlen=MAX_SAMPLES)
        self._values: Doubles = np.zeros(0)  # (n,) log-odds of the samples
        self._shares: Doubles = np.zeros(0)  # (n,) effective count of each sample at the time of the newest one
        self._total = self._moment = 0.0  # sums of the shares, and of shares times values
        self._part_means: Doubles = np.zeros(0)  # (classifiers,) mean log-odds of each classifier of a committee
        self.restarted_at: float | None = None  # media time of the last change point, while its samples remain

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, sample: Sample) -> None:
        """Add a sample; a change point drops all samples before it."""
        process, samples = self._process, self._samples
        samples.append(sample)
        while sample.media_time - samples[0].media_time > HORIZON * self.decay_time:
            samples.popleft()
        self._weigh()
        enough = _desaturate(process.min_effective_samples, most=process.max_effective_samples)
        jump = change_point(self._values, self._shares, enough=enough, alarm=process.change_threshold)
        if jump:
            for _ in range(jump):
                samples.popleft()
            self.restarted_at = samples[0].media_time
            self._weigh()
        elif self.restarted_at != samples[0].media_time:
            self.restarted_at = None

    def clear(self) -> None:
        """Drop all samples, because the clock was set back and their times are no longer comparable."""
        self._samples.clear()
        self._values = self._shares = self._part_means = np.zeros(0)
        self._total = self._moment = 0.0
        self.restarted_at = None

    def effective(self, media_time: float) -> float:
        """Effective number of independent samples at ``media_time``."""
        if not self._samples:
            return 0.0
        fading = math.exp(-max(media_time - self._samples[-1].media_time, 0.0) / self.decay_time)
        return saturate(self._total * fading, most=self._process.max_effective_samples)

    def log_odds(self, media_time: float) -> float:
        """Posterior log-odds of "fake" at ``media_time``; 0 without samples."""
        return self.effective(media_time) * self._moment / self._total if self._samples else 0.0

    def probability(self, media_time: float) -> float | None:
        """Posterior P(fake) at ``media_time``; None without samples."""
        return sigmoid(self.log_odds(media_time)) if self._samples else None

    def part_probabilities(self, media_time: float) -> tuple[float, ...]:
        """Posterior P(fake) of each classifier of a committee alone; empty without samples."""
        effective = self.effective(media_time)
        return tuple(sigmoid(effective * mean) for mean in self._part_means.tolist())

    @property
    def difference(self) -> float:
        """Largest difference between the mean log-odds of two classifiers of a committee; 0 without samples."""
        return float(np.ptp(self._part_means)) if len(self._part_means) else 0.0

    def window(self, media_time: float) -> tuple[float, float]:
        """Media times of the oldest and the newest sample; twice ``media_time`` without samples."""
        if not self._samples:
            return media_time, media_time
        return self._samples[0].media_time, self._samples[-1].media_time

    def top_samples(self, media_time: float, *, most: int) -> tuple[ScoredSample, ...]:
        """The ``most`` samples with the largest contributions, largest first."""
        contributions = self._contributions(media_time)
        order = np.argsort(-np.abs(contributions), kind="stable")[:most].tolist()
        return tuple(
            ScoredSample(
                frame_index=self._samples[i].frame_index,
                media_time=self._samples[i].media_time,
                log_odds=self._samples[i].log_odds,
                contribution=float(contributions[i]),
            )
            for i in order
        )

    def onset(self, media_time: float, *, sign: int) -> float:
        """Media time from which the samples support "fake" (``sign`` 1) or "real" (-1).

        Page's estimate of the change point: the start of the run of newest samples with the largest sum;
        ``media_time`` if even the newest sample supports the other side.
        """
        sums = np.cumsum(sign * (self._values * self._shares)[::-1])
        if not len(sums) or sums.max() <= 0.0:
            return media_time
        longest = len(sums) - int(np.argmax(sums[::-1]))
        return self._samples[len(sums) - longest].media_time

    def _weigh(self) -> None:
        samples = self._samples
        times = np.array([sample.media_time for sample in samples])
        weights = np.array([sample.weight for sample in samples])
        fading = np.exp(-np.maximum(times[-1] - times, 0.0) / self.decay_time)
        self._values = np.array([sample.log_odds for sample in samples])
        self._shares = weights * fading * novelty(times, self._process.correlation_time)
        self._total, self._moment = float(self._shares.sum()), float((self._shares * self._values).sum())
        if samples[0].parts:
            self._part_means = self._shares @ np.array([sample.parts for sample in samples]) / self._total

    def _contributions(self, media_time: float) -> Doubles:
        """(n,) signed log-odds; their sum is the posterior log-odds."""
        if not self._samples:
            return self._values
        return self.effective(media_time) / self._total * self._shares * self._values


def novelty(times: Doubles, correlation_time: float) -> Doubles:
    """Effective count of each sample in a correlated series.

    Args:
        times: (n,) media time of each sample, n >= 1; a step back counts as no step.
        correlation_time: seconds after which two samples correlate by 1/e.

    Returns:
        (n,) in 0..1; the sum is the Fisher information about the level, in samples.
    """
    gaps = np.tanh(np.maximum(np.diff(times), 0.0) / (2.0 * correlation_time))
    end = np.ones(1)
    counts: Doubles = 0.5 * (np.concatenate((end, gaps)) + np.concatenate((gaps, end)))
    return counts


def saturate(count: float, *, most: float) -> float:
    """Kish's effective sample size for samples with a shared error; at most ``most``."""
    return count / (1.0 + max(count - 1.0, 0.0) / most)


def _desaturate(effective: float, *, most: float) -> float:
    """The inverse of ``saturate``, for ``effective`` below ``most``."""
    return effective if effective <= 1.0 else effective * (most - 1.0) / (most - effective)


def change_point(values: Doubles, shares: Doubles, *, enough: float, alarm: float) -> int:
    """Index of the first sample after a change of the series' level, or 0 without a change.

    Args:
        values: (n,) log-odds of each sample.
        shares: (n,) effective count of each sample.
        enough: effective samples required on each side of a change.
        alarm: log likelihood ratio required for a change.
    """
    total, moment = shares.sum(), (shares * values).sum()
    before, moment_before = np.cumsum(shares)[:-1], np.cumsum(shares * values)[:-1]
    after = total - before
    if not len(before):
        return 0
    jumps = (moment - moment_before) / after - moment_before / before
    explained = before * after / total * jumps**2
    spread = (shares * values**2).sum() - moment**2 / total
    noise = np.maximum(spread - explained, 0.0) + PRIOR_SAMPLES * PRIOR_NOISE**2
    ratios = (total + PRIOR_SAMPLES) / 2.0 * np.log1p(explained / noise)
    best = int(np.argmax(ratios))
    is_change = ratios[best] >= alarm and min(before[best], after[best]) >= enough
    return best + 1 if is_change else 0
