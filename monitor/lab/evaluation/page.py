"""The HTML report: one self-contained file for light and dark themes and any width."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from monitor.lab.evaluation import plots
from monitor.lab.evaluation.bootstrap import Estimate
from monitor.lab.evaluation.metrics_summary import MetricsSection, MetricsSummary, mistakes
from monitor.lab.evaluation.outcomes import Columns, Outcome
from monitor.lab.evaluation.thumbnails import data_uri
from monitor.lab.evaluation.timelines import Detection, EventRate, Monitoring
from monitor.types import Label, Reason
from monitor.types.formatting import clock, count, percent, share

if TYPE_CHECKING:
    from monitor.classifiers.model_card import ModelCard
    from monitor.settings import Settings

Pictures = Callable[[Outcome], bytes | None]

FEW_GROUPS = 50  # with fewer, the page warns that its figures describe these files only
MOST_TIMELINES = 24
MOST_MISTAKES = 8  # worst mistakes shown per class
DASH = "–"  # noqa: RUF001 - shown in empty table cells
NAMES = {
    "auc": ("AUC", "area under the ROC curve; 0.5 is chance"),
    "ap": ("Average precision", "area under the precision-recall curve; chance is the share of fakes"),
    "eer": ("Equal error rate", "misses and false alarms alike; 0.5 is chance"),
    "tpr_at_1_percent_fpr": ("Fakes found at 1 % false alarms", "true positive rate"),
    "tpr_at_5_percent_fpr": ("Fakes found at 5 % false alarms", "true positive rate"),
    "accuracy": ("Accuracy", "right among the decided"),
    "precision": ("Precision", "fakes among the accused"),
    "recall": ("Recall", "accused among the decided fakes"),
    "f1": ("F1", "of precision and recall"),
    "false_alarm_rate": ("False alarm rate", "accused among the decided reals"),
    "accuracy_over_everything": ("Accuracy over everything", "an abstention counts as an error"),
    "recall_over_everything": ("Recall over everything", "accused among all fakes"),
    "abstain_share": ("Abstentions", "not enough evidence, of everything"),
    "ece": ("Calibration error (ECE)", "15 bins; 0 is perfect"),
    "brier": ("Brier score", "mean squared error; 0.25 is a constant 0.5"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """Data, weights, engine and settings of an evaluation."""

    name: str  # of the data
    split: str  # or ""
    kind: str  # "videos" or "crops"
    card: ModelCard
    engine: str
    engine_reason: str
    settings: Settings
    selection: str = ""  # description of the selection; empty: everything


@dataclass(frozen=True, slots=True)
class Figure:
    """A formatted number."""

    name: str
    meaning: str
    value: str
    interval: str  # or the reason why there is none


def page(
    card: MetricsSummary,
    outcomes: Sequence[Outcome],
    *,
    subject: Subject,
    facts: Mapping[str, Any],
    pictures: Pictures | None,
) -> str:
    """Render the page.

    Args:
        card: the figures.
        outcomes: source of the figures.
        subject: data, weights and settings.
        facts: the content of ``metrics.json``, for dates, versions and settings.
        pictures: returns the face of an outcome; None: the page shows no faces.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        subject=subject,
        facts=facts,
        counts=card.whole.counts,
        few=card.whole.counts.groups < FEW_GROUPS,
        headline=headline(card),
        tables=tables(card),
        drawings=drawings(card, outcomes, subject),
        subsets=[("Data set", card.datasets), ("Method", card.methods)],
        subset=subset_cells,
        labels=[(label.value, label.in_words) for label in Label],
        confusion=card.confusion,
        monitoring=[] if card.monitoring is None else monitoring(card.monitoring),
        abstentions=[(Reason(name).in_words, count) for name, count in card.abstentions.items()],
        failures=[one for one in outcomes if one.failed],
        broken_off=[one for one in outcomes if one.footage is not None and one.footage.ended_early],
        mistakes=[_mistakes(outcomes, pictures, label=label) for label in (0, 1)],
        pictured=pictures is not None,
        timelines=_timelines(outcomes, subject),
    )


def headline(card: MetricsSummary) -> list[Figure]:
    """The key figures, shown first."""
    whole = card.whole
    accuracy = replace(
        figure("accuracy", whole.decisions["accuracy"]), name=f"Accuracy of the {_decided(card)} decided"
    )
    chosen = [figure("auc", whole.ranking["auc"]), accuracy]
    chosen.append(figure("abstain_share", whole.decisions["abstain_share"]))
    if card.monitoring is None:
        chosen += [figure("tpr_at_5_percent_fpr", whole.ranking["tpr_at_5_percent_fpr"])]
        return [*chosen, figure("eer", whole.ranking["eer"]), figure("ece", whole.calibration["ece"])]
    chosen.append(figure("recall_over_everything", whole.decisions["recall_over_everything"]))
    return [*chosen, *monitoring(card.monitoring)[:2]]


def figure(name: str, estimate: Estimate) -> Figure:
    """An estimate, formatted with its display name."""
    if estimate.value is None:
        return Figure(*NAMES[name], DASH, estimate.why)
    if estimate.low is None or estimate.high is None:
        return Figure(*NAMES[name], f"{estimate.value:.3f}", estimate.why)
    return Figure(*NAMES[name], f"{estimate.value:.3f}", f"{estimate.low:.3f} to {estimate.high:.3f}")


def tables(card: MetricsSummary) -> list[dict[str, Any]]:
    """Tables of figures, each with title, sample sizes and rows."""
    whole, counts = card.whole, card.whole.counts
    ranked = counts.total - counts.failed - counts.without_probability
    found = [
        _table(
            "Ranking", f"{ranked} with a probability; {counts.without_probability} had no usable face", whole.ranking
        )
    ]
    if counts.without_probability:
        text = "those without a usable face count as P(fake) = 0.5, in a tie"
        found.append(_table("Ranking of everything", text, whole.ranking_of_all))
    if card.moments is not None:
        text = f"{card.moments.n} single scores in {count(card.moments.groups, 'group')}, before any smoothing"
        found.append(_table("Frame level", text, {**card.moments.ranking, **card.moments.calibration}))
    text = f"by the shipped thresholds; {_decided(card)} decided, {counts.abstained} abstained"
    found.append(_table("Decisions", text, whole.decisions))
    text = "everyone is told fake or real at P(fake) = 0.5, as papers do; without a usable face: real"
    forced = _table("Forced choice", text, whole.forced)
    forced["rows"] = [replace(row, meaning="") for row in forced["rows"]]
    found.append(forced)
    found.append(_table("Calibration", f"of P(fake), {ranked} with a probability", whole.calibration))
    return found


def _decided(card: MetricsSummary) -> int:
    counts = card.whole.counts
    return counts.total - counts.failed - counts.abstained


def _table(title: str, rests_on: str, estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    rows = [figure(name, estimate) for name, estimate in estimates.items()]
    return {"title": title, "rests_on": rests_on, "rows": rows}


def drawings(card: MetricsSummary, outcomes: Sequence[Outcome], subject: Subject) -> list[tuple[Markup, str]]:
    """Charts with their captions."""
    columns, whole = Columns.of(outcomes), card.whole
    rows = columns.ranked
    labels, scores = columns.labels[rows], columns.probabilities[rows]
    found = []
    if whole.ranking["auc"].value is not None:
        found.append(
            (plots.roc_curve(labels, scores, area=whole.ranking["auc"]), "ROC curve. Further up left is better.")
        )
        found.append(
            (
                plots.precision_recall_curve(labels, scores, area=whole.ranking["ap"]),
                "Precision and recall. Where fakes are rarer than here, precision is lower.",
            )
        )
    if len(scores):
        found.append(
            (
                plots.score_histogram(labels, scores, settings=subject.settings.verdict),
                "P(fake) of reals (dashed, hatched) and fakes (solid). Dotted: up to the first line it is called "
                "likely real, from the second suspicious, from the third likely fake; between, it abstains.",
            )
        )
        found.append(
            (
                plots.reliability_curve(card.reliability, error=whole.calibration["ece"]),
                "Reliability: of what gets P(fake) = x, a share x should be fake. Below: how many there were.",
            )
        )
    if len(card.methods) > 1:
        areas = {name: section.ranking["auc"] for name, section in card.methods.items()}
        chart = plots.interval_chart(areas, title="AUC by method", chance=0.5)
        found.append(
            (chart, "AUC of the fakes of each method against all reals of their data set; lines: 95 % intervals.")
        )
    return [(_inline(svg), caption) for svg, caption in found]


def subset_cells(section: MetricsSection) -> list[Figure]:
    """Cells of one row in the table of data sets or methods, without the name."""
    counts = section.counts
    chosen = (
        figure("auc", section.ranking["auc"]),
        figure("accuracy", section.decisions["accuracy"]),
        figure("recall_over_everything", section.decisions["recall_over_everything"]),
        figure("abstain_share", section.decisions["abstain_share"]),
    )
    short = (replace(one, interval=one.interval.partition(":")[0]) for one in chosen)
    return [Figure("", "", f"{counts.fakes} / {counts.reals}", ""), *short]


def monitoring(found: Monitoring) -> list[Figure]:
    """The figures over time."""
    real = f"{_time(found.real_hours)} of real footage"
    alarms, flips = found.false_alarms_per_hour, found.flips_per_minute
    return [
        _rate("False alarms per hour", f"{count(alarms.events, 'suspicious span')} in {real}", alarms),
        _rate("Flips per minute of face", f"{count(flips.events, 'label change')} after the first decision", flips),
        Figure("Real time under alarm", f"of {real}", _share(found.false_alarm_share), ""),
        Figure("Face time without an answer", f"in {_time(found.hours)} of footage", _share(found.abstain_share), ""),
        _detection("Time to detect a switch to fake", "files that become fake on the way", found.switch),
        _detection("Time to the first accusation", "files that are fake throughout", found.whole),
        _spans("Span precision at IoU 0.5", found.matches.precision, count(found.matches.alarms, "alarm")),
        _spans("Span recall at IoU 0.5", found.matches.recall, count(found.matches.spans, "manipulated span")),
    ]


def _rate(name: str, meaning: str, rate: EventRate) -> Figure:
    if rate.value is None or rate.low is None or rate.high is None:
        return Figure(name, meaning, DASH, "there is no such footage")
    return Figure(name, meaning, f"{rate.value:.2f}", f"{rate.low:.2f} to {rate.high:.2f}")


def _detection(name: str, meaning: str, found: Detection) -> Figure:
    if not found.spans:
        return Figure(name, meaning, DASH, "there are none here")
    said = f"{found.detected} of {found.spans} detected"
    if found.already:
        said += f", {found.already} of them under alarm already"
    if found.fastest is not None and found.slowest is not None:
        said += f", after {_from_to(found.fastest, found.slowest)} s"
    value = f"{found.median:.1f} s" if found.median is not None else "never"
    return Figure(name, f"{meaning}; the median, a miss counting as endless", value, said)


def _from_to(low: float, high: float) -> str:
    return f"{low:.1f}" if high - low < 0.05 else f"{low:.1f} to {high:.1f}"


def _spans(name: str, part: float | None, of: str) -> Figure:
    return Figure(name, "in partly fake files", _share(part), f"of {of}")


def _share(part: float | None) -> str:
    return DASH if part is None else share(part, digits=1)


def _time(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"


def _mistakes(outcomes: Sequence[Outcome], pictures: Pictures | None, *, label: int) -> list[dict[str, Any]]:
    return [
        _mistake(one, None if pictures is None else pictures(one))
        for one in mistakes(outcomes, label=label, most=MOST_MISTAKES)
    ]


def _mistake(outcome: Outcome, picture: bytes | None) -> dict[str, Any]:
    return {
        "id": outcome.id,
        "method": outcome.method,
        "probability": percent(outcome.probability or 0.0),
        "label": outcome.decision.in_words if outcome.decision else "",
        "picture": None if picture is None else data_uri(picture),
    }


def _timelines(outcomes: Iterable[Outcome], subject: Subject) -> list[dict[str, Any]]:
    films = [one for one in outcomes if one.footage is not None]
    if len(films) > MOST_TIMELINES:
        return []
    return [
        {
            "id": one.id,
            "truth": ("partly fake" if one.footage.fake_spans else "fake") if one.label else "real",
            "label": one.decision.in_words if one.decision else "",
            "duration": clock(one.footage.duration),
            "picture": _inline(plots.timeline(one.footage, settings=subject.settings.verdict, name=one.id)),
        }
        for one in films
        if one.footage is not None
    ]


def _inline(svg: str) -> Markup:
    """Marks an SVG of ``plots`` as safe; its texts are escaped."""
    return Markup(svg)  # noqa: S704
