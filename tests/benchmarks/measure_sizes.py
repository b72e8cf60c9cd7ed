"""What an hour of video and a flag cost: CPU of `analyze`, bytes of its result, of a flag and of a frame's event.

    PYTHONPATH=tests:. python tests/benchmarks/measure_sizes.py [--short 10] [--long 50]

720 lines, 25 frames a second: one face, and five. The CPU seconds are those of all processes; the start of the program
is left out by the difference of a long and a short clip. Other work on the machine changes them little.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from support.observations import EVENTS, Face, observation
from support.waiting import until

from monitor.analysis.pipeline import Engines
from monitor.flags.archive import FlagArchive
from monitor.flags.recorder import FlagRequest
from monitor.lab.bench.clips import crowd_clip, one_face_clip
from monitor.media.sources import open_source
from monitor.runtime import BackgroundWorker
from monitor.server.stream import Stream
from monitor.settings import Settings
from monitor.types import Label
from monitor.types.events import FrameAnalysed

FLAGS = 4


def analyse(clip: Path, out: Path) -> tuple[float, int]:
    """CPU seconds of the command, and bytes of its result."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "monitor", "analyze", str(clip), "--no-video", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3, 4), done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, sum(file.stat().st_size for file in out.rglob("*") if file.is_file())


def measure_analysis(name: str, write: Callable[..., Path], folder: Path, *, short: int, long: int) -> None:
    results = {}
    for seconds in (short, long):
        clip = write(folder / f"{name}-{seconds}.mp4", seconds=seconds)
        results[seconds] = analyse(clip, folder / f"out-{name}-{seconds}")
    (cpu_short, size_short), (cpu_long, size_long) = results[short], results[long]
    span = long - short
    print(
        f"{name}: {(cpu_long - cpu_short) / span:.3f} CPU s for a second of video, {cpu_short:.1f} s for the first "
        f"{short} s with the start; result {3.6 * (size_long - size_short) / span:.0f} kB an hour and "
        f"{size_short / 1000:.0f} kB for the first {short} s",
        flush=True,
    )


def measure_flags(folder: Path) -> None:
    settings = Settings(evidence={"folder": folder / "flags"}, source={"demo_seconds": 600})
    engines = Engines.load(settings)
    with FlagArchive.open(settings.evidence) as archive, BackgroundWorker("clips") as worker:
        stream = Stream(
            "demo:", name="", engines=lambda: engines, settings=settings, archive=archive, worker=worker, repeat=True
        )
        stream.start()
        until(lambda: stream.broadcaster.now is not None)
        time.sleep(6)
        for _ in range(FLAGS):
            now = stream.broadcaster.now
            stream.flag_recorder.flag(FlagRequest(now["connection"], now["time"], now["frame"]))  # type: ignore[index]
            time.sleep(1)
        until(lambda: all(len(flag.exhibits) > 2 or flag.clip != "pending" for flag in archive.store.find()))
        stream.stop()
        worker.wait()
        found = archive.store.find()
        files = {file.name: file.size for file in found[0].exhibits}
        print(f"a flag: record {len(json.dumps(found[0].record())) / 1000:.1f} kB; files in bytes: {files}", flush=True)


def measure_event() -> None:
    sample = next(event for event in EVENTS if isinstance(event, FrameAnalysed))
    for faces in (1, 5):
        seen = observation(
            [Face((1, 2, 3, 4), number, Label.LIKELY_REAL, 0.1, log_odds=0.5) for number in range(faces)]
        )
        event = FrameAnalysed(stream="rtsp://camera", connection=1, at=sample.at, frame=sample.frame, observation=seen)
        print(f"the event of a frame with {faces} faces: {len(json.dumps(event.to_dict()))} bytes as JSON")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", type=int, default=10)
    parser.add_argument("--long", type=int, default=50)
    wanted = parser.parse_args()
    measure_event()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with open_source("demo:") as source:  # fails early
            assert source.info.fps
        for kind, write in (("one face", one_face_clip), ("five faces", crowd_clip)):
            measure_analysis(kind, write, folder, short=wanted.short, long=wanted.long)
        measure_flags(folder)


if __name__ == "__main__":
    main()
