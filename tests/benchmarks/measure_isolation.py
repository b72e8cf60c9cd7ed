"""What a process of its own costs: the whole pipeline on a video, decoded here and there, in turns.

PYTHONPATH=tests python tests/benchmarks/measure_isolation.py VIDEO [--rounds 5]
"""

import argparse
import time
from pathlib import Path

import numpy as np

from monitor.analysis.pipeline import Engines
from monitor.media.sources import open_isolated
from monitor.results.recorder import run
from monitor.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("video", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    engines = Engines.load(Settings())
    rates: dict[bool, list[float]] = {True: [], False: []}
    opening: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * given.rounds):
        isolate = number % 2 == 0
        settings = Settings.model_validate({"source": {"isolate": isolate}})
        began = time.monotonic()
        source = open_isolated(given.video, settings.source)
        opened = time.monotonic()
        result = run(source, engines=engines, settings=settings)
        rates[isolate].append(result.frames.frames_analysed / (time.monotonic() - opened))
        opening[isolate].append(opened - began)
    ratios = np.array(rates[True]) / np.array(rates[False])
    print(f"frames/s, own process / this one: median {np.median(ratios):.2f} [{ratios.min():.2f}, {ratios.max():.2f}]")
    print(f"opening: {np.median(opening[True]):.2f} s against {np.median(opening[False]):.2f} s")


if __name__ == "__main__":
    main()
