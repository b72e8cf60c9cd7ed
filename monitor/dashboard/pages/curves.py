"""Charts of a classifier's accuracy from its model card: ROC, reliability, and the distribution of scores."""

from collections.abc import Mapping
from typing import Any, Final

import altair as alt
import pandas as pd

from monitor.settings import VerdictSettings

CurveChart = alt.LayerChart | alt.FacetChart  # Altair's type of a layered chart with a title

_SHARE: Final = alt.Scale(domain=(0, 1))
_HEIGHT: Final = 260  # pixels
_CHANCE: Final = "#888888"
_REAL, _FAKE = "#1b7837", "#c2410c"  # they differ in lightness too, for colour-blind people


def roc(facts: Mapping[str, Any], thresholds: VerdictSettings) -> CurveChart:
    """Fakes found over genuine faces accused; a dot marks the current threshold for suspicious."""
    points = pd.DataFrame(facts["roc"])
    x = alt.X("false_alarms:Q", title="genuine faces accused", scale=_SHARE, axis=alt.Axis(format="%"))
    y = alt.Y("found:Q", title="fakes found", scale=_SHARE, axis=alt.Axis(format="%"))
    tip = [alt.Tooltip(f"{name}:Q", format=".3f") for name in ("at", "false_alarms", "found")]
    curve = alt.Chart(points).mark_line().encode(x=x, y=y, order="false_alarms:Q", tooltip=tip)
    chance = pd.DataFrame({"false_alarms": [0.0, 1.0], "found": [0.0, 1.0]})
    diagonal = alt.Chart(chance).mark_line(strokeDash=[4, 4], color=_CHANCE).encode(x=x, y=y)
    used = points[points["at"] >= thresholds.suspicious_at].tail(1)
    dot = alt.Chart(used).mark_point(size=120, filled=True, color=_FAKE).encode(x=x, y=y, tooltip=tip)
    return alt.layer(diagonal, curve, dot).properties(height=_HEIGHT, title="Fakes found and false alarms")


def reliability(facts: Mapping[str, Any]) -> CurveChart:
    """The share of fakes over P(fake); on the dashed line, P(fake) equals that share."""
    bins = pd.DataFrame(facts["reliability"])
    x = alt.X("mean_probability:Q", title="predicted P(fake)", scale=_SHARE, axis=alt.Axis(format="%"))
    y = alt.Y("fake_share:Q", title="share of fake faces", scale=_SHARE, axis=alt.Axis(format="%"))
    tip = [alt.Tooltip(f"{name}:Q", format=".2f") for name in ("mean_probability", "fake_share")]
    line = alt.Chart(bins).mark_line().encode(x=x, y=y)
    dots = (
        alt.Chart(bins)
        .mark_point(filled=True)
        .encode(x=x, y=y, size=alt.Size("count:Q", title="faces", legend=None), tooltip=[*tip, "count:Q"])
    )
    ideal = pd.DataFrame({"mean_probability": [0.0, 1.0], "fake_share": [0.0, 1.0]})
    diagonal = alt.Chart(ideal).mark_line(strokeDash=[4, 4], color=_CHANCE).encode(x=x, y=y)
    return alt.layer(diagonal, line, dots).properties(height=_HEIGHT, title="How reliable is P(fake)?")


def scores(facts: Mapping[str, Any], thresholds: VerdictSettings) -> CurveChart:
    """Histograms of P(fake) for genuine and fake faces; a dashed line marks the threshold for suspicious."""
    counts = facts["scores"]
    width = 1 / len(counts["real"])
    rows = [
        {"from": place * width, "to": (place + 1) * width, "faces": count, "truth": truth}
        for truth, name in (("genuine", "real"), ("fake", "fake"))
        for place, count in enumerate(counts[name])
    ]
    truth = alt.Color(
        "truth:N",
        title=None,
        scale=alt.Scale(domain=["genuine", "fake"], range=[_REAL, _FAKE]),
        legend=alt.Legend(orient="top"),
    )
    bars = (
        alt.Chart(pd.DataFrame(rows))
        .mark_bar(opacity=0.55)
        .encode(
            x=alt.X("from:Q", title="P(fake)", scale=_SHARE, axis=alt.Axis(format="%")),
            x2="to:Q",
            y=alt.Y("faces:Q", stack=None),
            y2=alt.datum(0),
            color=truth,
            tooltip=["truth", "faces"],
        )
    )
    edge = alt.Chart(pd.DataFrame({"from": [thresholds.suspicious_at]})).mark_rule(strokeDash=[4, 4]).encode(x="from:Q")
    return alt.layer(bars, edge).properties(height=_HEIGHT, title="Scores of genuine and fake faces")
