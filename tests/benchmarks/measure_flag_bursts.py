"""Flags in bursts while all cores are busy: how many clips hold their moment, and how many say so if not.

    PYTHONPATH=tests python tests/benchmarks/measure_flag_bursts.py [--flags 500] [--burst 10] [--speed 2]

A video of numbered pictures plays at ``--speed`` times its pace through the real packet ring, recorder, archive and
clip processes. Every seven media seconds, ``--burst`` pictures in a row are flagged. Each clip is then decoded, and the
picture at the flagged moment is compared with the flagged one. ``--busy`` processes compete for the cores until the
video ends; the clips that are still waiting then are written without them.
"""

import argparse
import multiprocessing
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from support import clips
from support.events import analyse_frame, close_stream, open_stream
from support.flag_writer import SUSPECT, provenance
from support.observations import observation

from monitor.flags.archive import FlagArchive
from monitor.flags.clips import follow
from monitor.flags.queries import FlagQuery
from monitor.flags.recorder import FlagRecorder, FlagRequest
from monitor.media.sources import open_source
from monitor.runtime import BackgroundWorker
from monitor.settings import Settings
from monitor.types import ClipState, Flag

FPS = 25
EVERY = 7  # media seconds between two bursts
CYCLE = 50  # pictures; the numbers repeat every two seconds
SETTINGS = Settings()  # clips of ten seconds
SECONDS = SETTINGS.evidence.pre_roll + 35  # as in the service
MAX_BYTES = 96 << 20  # as in the service


def spin() -> None:
    while True:
        sum(range(10_000))


def numbered(path: Path, *, seconds: int) -> Path:
    """A video with a key frame every second, whose pictures tell their number modulo ``CYCLE``."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "g": str(FPS)})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(seconds * FPS):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(clips.picture(number % CYCLE), format="rgb24")))
        out.mux(stream.encode())
    return path


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """All cores compete with other programs."""
    spinners = [multiprocessing.Process(target=spin, daemon=True) for _ in range(processes)]
    for spinner in spinners:
        spinner.start()
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()


def play(video: Path, archive: FlagArchive, *, flags: int, burst: int, speed: float, processes: int) -> Counter[str]:
    """Plays the video and flags its pictures; returns the sentences of the refused flags."""
    largest, marked = 0, []
    with (
        open_source(video) as source,
        BackgroundWorker("clips") as worker,
        busy(processes),
        ThreadPoolExecutor(burst) as people,
    ):
        recorder = FlagRecorder(archive, submit=worker.do)
        ring = follow(source, seconds=SECONDS, max_bytes=MAX_BYTES, settings=SETTINGS.source)
        recorder.prepare(provenance(SETTINGS), clips=ring)
        open_stream(recorder)
        begun = time.monotonic()
        for frame in source:
            time.sleep(max(0.0, begun + frame.media_time / speed - time.monotonic()))
            seen = observation((SUSPECT,), index=frame.index, media_time=frame.media_time)
            analyse_frame(recorder, frame, seen)
            if len(marked) < flags and frame.index % (EVERY * FPS) in range(60, 60 + burst):
                request = FlagRequest(connection=1, media_time=frame.media_time, frame_index=frame.index)
                marked.append(people.submit(recorder.flag, request))
            largest = max(largest, ring._reservations.size)
        people.shutdown()
        close_stream(recorder)
        print(
            f"played in {time.monotonic() - begun:.0f} s, {worker.waiting} clips still to write; "
            f"most reserved bytes {largest}",
            flush=True,
        )
    errors = (one.exception() for one in marked)
    return Counter(f"refused: {error}" for error in errors if error is not None)


def shown_number(path: Path, flag: Flag) -> int:
    """The number of the clip's picture at the flagged moment; -1 if it shows none."""
    number = -1
    with av.open(str(path)) as container:
        for picture in container.decode(video=0):
            if (picture.time or 0.0) + (flag.clip_start or 0.0) > flag.media_time + 1e-3:
                break
            number = clips.number_of(picture.to_ndarray(format="rgb24").astype(np.uint8))
    return number


def outcome(archive: FlagArchive, flag: Flag) -> str:
    """What became of a flag's clip."""
    if flag.clip is not ClipState.KEPT:
        return "no clip, said so: " + re.sub(r"[\d.]+", "#", flag.clip_why)
    right = shown_number(archive.files.folder(flag.id) / "clip.mp4", flag) == flag.frame_index % CYCLE
    if "flagged moment" in flag.clip_warning:
        return "moment missing, said so"
    if not right:
        return "MOMENT MISSING, NOT SAID"
    return "holds its moment, shorter and said so" if flag.clip_warning else "holds its moment and its whole span"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--flags", type=int, default=500)
    parser.add_argument("--burst", type=int, default=10)
    parser.add_argument("--speed", type=float, default=2.0)
    parser.add_argument("--busy", type=int, default=os.cpu_count())
    wanted = parser.parse_args()
    seconds = EVERY * -(-wanted.flags // wanted.burst) + EVERY
    with tempfile.TemporaryDirectory() as folder, FlagArchive(Path(folder) / "kept") as archive:
        video = numbered(Path(folder) / "cam.mp4", seconds=seconds)
        outcomes = play(
            video, archive, flags=wanted.flags, burst=wanted.burst, speed=wanted.speed, processes=wanted.busy
        )
        outcomes += Counter(outcome(archive, flag) for flag in archive.iterate(FlagQuery(order="oldest")))
        for what, number in outcomes.most_common():
            print(f"{number:4d} of {wanted.flags}: {what}")
        print(f"faults: {archive.faults()}")


if __name__ == "__main__":
    main()
