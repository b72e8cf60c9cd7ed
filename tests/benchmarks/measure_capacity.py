"""What do so many live streams get on this machine, one measurement after the other?

    PYTHONPATH=tests python tests/benchmarks/measure_capacity.py [--streams 1,2,4,6,8] [--seconds 30]
        [--batch-wait 0] [--kind one_face|four_faces|nobody]

As ``deepfake-monitor capacity``, but from a real RTSP server on loopback, which is not part of the product, for longer,
and with counts of your own. Nothing else should be at work; the server's own time is told, too.
"""

import argparse
import tempfile
from pathlib import Path

import psutil
from support import faults

from monitor.analysis.pipeline import Engines
from monitor.lab.bench.capacity import KINDS, Holding, RunningStreams
from monitor.runtime import LoadShedder
from monitor.settings import Settings

WARM_UP = 20.0  # seconds in which the load finds its level


def told(got: Holding, *, server: float) -> str:
    return (
        f"{got.streams:2d} streams: analysed {got.fps[0]:.1f} to {got.fps[1]:.1f}/s, scores {got.scores[0]:.1f} to "
        f"{got.scores[1]:.1f}/s a face, latency p50 {got.latency_p50 * 1e3:.0f}, p95 {got.latency_p95 * 1e3:.0f} ms "
        f"at worst; level {got.level}; cores: analysis {got.analysis:.2f}, reading {got.decoding:.2f}, "
        f"server {server:.2f}; {'held' if got.held else 'NOT held'}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", default="1,2,3,4,5,6,7,8,10,12", help="how many, one after the other")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--batch-wait", type=float, default=0)
    parser.add_argument("--kind", choices=[kind.name for kind in KINDS], default="one_face")
    given = parser.parse_args()
    settings = Settings.model_validate({"classifier": {"batch_wait": given.batch_wait}})
    engines = Engines.load(settings)
    kind = next(kind for kind in KINDS if kind.name == given.kind)
    with tempfile.TemporaryDirectory() as folder:
        camera = faults.Camera(kind.clip(Path(folder) / "cam.mp4"))
        camera.start()
        try:
            for count in map(int, given.streams.split(",")):
                how = {"faces": kind.faces, "engines": engines, "settings": settings, "load": LoadShedder()}
                with RunningStreams(camera.url, **how) as streams:
                    streams.resize(count)
                    before = psutil.Process(camera.pid).cpu_times().user
                    got = streams.measure(seconds=given.seconds, settling=WARM_UP)
                    server = (psutil.Process(camera.pid).cpu_times().user - before) / (given.seconds + WARM_UP)
                print(told(got, server=server), flush=True)
        finally:
            camera.kill()


if __name__ == "__main__":
    main()
