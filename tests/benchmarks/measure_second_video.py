"""The share of an upload's CPU time that its video without a heat-map takes.

    PYTHONPATH=tests:. python tests/benchmarks/measure_second_video.py [--runs 3] [--seconds 9] [FILE ...]

Each file (default: a part of the demo) is analysed with and without the second video, in turn. CPU time counts this
process and the decoding process, so that other load on the machine matters little.
"""

import argparse
import os
import statistics
import tempfile
from itertools import islice
from pathlib import Path

from monitor.analysis.pipeline import Engines
from monitor.media.sources import open_isolated
from monitor.media.sources.demo import DemoSource
from monitor.media.video_writer import VideoWriter
from monitor.results.recorder import ResultRecorder, run
from monitor.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=9.0)
    asked = parser.parse_args()
    settings = Settings()
    engines = Engines.load(settings)
    with tempfile.TemporaryDirectory() as folder:
        files = asked.files or [_demo(Path(folder) / "demo.mp4", seconds=asked.seconds)]
        for file in files:
            used: dict[bool, list[float]] = {False: [], True: []}
            for number in range(2 * asked.runs + 1):
                is_second = number % 2 == 1
                seconds = _analyse(file, Path(folder) / str(number), engines, settings, plain_video=is_second)
                if number:  # the first run warms up
                    used[is_second].append(seconds)
            one, two = (statistics.median(used[is_second]) for is_second in (False, True))
            print(
                f"{file.name}: CPU {two:.1f} s {_spread(used[True])} with the second video, {one:.1f} s "
                f"{_spread(used[False])} without: {100 * (two - one) / two:.0f} %"
            )


def _demo(path: Path, *, seconds: float) -> Path:
    with VideoWriter(path, fps=25) as video, DemoSource(seconds) as source:
        for frame in islice(source, round(25 * seconds)):
            video.write(frame.pixels, frame.media_time)
    return path


def _analyse(file: Path, folder: Path, engines: Engines, settings: Settings, *, plain_video: bool) -> float:
    """CPU seconds of one analysis."""
    before = sum(os.times()[:4])
    with open_isolated(file, settings.source) as source:
        recording = ResultRecorder(folder, source=source, engines=engines, settings=settings, plain_video=plain_video)
        run(source, engines=engines, settings=settings, recording=recording)
    return sum(os.times()[:4]) - before


def _spread(seconds: list[float]) -> str:
    return f"({min(seconds):.1f} to {max(seconds):.1f})"


if __name__ == "__main__":
    main()
