"""Charts as inline SVG with the colours and the font of the page, for light and dark themes.

Each function returns ``<svg ...>...</svg>``. Colour is never the only difference: fakes are solid, reals dashed or
hatched. The page must define the CSS variables ``--ink --muted --grid --real --fake --surface``.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from sklearn import metrics

from monitor.lab.evaluation.bootstrap import Estimate
from monitor.lab.evaluation.metrics import Doubles, Integers, ReliabilityBin
from monitor.lab.evaluation.outcomes import VideoTimeline
from monitor.types.formatting import clock

if TYPE_CHECKING:
    from monitor.settings import VerdictSettings

INK, MUTED, GRID, REAL, FAKE, SURFACE = (f"#0{number}0a0{number}" for number in range(1, 7))
_VARIABLES: Final = {INK: "ink", MUTED: "muted", GRID: "grid", REAL: "real", FAKE: "fake", SURFACE: "surface"}
_SIZE: Final = (4.4, 3.5)  # inches: about 400 pixels wide, so that text stays legible on a phone
_POINTS: Final = 400  # points of a curve, at most
_STEPS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)  # seconds between ticks
_TICKS: Final = 8  # of a time axis, at most
_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
}


def roc_curve(labels: Integers, scores: Doubles, *, area: Estimate) -> str:
    """True positive rate against false positive rate, at every threshold."""
    alarms, hits, _ = metrics.roc_curve(labels, scores, drop_intermediate=False)
    with mpl.rc_context(_STYLE):
        figure, axes = _axes("Reals accused (false positive rate)", "Fakes found (true positive rate)")
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1, label="chance")
        rows = _thinned(len(hits))
        axes.plot(alarms[rows], hits[rows], color=FAKE, label=f"AUC {in_words(area)}")
        _legend(axes)
        return _svg(figure, "roc", "ROC curve")


def precision_recall_curve(labels: Integers, scores: Doubles, *, area: Estimate) -> str:
    """Precision against recall, at every threshold."""
    precisions, recalls, _ = (values[::-1] for values in metrics.precision_recall_curve(labels, scores))
    with mpl.rc_context(_STYLE):
        figure, axes = _axes("Fakes found (recall)", "Fakes among the accused (precision)")
        share = float((labels == 1).mean())
        axes.axhline(share, color=MUTED, linestyle=":", linewidth=1, label=f"chance, {share:.2f}")
        rows = _thinned(len(recalls))[1:]  # at the first nothing is accused
        recall = np.concatenate(([0.0], recalls[rows]))
        precision = np.concatenate((precisions[rows[:1]], precisions[rows]))
        axes.plot(recall, precision, color=FAKE, drawstyle="steps-pre", label=f"AP {in_words(area)}")
        _legend(axes)
        return _svg(figure, "pr", "Precision-recall curve")


def reliability_curve(bins: Sequence[ReliabilityBin], *, error: Estimate) -> str:
    """Share of fakes against mean P(fake) per bin, with a histogram of the scores."""
    known = [one for one in bins if one.count]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1, label="perfect")
        axes.plot(
            np.array([one.mean_probability for one in known], np.float64),
            np.array([one.fake_share for one in known], np.float64),
            color=FAKE,
            marker="o",
            markersize=4,
            clip_on=False,
            label=f"ECE {in_words(error)}",
        )
        axes.set(ylabel="Share that is fake", xlim=(0, 1), ylim=(0, 1))
        _legend(axes)
        below.bar(
            [(one.low + one.high) / 2 for one in bins], [one.count for one in bins], width=1 / len(bins), color=MUTED
        )
        below.set(xlabel="P(fake)", ylabel="Files")
        return _svg(figure, "reliability", "Reliability curve")


def score_histogram(labels: Integers, scores: Doubles, *, settings: VerdictSettings) -> str:
    """Histogram of P(fake) by class, with the shipped thresholds."""
    edges = np.linspace(0, 1, 26).tolist()
    with mpl.rc_context(_STYLE):
        figure, axes = _axes("P(fake)", "Share of the class", limits=False)
        for label, colour, hatch, name in ((0, REAL, "////", "real"), (1, FAKE, "", "fake")):
            chosen = scores[labels == label]
            weights = np.full(len(chosen), 1 / max(len(chosen), 1))
            line = "--" if label == 0 else "-"
            axes.hist(
                chosen, edges, weights=weights, histtype="stepfilled", facecolor="none" if hatch else colour,
                alpha=None if hatch else 0.35, hatch=hatch, edgecolor=colour, linewidth=0 if hatch else 1,
            )  # fmt: skip
            axes.hist(
                chosen, edges, weights=weights, histtype="step", edgecolor=colour, linestyle=line, linewidth=1.4,
                label=f"{name} ({len(chosen)})",
            )  # fmt: skip
        shipped = {
            "likely real": settings.real_at,
            "suspicious": settings.suspicious_at,
            "likely fake": settings.fake_at,
        }
        for name, at in shipped.items():
            axes.axvline(at, color=MUTED, linestyle=":", linewidth=1)
            place: dict[str, Any] = {
                "transform": axes.get_xaxis_transform(),
                "rotation": 90,
                "ha": "right",
                "va": "top",
            }
            axes.text(at - 0.008, 0.98, name, fontsize=8, color=MUTED, **place)
        axes.set_xlim(0, 1)
        _legend(axes)
        return _svg(figure, "histogram", "Distribution of P(fake)")


def interval_chart(estimates: Mapping[str, Estimate], *, title: str, chance: float | None = None) -> str:
    """A dot with its interval per name, the first on top."""
    known = [(name, one, one.value) for name, one in estimates.items() if one.value is not None][::-1]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_SIZE[0], 0.9 + 0.34 * max(len(known), 1)), layout="constrained")
        axes = figure.subplots()
        if chance is not None:
            axes.axvline(chance, color=MUTED, linestyle=":", linewidth=1)
        for row, (_, one, value) in enumerate(known):
            if one.low is not None and one.high is not None:
                axes.plot([one.low, one.high], [row, row], color=FAKE, linewidth=2)
            axes.plot(value, row, color=FAKE, marker="o", markersize=6)
        axes.set_yticks(range(len(known)), [_short(name) for name, _, _ in known])
        axes.set(xlabel=title, xlim=(0, 1), ylim=(-0.6, max(len(known), 1) - 0.4))
        axes.grid(visible=False, axis="y")
        return _svg(figure, f"intervals-{title}", title)


def timeline(footage: VideoTimeline, *, settings: VerdictSettings, name: str) -> str:
    """P(fake) of a video over time, with its alarms, and the truth of a partly fake video."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 1.9), layout="constrained")
        axes = figure.subplots()
        for number, span in enumerate(footage.fake_spans or ()):
            label = "manipulated" if number == 0 else None
            axes.axvspan(
                span.start, span.end, facecolor="none", edgecolor=MUTED, hatch="////", linewidth=0, label=label
            )
        for at in (settings.real_at, settings.suspicious_at, settings.fake_at):
            axes.axhline(at, color=MUTED, linestyle=":", linewidth=1)
        times = np.array([moment.media_time for moment in footage.moments], np.float64)
        singles = np.array([moment.sample for moment in footage.moments], np.float64)  # NaN for None
        said = np.array([moment.probability for moment in footage.moments], np.float64)
        axes.plot(times, singles, color=MUTED, marker=".", markersize=3, linestyle="none", label="single scores")
        axes.plot(times, said, color=REAL, linewidth=1.6, label="verdict")
        for number, alarm in enumerate(footage.alarms):
            label = "alarm" if number == 0 else None
            axes.plot(
                [alarm.start, alarm.end], [1.06, 1.06], color=FAKE, linewidth=5, solid_capstyle="butt", label=label
            )
        axes.set(xlim=(0, max(footage.duration, 1e-3)), ylim=(-0.02, 1.12), ylabel="P(fake)")
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        axes.xaxis.set_major_locator(MultipleLocator(_step(footage.duration)))
        axes.xaxis.set_major_formatter(lambda seconds, _: clock(seconds).removesuffix(".0"))
        axes.grid(visible=False)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), fontsize=8)
        return _svg(figure, f"timeline-{name}", f"P(fake) of {name} over time")


def in_words(estimate: Estimate) -> str:
    """An estimate as ``0.67 [0.65, 0.69]``, or a dash."""
    if estimate.value is None:
        return "–"  # noqa: RUF001 - a dash, as in tables
    interval = f" [{estimate.low:.2f}, {estimate.high:.2f}]" if estimate.low is not None else ""
    return f"{estimate.value:.2f}{interval}"


def _axes(xlabel: str, ylabel: str, *, limits: bool = True) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if limits:
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    return figure, axes


def _legend(axes: Axes) -> None:
    """Puts the legend above the drawing."""
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2)


def _thinned(count: int) -> Integers:
    """Indices of the points to draw."""
    return np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(np.int64))


def _step(duration: float) -> float:
    """Seconds between the ticks of a time axis, from round steps up to whole hours."""
    return next((step for step in _STEPS if duration <= step * _TICKS), math.ceil(duration / _TICKS / 3600) * 3600)


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"


def _svg(figure: Figure, salt: str, label: str) -> str:
    """The figure as SVG with CSS variables as colours; ids start with ``salt`` to be unique in a page."""
    written = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": salt}):
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"font-family: [^;]*; ", "", text)
    text = re.sub(r'(<svg [^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg [^>]*?) height="[^"]*"', r"\1", text, count=1)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    prefix = re.sub(r"[^A-Za-z0-9]+", "-", salt)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'(url\(|href=")#', rf"\g<1>#{prefix}-", text)
    escaped = label.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("<svg ", f'<svg role="img" aria-label="{escaped}" ', 1)
