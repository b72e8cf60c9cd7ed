"""How often and how fast a watch recovers: each fault many times, a line of figures for each.

    PYTHONPATH=tests python tests/benchmarks/measure_faults.py [--times 100]

Needs GStreamer's RTSP server. Takes about ten minutes for a hundred times.
"""

import argparse
import random
import signal
import tempfile
import threading
from pathlib import Path

import numpy as np
from support import clips, faults


def told(name: str, seconds: list[float], times: int) -> None:
    p50, p95 = np.quantile(seconds, [0.5, 0.95])
    print(
        f"{name}: {len(seconds)}/{times} recovered; p50 {p50:.2f}, p95 {p95:.2f}, max {max(seconds):.2f} s", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=100)
    times = parser.parse_args().times
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        camera = faults.Camera(clips.video(Path(folder) / "cam.mp4", frames=50, options={"g": "10"}))
        camera.start()
        with faults.watched(camera.url) as (watch, witness):
            faults.reader_killed(witness)
            before = faults.descriptors(), threading.active_count(), faults.children(), faults.resident()
            told("reader killed", [faults.reader_killed(witness) for _ in range(times)], times)
            crashes = [faults.reader_killed(witness, signal.SIGSEGV) for _ in range(times)]
            told("reader crashed", crashes, times)
            away = [random.uniform(0, 4) for _ in range(times)]
            kills = [faults.camera_killed(camera, watch, witness, away=seconds) for seconds in away]
            told("camera killed", kills, times)
            freezes = [faults.camera_frozen(camera, watch, witness) for _ in range(max(1, times // 10))]
            told("camera frozen, stall seen", [stalled for stalled, _ in freezes], len(freezes))
            told("camera frozen, pictures again", [seconds for _, seconds in freezes], len(freezes))
            after = faults.descriptors(), threading.active_count(), faults.children(), faults.resident()
        print(f"connections {witness.connection}; descriptors, threads, children, bytes before {before} after {after}")
        print(f"frames read {witness.read} = analysed {witness.analysed} + dropped {witness.dropped}", end="; ")
        print(f"connections with frames unaccounted for: {len(witness.unaccounted)}")
        camera.kill()


if __name__ == "__main__":
    main()
