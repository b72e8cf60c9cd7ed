"""A long watch of a camera that is away half of the time, with the real pipeline: what grows?

    PYTHONPATH=tests python tests/benchmarks/soak.py [--minutes 120] [--period 60] [--out soak.csv]

Prints the slope of resident memory after a warm-up (a quarter of the time), with its 95 % interval, and the number of
descriptors, threads and processes at its begin and end. Needs GStreamer's RTSP server.
"""

import argparse
import csv
import itertools
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from support import faults

from monitor.analysis.pipeline import Engines
from monitor.media.sources import open_source
from monitor.settings import Settings

EVERY = 5.0  # seconds between two looks
BOOTSTRAPS = 1000


def filmed(path: Path) -> Path:
    """Some seconds of the demo, as a camera would send them."""
    with open_source("demo:") as source, av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"preset": "veryfast", "g": "50"})
        stream.width, stream.height, stream.pix_fmt = source.info.width, source.info.height, "yuv420p"
        for frame in itertools.islice(source, 250):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame.pixels, format="rgb24")))
        output.mux(stream.encode())
    return path


def of_each_period(
    figure: Callable[[np.ndarray], float], seconds: np.ndarray, megabytes: np.ndarray, *, period: float
) -> tuple[np.ndarray, np.ndarray]:
    """Hours, and a figure of the memory in each period: what an open camera takes, it gives back when it is away."""
    periods = (seconds // period).astype(int)
    figures = [figure(megabytes[periods == one]) for one in np.unique(periods)]
    return np.unique(periods) * period / 3600, np.array(figures)


def slope(hours: np.ndarray, megabytes: np.ndarray) -> tuple[float, float, float]:
    """MB an hour, and the interval from blocks of five periods drawn again: neighbours are alike."""
    block = min(5, len(hours))
    starts = np.arange(0, len(hours) - block + 1, block)
    drawn = []
    random = np.random.default_rng(0)
    for _ in range(BOOTSTRAPS):
        rows = (random.choice(starts, len(starts))[:, None] + np.arange(block)).ravel()
        drawn.append(np.polyfit(hours[rows], megabytes[rows], 1)[0])
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(np.polyfit(hours, megabytes, 1)[0]), float(low), float(high)


def counted() -> tuple[int, int, int]:
    return faults.descriptors(), threading.active_count(), faults.children()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--period", type=float, default=60, help="seconds: half of them the camera is there")
    parser.add_argument("--out", type=Path, default=Path("soak.csv"))
    given = parser.parse_args()
    engines = Engines.load(Settings())
    with tempfile.TemporaryDirectory() as folder, given.out.open("w", newline="", buffering=1) as file:
        table = csv.writer(file)
        table.writerow(["seconds", "resident_bytes", "descriptors", "threads", "processes", "connection"])
        camera = faults.Camera(filmed(Path(folder) / "cam.mp4"))
        camera.start()
        with faults.watched(camera.url, engines=engines) as (watch, witness):
            began, before, there = time.monotonic(), counted(), True
            while (passed := time.monotonic() - began) < 60 * given.minutes:
                assert not watch.status.state.over, watch.status
                wanted = passed % given.period < given.period / 2
                if wanted != there:
                    (camera.start if wanted else camera.kill)()
                    there = wanted
                table.writerow(
                    (passed, faults.resident(), *counted(), witness.connection)
                )  # kept here, it would grow us
                time.sleep(EVERY)
            if not there:
                camera.start()
            seen = witness.frames
            faults.until(lambda: witness.frames > seen)
            after = counted()
        camera.kill()
    kept = np.loadtxt(given.out, delimiter=",", skiprows=1, usecols=(0, 1))
    kept = kept[kept[:, 0] > 15 * given.minutes]
    print(f"{given.minutes:.0f} min, {witness.connection} openings, {witness.frames} frames")
    for name, figure in (("mean", np.mean), ("least", np.min)):
        periods = of_each_period(figure, kept[:, 0], kept[:, 1] / 1e6, period=given.period)
        middle, low, high = slope(*periods)
        print(
            f"resident memory, {name} of each period, after {given.minutes / 4:.0f} min: "
            f"{middle:+.2f} MB/h [{low:+.2f}, {high:+.2f}]"
        )
    print(f"descriptors, threads, processes: {before} at the begin, {after} at the end")
    print(f"read {witness.read} = analysed {witness.analysed} + dropped {witness.dropped}", end="; ")
    print(f"connections with frames unaccounted for: {len(witness.unaccounted)}")


if __name__ == "__main__":
    main()
