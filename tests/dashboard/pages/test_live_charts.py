"""The charts of the live page, as the browser gets them."""

import base64
import re
from xml.etree import ElementTree

from monitor.dashboard.pages.live_charts import sparkline, timeline
from monitor.server.verdict_history import VerdictPoint
from monitor.settings import VerdictSettings
from monitor.types import Label

LIMITS = VerdictSettings()


def point(track_id: int, media_time: float, probability: float | None) -> VerdictPoint:
    return VerdictPoint(1, media_time, track_id, Label.SUSPICIOUS, probability)


def images(html: str) -> list[tuple[str, list[dict[str, str]]]]:
    """Each image: its description, and the attributes of its lines."""
    found = []
    for address, description in re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]*)"', html):
        drawing = ElementTree.fromstring(base64.b64decode(address))  # noqa: S314 - our own
        found.append((description, [path.attrib for path in drawing.iter("{http://www.w3.org/2000/svg}path")]))
    return found


def curves(lines: list[dict[str, str]]) -> list[dict[str, str]]:
    """The lines of faces, without those of thresholds."""
    return [line for line in lines if line.get("fill") == "none"]


def corners(path: str) -> list[tuple[float, float]]:
    """The points that a line in steps reaches: of 1000 in time, of 100 downward."""
    first, *steps = re.findall(r"[MHV][^MHV]*", path)
    x, y = (float(number) for number in first[1:].split())
    found = [(x, y)]
    for across, down in zip(steps[::2], steps[1::2], strict=True):
        found.append((float(across[1:]), float(down[1:])))
    return found


def test_each_face_has_a_line_in_steps_and_a_place_in_the_legend() -> None:
    points = [point(1, 10.0, 0.1), point(2, 10.0, 0.9), point(1, 15.0, 0.6), point(2, 20.0, None), point(1, 20.0, 0.8)]
    html = timeline(points, LIMITS)
    *legend, (description, lines) = images(html)
    one, two = curves(lines)
    assert corners(one["d"]) == [(0, 90), (500, 40), (1000, 20)]
    assert corners(two["d"]) == [(0, 10)], "a point without a probability is no point of the line"
    for name in ("stroke", "stroke-dasharray"):
        assert one[name] != two[name]
        assert [one[name], two[name]] == [line[name] for _, (line,) in legend]
    for text in ("face 1<", "face 2<", "0:10.0", "0:20.0"):
        assert text in html
    assert description == "P(fake) over time. face 1: 80 %; face 2: 90 %"


def test_the_thresholds_are_dashed_lines_at_their_heights() -> None:
    _, lines = images(timeline([point(1, 0.0, 0.5)], LIMITS))[-1]
    heights = {line["d"] for line in lines if line.get("stroke-dasharray") == "4 4"}
    assert heights == {f"M0 {100 * (1 - at):.1f}H1000" for at in (LIMITS.real_at, LIMITS.suspicious_at, LIMITS.fake_at)}


def test_a_long_history_stays_small_and_keeps_its_newest_point() -> None:
    points = [point(1, number / 100, number % 10 / 10) for number in range(12_000)]
    html = timeline([*points, point(1, 120.0, 0.77)], LIMITS)
    assert len(html) < 8_000
    description, lines = images(html)[-1]
    assert "77 %" in description
    (line,) = curves(lines)
    assert corners(line["d"])[-1] == (1000, 23)


def test_without_a_scored_point_there_is_no_chart() -> None:
    assert timeline([], LIMITS) == timeline([point(1, 3.0, None)], LIMITS) == ""


def test_a_sparkline_runs_from_the_oldest_to_the_newest() -> None:
    ((description, (line,)),) = images(sparkline([0.0, 0.5, 0.9], name="face 2"))
    assert corners(line["d"]) == [(0, 100), (500, 50), (1000, 10)]
    assert description == "P(fake) of face 2, at last 90 %"
