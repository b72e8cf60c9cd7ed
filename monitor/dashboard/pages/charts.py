"""The chart of P(fake) over media time on the page Analyse."""

import altair as alt
import pandas as pd

from monitor.overlay.outlines import OUTLINES
from monitor.settings import VerdictSettings
from monitor.types import Label

_TOOLTIP = ["face", "label", "media_time", "probability"]
_HEIGHT = alt.Y("probability:Q", title="P(fake)", scale=alt.Scale(domain=(0, 1)))


def verdicts(points: pd.DataFrame) -> alt.Chart:
    """A line for each face; lines differ in colour and in dash pattern.

    Args:
        points: columns ``media_time`` (seconds), ``probability`` (0..1), ``face`` and ``label`` (text).
    """
    chart: alt.Chart = (
        alt.Chart(points)
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("media_time:Q", title="media time, seconds"),
            y=_HEIGHT,
            color=alt.Color("face:N", title=None),
            strokeDash=alt.StrokeDash("face:N", title=None),
            tooltip=_TOOLTIP,
        )
    )
    return chart


def moments(points: pd.DataFrame) -> alt.Chart:
    """An invisible point at each sample that reacts to clicks; columns as for :func:`verdicts`."""
    chart: alt.Chart = (
        alt.Chart(points).mark_point(size=200, opacity=0).encode(x=alt.X("media_time:Q"), y=_HEIGHT, tooltip=_TOOLTIP)
    )
    return chart


def limits(thresholds: VerdictSettings) -> list[alt.Chart]:
    """A dashed line at each threshold, in the colour of its label."""
    values = {
        Label.LIKELY_REAL: thresholds.real_at,
        Label.SUSPICIOUS: thresholds.suspicious_at,
        Label.LIKELY_FAKE: thresholds.fake_at,
    }
    return [
        alt.Chart(pd.DataFrame({"probability": [at]}))
        .mark_rule(strokeDash=[4, 4], color="#" + bytes(OUTLINES[label].rgb).hex())
        .encode(y=_HEIGHT)
        for label, at in values.items()
    ]
