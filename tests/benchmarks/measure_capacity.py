"""How many live streams does this machine hold, and what is the limit made of?

    PYTHONPATH=tests python tests/benchmarks/measure_capacity.py [--streams 1,2,4,6,8] [--seconds 30]
        [--batch-wait 0] [--empty]

Each is 720p at 25 frames a second with one face, from a real RTSP server on loopback, decoded in a process of its own,
watched as ``watch`` and the dashboard do. A machine holds so many if each face is scored at least twice a second and
95 % of the frames that are analysed have their observation within a second of their arrival. Nothing else should be
at work; the server's own time is told, too. With ``--empty`` there is no face in the picture: only the latency counts.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from support import faults

from monitor.analysis.pipeline import Engines
from monitor.lab.bench.clips import one_face_clip
from monitor.media.sources import open_source
from monitor.media.video_writer import VideoWriter
from monitor.runtime import LoadShedder, Observers, StreamSupervisor, Subscription
from monitor.settings import Settings
from monitor.types.events import Event, FrameAnalysed
from monitor.types.stats import SessionStats

WARM_UP = 20.0  # seconds in which the load finds its level
TICKS = os.sysconf("SC_CLK_TCK")
LEAST_SCORES, LATEST = 2.0, 1.0  # a second and face; seconds
TILE = 80  # pixels
ROUNDING = 0.97  # a slot more or less at the edges of the time that is looked at


@dataclass
class Seen:
    """An observer of one stream."""

    pid: int = 0
    scores: int = 0
    latencies: list[float] = field(default_factory=list)

    def prepare(self, source: Any) -> None:
        self.pid = source.process.pid

    def __call__(self, event: Event) -> None:
        if isinstance(event, FrameAnalysed):
            self.scores += len(event.observation.scores.track_ids)
            self.latencies.append((datetime.now(UTC) - event.frame.captured_at).total_seconds())


@dataclass(frozen=True)
class Moment:
    at: float
    stats: list[SessionStats]
    scores: list[int]
    seen: list[int]
    cpu: list[float]  # seconds: this process, the server, each that reads

    @classmethod
    def now(cls, watches: list[StreamSupervisor], everybody: list[Seen], server: int) -> "Moment":
        pids = [os.getpid(), server, *(seen.pid for seen in everybody)]
        return cls(
            time.monotonic(),
            [stats for watch in watches if (stats := watch.status.stats)],
            [seen.scores for seen in everybody],
            [len(seen.latencies) for seen in everybody],
            [worked(pid) for pid in pids],
        )


def empty_clip(path: Path, *, seconds: int) -> Path:
    """The one-face clip with its tiles in another order: nobody is there, and much that moves."""
    order = np.random.default_rng(0).permutation(9 * 16)
    with (
        open_source(one_face_clip(path.with_name("face.mp4"), seconds=seconds)) as source,
        VideoWriter(path, fps=25) as video,
    ):
        for frame in source:
            tiles = frame.pixels.reshape(9, TILE, 16, TILE, 3).swapaxes(1, 2).reshape(-1, TILE, TILE, 3)[order]
            pixels = tiles.reshape(9, 16, TILE, TILE, 3).swapaxes(1, 2).reshape(frame.pixels.shape)
            video.write(pixels, frame.media_time)
    return path


def worked(pid: int) -> float:
    """Seconds that a process has worked."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(
    url: str, engines: Engines, settings: Settings, *, streams: int, seconds: float, server: int, empty: bool
) -> bool:
    load = LoadShedder()
    everybody = [Seen() for _ in range(streams)]
    watches = [
        StreamSupervisor(
            url,
            engines=lambda: engines,
            settings=settings,
            observers=Observers([Subscription(seen, "measure")]),
            prepare=seen.prepare,
            load=load,
        )
        for seen in everybody
    ]
    try:
        for watch, seen in zip(watches, everybody, strict=True):
            watch.start()
            faults.until(lambda seen=seen: seen.latencies)
        time.sleep(WARM_UP)
        then = Moment.now(watches, everybody, server)
        time.sleep(seconds)
        now = Moment.now(watches, everybody, server)
    finally:
        for watch in watches:
            watch.stop()
    return told(then, now, everybody, load, least_scores=0 if empty else LEAST_SCORES)


def told(then: Moment, now: Moment, everybody: list[Seen], load: LoadShedder, *, least_scores: float) -> bool:
    """Say what happened between two moments; whether all streams were held."""
    passed = now.at - then.at
    latencies = [seen.latencies[first:last] for seen, first, last in zip(everybody, then.seen, now.seen, strict=True)]
    p95 = max(float(np.quantile(one, 0.95)) for one in latencies)
    scores = [(late - early) / passed for early, late in zip(then.scores, now.scores, strict=True)]
    analysed = [(late - early) / passed for early, late in zip(then.seen, now.seen, strict=True)]
    read = sum(late.frames_read - early.frames_read for early, late in zip(then.stats, now.stats, strict=True)) / passed
    cores = [(late - early) / passed for early, late in zip(then.cpu, now.cpu, strict=True)]
    held = min(scores) >= ROUNDING * least_scores and p95 <= LATEST
    print(
        f"{len(everybody):2d} streams: read {read / len(everybody):.1f}/s, analysed {min(analysed):.1f} to "
        f"{max(analysed):.1f}/s, scores {min(scores):.1f} to {max(scores):.1f}/s a face, latency p50 "
        f"{np.median(np.concatenate(latencies)) * 1e3:.0f}, p95 {p95 * 1e3:.0f} ms at worst; level {load.level}; "
        f"cores: analysis {cores[0]:.2f}, reading {sum(cores[2:]):.2f}, server {cores[1]:.2f}; "
        f"{'held' if held else 'NOT held'}",
        flush=True,
    )
    return held


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", default="1,2,3,4,5,6,7,8,10,12", help="how many, one after the other")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--batch-wait", type=float, default=0)
    parser.add_argument("--empty", action="store_true", help="nobody is in the picture")
    given = parser.parse_args()
    settings = Settings.model_validate({"classifier": {"batch_wait": given.batch_wait}})
    engines = Engines.load(settings)
    with tempfile.TemporaryDirectory() as folder:
        clip = empty_clip if given.empty else one_face_clip
        camera = faults.Camera(clip(Path(folder) / "cam.mp4", seconds=20))
        camera.start()
        try:
            for streams in map(int, given.streams.split(",")):
                how = {"seconds": given.seconds, "server": camera.pid, "empty": given.empty}
                measure(camera.url, engines, settings, streams=streams, **how)
        finally:
            camera.kill()


if __name__ == "__main__":
    main()
