"""All figures of a report, computed from outcomes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.lab.evaluation import metrics, timelines
from monitor.lab.evaluation.bootstrap import RESAMPLES, Estimate, Statistics, estimate
from monitor.lab.evaluation.metrics import ReliabilityBin
from monitor.lab.evaluation.outcomes import Columns, Outcome, ScoredFrame, numbered
from monitor.lab.evaluation.timelines import Monitoring
from monitor.types import Label

Estimates = Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Counts:
    """Number of files by result."""

    total: int
    fakes: int
    reals: int
    groups: int  # resampling units
    failed: int  # unreadable, counted in no other figure
    abstained: int  # NOT_ENOUGH_EVIDENCE
    without_probability: int  # of these, without a usable face


@dataclass(frozen=True, slots=True)
class MetricsSection:
    """The figures of one set of outcomes. Names: ``monitor.lab.evaluation.metrics``."""

    counts: Counts
    ranking: Estimates  # of files with a probability
    ranking_of_all: Estimates  # of all files; a missing probability counts as 0.5
    decisions: Estimates  # by the shipped thresholds
    forced: Estimates  # forced decision at P(fake) = 0.5; without a probability: real
    calibration: Estimates  # of files with a probability


@dataclass(frozen=True, slots=True)
class FrameSection:
    """The single, unsmoothed scores of all videos ("frame level")."""

    n: int
    fakes: int
    groups: int
    ranking: Estimates
    calibration: Estimates


@dataclass(frozen=True, slots=True)
class MetricsSummary:
    """All figures of one evaluation."""

    whole: MetricsSection
    datasets: Mapping[str, MetricsSection]  # by name
    methods: Mapping[str, MetricsSection]  # by name: its fakes with all reals of the same data sets
    moments: FrameSection | None  # videos only
    monitoring: Monitoring | None  # videos only
    confusion: Mapping[str, Mapping[str, int]]  # real | fake -> label -> count
    abstentions: Mapping[str, int]  # main reason -> count
    reliability: tuple[ReliabilityBin, ...]

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], *, resamples: int = RESAMPLES, seed: int = 0) -> "MetricsSummary":
        """Compute the figures; they are reproducible for a seed."""
        columns = Columns.of(outcomes)
        ranked = columns.ranked

        def section(chosen: Sequence[Outcome]) -> MetricsSection:
            return section_of(chosen, resamples=resamples, seed=seed)

        datasets, methods = _by_dataset(outcomes), _by_method(outcomes)
        return cls(
            whole=section(outcomes),
            datasets={name: section(chosen) for name, chosen in datasets.items()} if len(datasets) > 1 else {},
            methods={name: section(chosen) for name, chosen in methods.items()},
            moments=moments_of(outcomes, resamples=resamples, seed=seed),
            monitoring=timelines.monitoring(outcomes),
            confusion=confusion(outcomes),
            abstentions=abstentions(outcomes),
            reliability=metrics.reliability(columns.labels[ranked], columns.probabilities[ranked]),
        )


def section_of(outcomes: Sequence[Outcome], *, resamples: int = RESAMPLES, seed: int = 0) -> MetricsSection:
    """The figures of one set of outcomes."""
    columns = Columns.of(outcomes)
    rows = columns.ranked
    forced = rows & (columns.tied >= metrics.FORCED_AT)
    all_labels, some_labels = columns.labels, columns.labels[rows]
    scores = columns.probabilities[rows]

    def of_all(statistics: Statistics) -> Estimates:
        return estimate(statistics, labels=all_labels, groups=columns.units, resamples=resamples, seed=seed)

    def of_some(statistics: Statistics) -> Estimates:
        return estimate(statistics, labels=some_labels, groups=columns.units[rows], resamples=resamples, seed=seed)

    told = of_all(lambda weights: metrics.decisions(all_labels, forced, weights=weights))
    return MetricsSection(
        counts=Counts(
            total=len(outcomes),
            fakes=sum(one.label for one in outcomes),
            reals=sum(1 - one.label for one in outcomes),
            groups=len({one.unit for one in columns.outcomes}),
            failed=sum(one.failed for one in outcomes),
            abstained=int(columns.abstained.sum()),
            without_probability=int((~rows).sum()),
        ),
        ranking=of_some(lambda weights: metrics.ranking(some_labels, scores, weights)),
        ranking_of_all=of_all(lambda weights: metrics.ranking(all_labels, columns.tied, weights)),
        decisions=of_all(
            lambda weights: metrics.decisions(all_labels, columns.accused, abstained=columns.abstained, weights=weights)
        ),
        forced={name: told[name] for name in ("accuracy", "precision", "recall", "f1", "false_alarm_rate")},
        calibration=of_some(lambda weights: metrics.calibration(some_labels, scores, weights)),
    )


def moments_of(outcomes: Sequence[Outcome], *, resamples: int = RESAMPLES, seed: int = 0) -> FrameSection | None:
    """The single scores of all videos; None if there is no video."""
    films = [one for one in outcomes if one.footage is not None]
    if not films:
        return None
    scored = [
        (true_label(one, moment), moment.sample, one.unit)
        for one in films
        for moment in (one.footage.moments if one.footage else ())
        if moment.sample is not None
    ]
    labels = np.array([label for label, _, _ in scored], np.int64)
    scores = np.array([sample for _, sample, _ in scored], np.float64)
    units = numbered([unit for _, _, unit in scored])

    def estimated(statistics: Statistics) -> Estimates:
        return estimate(statistics, labels=labels, groups=units, resamples=resamples, seed=seed)

    return FrameSection(
        n=len(labels),
        fakes=int(labels.sum()),
        groups=len(set(units.tolist())),
        ranking=estimated(lambda weights: metrics.ranking(labels, scores, weights)),
        calibration=estimated(lambda weights: metrics.calibration(labels, scores, weights)),
    )


def true_label(outcome: Outcome, moment: ScoredFrame) -> int:
    """1 if the video is manipulated at that frame."""
    spans = outcome.footage.fake_spans if outcome.footage else None
    if spans is None:
        return outcome.label
    return int(any(span.start <= moment.media_time < span.end for span in spans))


def confusion(outcomes: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    """Counts of labels for real and fake files, without failures."""
    counts = Counter((one.label, one.decision) for one in outcomes)
    return {
        truth: {label.value: counts[number, label] for label in Label} for number, truth in ((0, "real"), (1, "fake"))
    }


def abstentions(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Counts of abstentions by main reason, the most frequent first."""
    return dict(Counter(one.reasons[0].value for one in outcomes if one.abstained and one.reasons).most_common())


def mistakes(outcomes: Sequence[Outcome], *, label: int, most: int) -> list[Outcome]:
    """Files of one class that were decided wrongly, or undecided on the wrong side of 0.5; the worst first."""

    def wrong(one: Outcome) -> bool:
        if one.loss is None or one.abstained:
            return one.loss is not None and one.loss > metrics.FORCED_AT
        return one.accused != bool(one.label)

    chosen = [one for one in outcomes if one.label == label and wrong(one)]
    return sorted(chosen, key=lambda one: (-(one.loss or 0.0), one.id))[:most]


def _by_dataset(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    names = sorted({one.dataset for one in outcomes})
    return {name: [one for one in outcomes if one.dataset == name] for name in names}


def _by_method(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """By method: its fakes with all reals of the data sets that contain it."""
    found: dict[str, list[Outcome]] = {}
    for method in sorted({one.method for one in outcomes if one.label and one.method}):
        fakes = [one for one in outcomes if one.label and one.method == method]
        homes = {one.dataset for one in fakes}
        found[method] = [*fakes, *(one for one in outcomes if not one.label and one.dataset in homes)]
    return found
