"""The charts of the live page as SVG pictures.

They are drawn each second for each viewer: a Vega chart takes a hundred times as long to write, and longer still to
show. ``st.html`` removes SVG elements, so they are in the address of an image.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

from monitor.overlay.outlines import OUTLINES
from monitor.server.verdict_history import VerdictPoint
from monitor.settings import VerdictSettings
from monitor.types import Label
from monitor.types.formatting import clock, percent

_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")  # Okabe and Ito's palette
_ANY: Final = "#4c9be8"  # visible on light and dark pages
_DASHES: Final = ("", "10 4", "3 3", "12 4 3 4")
_BINS: Final = 240  # points of one line
_SHORTEST: Final = 1e-3  # seconds of media time of a whole chart
_WIDTH, _HEIGHT = 1000, 100  # of the drawing, stretched to the space on the page
_FRAME: Final = "position:relative;width:100%;border-left:1px solid #8888;border-bottom:1px solid #8888"
_SMALL: Final = "font-size:.8rem;opacity:.85"


def timeline(points: Sequence[VerdictPoint], thresholds: VerdictSettings) -> str:
    """P(fake) of each face over media time as HTML, with the thresholds and a legend; "" without a point.

    Args:
        points: of one connection, ordered by time; points without a probability are left out.
        thresholds: drawn as dashed lines in the colours of their labels.
    """
    scored = [
        (point.track_id, point.media_time, point.probability) for point in points if point.probability is not None
    ]
    if not scored:
        return ""
    start, end = scored[0][1], max(scored[-1][1], scored[0][1] + _SHORTEST)
    lines: dict[int, list[tuple[float, float]]] = {}
    for track_id, at, probability in scored:
        lines.setdefault(track_id, []).append(((at - start) / (end - start), probability))
    drawn = [_limit(label, at) for label, at in _limits(thresholds).items()]
    drawn += [_line(line, stroke=_stroke(track_id)) for track_id, line in lines.items()]
    legend = "".join(_legend(track_id) for track_id in lines)
    summary = "; ".join(f"face {track_id}: {percent(line[-1][1])}" for track_id, line in lines.items())
    return (
        f'<div style="{_SMALL};display:flex;flex-wrap:wrap;gap:.2rem 1rem"><span>P(fake)</span>{legend}</div>'
        f'<div style="display:flex;gap:.4rem;height:150px"><div style="{_SMALL};display:flex;flex-direction:column;'
        f'justify-content:space-between;text-align:right;white-space:nowrap"><span>100 %</span><span>50 %</span>'
        f"<span>0 %</span></div>"
        f'<div style="{_FRAME}">{_svg(drawn, description=f"P(fake) over time. {summary}")}</div></div>'
        f'<div style="{_SMALL};display:flex;justify-content:space-between;padding-left:3rem"><span>{clock(start)}'
        f"</span><span>media time</span><span>{clock(end)}</span></div>"
    )


def sparkline(values: Sequence[float], *, name: str) -> str:
    """P(fake) of one face from 0 to 1 as HTML, the newest at the right; ``name`` is that of the face."""
    last = max(len(values) - 1, 1)
    line = _line([(number / last, value) for number, value in enumerate(values)], stroke=f'stroke="{_ANY}"')
    picture = _svg([line], description=f"P(fake) of {name}, at last {percent(values[-1])}")
    return f'<div style="height:40px">{picture}</div>'


def _limits(thresholds: VerdictSettings) -> Mapping[Label, float]:
    return {
        Label.LIKELY_REAL: thresholds.real_at,
        Label.SUSPICIOUS: thresholds.suspicious_at,
        Label.LIKELY_FAKE: thresholds.fake_at,
    }


def _svg(drawn: Iterable[str], *, description: str, size: tuple[int, int] = (_WIDTH, _HEIGHT)) -> str:
    """An image that fills its place on the page, whatever its proportions."""
    width, height = size
    picture = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'preserveAspectRatio="none">{"".join(drawn)}</svg>'
    )
    address = f"data:image/svg+xml;base64,{base64.b64encode(picture.encode()).decode()}"
    return f'<img src="{address}" alt="{escape(description)}" style="display:block;width:100%;height:100%">'


def _line(points: Sequence[tuple[float, float]], *, stroke: str) -> str:
    """A line in steps through points (time, probability) in 0..1; the last point of each bin of time is drawn."""
    kept = {round(at * _BINS): probability for at, probability in points}
    steps: list[str] = []
    for column, probability in kept.items():
        x, y = _WIDTH * column / _BINS, _HEIGHT * (1 - probability)
        steps.append(f"H{x:.0f}V{y:.1f}" if steps else f"M{x:.0f} {y:.1f}")
    return f'<path d="{"".join(steps)}" fill="none" stroke-width="2" vector-effect="non-scaling-stroke" {stroke}/>'


def _limit(label: Label, at: float) -> str:
    colour = "#" + bytes(OUTLINES[label].rgb).hex()
    y = _HEIGHT * (1 - at)
    return (
        f'<path d="M0 {y:.1f}H{_WIDTH}" stroke="{colour}" stroke-dasharray="4 4" vector-effect="non-scaling-stroke"/>'
    )


def _stroke(track_id: int) -> str:
    number = track_id - 1  # tracks count from 1
    return f'stroke="{_COLOURS[number % len(_COLOURS)]}" stroke-dasharray="{_DASHES[number % len(_DASHES)]}"'


def _legend(track_id: int) -> str:
    line = _svg([f'<path d="M0 5H28" stroke-width="3" {_stroke(track_id)}/>'], description="", size=(28, 10))
    place = f'<span style="width:28px">{line}</span>'
    return f'<span style="display:flex;align-items:center;gap:.3rem">{place}face {track_id}</span>'
