"""The paper plan of docs/scale.md: nodes, network, storage and money, computed from measured figures.

    PYTHONPATH=tests:. python tests/benchmarks/scale_plan.py            # prints the tables
    PYTHONPATH=tests:. python tests/benchmarks/scale_plan.py --write    # writes them into docs/scale.md

Each figure has a low, a likely and a high value, and is drawn from a triangular distribution. A rate of counted events
is drawn from the gamma distribution of that count (Jeffreys' prior). A result is the median of 40,000 draws with the
5th and the 95th percentile. The draws are the same in each run.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- plan: written by tests/benchmarks/scale_plan.py -->", "<!-- end of the plan -->"
DRAWS = 40_000
HOURS_A_MONTH = 730
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A number with its range, and where it comes from: a text of docs/measurements.md, or an assumption."""

    name: str
    low: float
    likely: float
    high: float
    unit: str
    measured: str = ""  # occurs in docs/measurements.md
    assumed: str = ""
    counted: tuple[int, float] | None = None  # events, and in how many hours: the figure is their rate

    def draw(self, generator: np.random.Generator) -> Values:
        if self.counted is not None:
            events, hours = self.counted
            return generator.gamma(events + 0.5, 1 / hours, DRAWS)
        if self.low == self.high:
            return np.full(DRAWS, self.likely)
        return generator.triangular(self.low, self.likely, self.high, DRAWS)


FIGURES: Mapping[str, Figure] = {
    one.name: one
    for one in (
        Figure(
            "streams a core holds", 2.5, 3.5, 4.0, "720p25 streams with one face, per vCPU",
            measured="So **seven**, beside that load",
        ),
        Figure(
            "analysis of a second of video", 0.17, 0.25, 0.457, "CPU s, all processes",
            measured="one face 0.250, five faces 0.457 CPU s for a second of video",
        ),
        Figure(
            "alarms", 0.0, 1.0, 5.4, "an hour of untouched footage, balanced", counted=(1, 1.02),
            measured="balanced one alarm, **1.0 [0.0, 5.4] per hour**",
        ),
        Figure(
            "alarms, preset wall", 0.0, 0.0, 3.6, "an hour of the same, none above 0.9", counted=(0, 1.02),
            measured="41 times, whose evidence adds up to 87 %",
        ),
        Figure(
            "frame event", 559, 800, 1423, "bytes as JSON",
            measured="the event of a frame has 559 bytes as JSON with one face, 1,423 with five",
        ),
        Figure(
            "server's CPU for a stream", 0.7, 0.85, 1.4, "thousandths of a core, 5 frames/s",
            measured="0.7 to 1.4 thousandths of a core a stream",
        ),
        Figure("flags into PostgreSQL", 26, 35, 43, "a second, busy machine", measured="| PostgreSQL | 26, 43 |"),
        Figure(
            "pictures and record of a flag", 0.2, 0.25, 0.6, "MB",
            measured="252 kB of pictures, trace and record",
        ),
        Figure(
            "results of an hour", 1.0, 2.3, 11.3, "MB, without annotated video",
            measured="2.3 and 11.3 MB an hour",
        ),
        Figure("overhead of the fleet", 0.98, 1.0, 1.18, "times, 1.18: two nodes", measured="1.70 times"),
        Figure("bit rate", 2, 4, 8, "Mbit/s, camera or archive", assumed="H.264, 720 to 1080 lines"),
        Figure("clip", 10, 12, 15, "s, with the frames before its first key frame", assumed="the default of 5 + 5 s"),
        Figure("analysed frames", 3, 5, 15, "a second and stream", assumed="as the load of a full node allows"),
        Figure("days that flags are kept", 30, 30, 30, "days", assumed="evidence.keep_days = 30"),
        Figure("review of a flag", 10, 20, 60, "s of a person", assumed="with the keys of the page Review"),
        Figure("vCPU hour", 0.012, 0.04, 0.055, "USD", assumed="list prices of large clouds, spot to on demand"),
        Figure("object store", 0.005, 0.023, 0.026, "USD per GB and month", assumed="list prices, no traffic"),
        Figure("vCPUs of a node", 16, 16, 16, "", assumed="one machine size for all"),
        Figure("nodes in reserve", 1, 1, 2, "", assumed="one node may fail"),
        Figure("night", 10, 10, 10, "h", assumed="from 20:00 to 06:00"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """A line of the plan: the median with the 5th and the 95th percentile."""

    name: str
    values: Values
    unit: str
    note: str = ""

    @property
    def text(self) -> str:
        low, median, high = np.quantile(self.values, (0.05, 0.5, 0.95))
        return f"{_rounded(median)} [{_rounded(low)}, {_rounded(high)}]"


def _rounded(value: float) -> str:
    """Two digits that count."""
    if value == 0:
        return "0"
    digits = 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, digits):,.{max(0, digits)}f}"


def draw(figures: Mapping[str, Figure]) -> Callable[[str], Values]:
    """The draws of each figure, by name."""
    generator = np.random.default_rng(2026)
    drawn = {name: figure.draw(generator) for name, figure in figures.items()}
    return drawn.__getitem__


def plan_wall(figures: Mapping[str, Figure] = FIGURES, *, cameras: int = 500) -> Sequence[Result]:
    """A wall of cameras, live."""
    of = draw(figures)
    cores = cameras / of("streams a core holds")
    nodes = np.ceil(cores / of("vCPUs of a node")) + np.round(of("nodes in reserve"))
    flags = cameras * of("alarms")  # an hour
    size = of("pictures and record of a flag") + of("clip") * of("bit rate") / 8  # MB
    events = cameras * of("analysed frames")
    stored = flags * 24 * of("days that flags are kept") * size / 1000  # GB
    money = nodes * of("vCPUs of a node") * HOURS_A_MONTH * of("vCPU hour")
    return (
        Result("vCPUs that watch", cores, "vCPUs"),
        Result("nodes of 16 vCPUs", nodes, "nodes", "with the reserve"),
        Result("from the cameras to the nodes", cameras * of("bit rate") / 1000, "Gbit/s"),
        Result("events to the server", 8 * events * of("frame event") / 1e6, "Mbit/s"),
        Result(
            "server's CPU for events",
            cameras * of("server's CPU for a stream") * of("analysed frames") / 5 / 1000,
            "cores",
            "Python uses one",
        ),
        Result("flags", flags * 24, "a day"),
        Result("flags, preset wall", cameras * 24 * of("alarms, preset wall"), "a day"),
        Result("flags, share of what PostgreSQL took", 100 * flags / 3600 / of("flags into PostgreSQL"), "%"),
        Result("review", flags * 24 * of("review of a flag") / 3600, "hours of people a day"),
        Result("stored flags and clips", stored / 1000, "TB"),
        Result("machines", money, "USD a month"),
        Result("object store", stored * of("object store"), "USD a month"),
    )


def plan_archive(figures: Mapping[str, Figure] = FIGURES, *, hours: int = 100_000) -> Sequence[Result]:
    """An archive, once."""
    of = draw(figures)
    work = hours * of("analysis of a second of video") * of("overhead of the fleet")  # vCPU hours
    cores = work / of("night")
    flags = hours * of("alarms")
    return (
        Result("work", work, "vCPU hours"),
        Result("vCPUs for one night", cores, "vCPUs"),
        Result("nodes of 16 vCPUs for one night", np.ceil(cores / of("vCPUs of a node")), "nodes"),
        Result("nights with 20 nodes", cores / (20 * of("vCPUs of a node")), "nights"),
        Result("read from the archive", hours * 3600 * of("bit rate") / 8 / 1e6, "TB"),
        Result("network in one night", hours * of("bit rate") / of("night") / 1000, "Gbit/s"),
        Result("results", hours * of("results of an hour") / 1000, "GB"),
        Result("suspicious passages", flags, "in all"),
        Result("review of all of them", flags * of("review of a flag") / 3600, "hours of people"),
        Result("machines", work * of("vCPU hour"), "USD"),
    )


def with_figure(name: str, factor: float) -> Mapping[str, Figure]:
    """The figures with one of them changed, to see what depends on it."""
    one = FIGURES[name]
    changed = replace(one, low=factor * one.low, likely=factor * one.likely, high=factor * one.high)
    return {**FIGURES, name: changed}


def tables() -> str:
    """The tables of the page in Markdown."""
    lines = ["**500 cameras, live**", "", *_table(plan_wall()), "", "**100,000 hours of archive, once**", ""]
    lines += [*_table(plan_archive()), "", "**The figures**", "", "| figure | low | likely | high | unit | source |"]
    lines += ["|---|---|---|---|---|---|"]
    for one in FIGURES.values():
        source = "measured" if one.measured else f"assumed: {one.assumed}"
        lines.append(f"| {one.name} | {one.low:g} | {one.likely:g} | {one.high:g} | {one.unit} | {source} |")
    return "\n".join(lines)


def _table(results: Sequence[Result]) -> list[str]:
    rows = [f"| {one.name}{f' ({one.note})' if one.note else ''} | {one.text} | {one.unit} |" for one in results]
    return ["| | median [5 %, 95 %] | |", "|---|---|---|", *rows]


def write() -> None:
    """Put the tables between the marks of the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="write the tables into docs/scale.md")
    if parser.parse_args().write:
        write()
    else:
        print(tables())
