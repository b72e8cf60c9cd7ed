"""The cost of a flag: in a folder with SQLite, in a folder with PostgreSQL, and in a bucket with PostgreSQL.

Each flag has a picture of 1280 x 720 twice, the positions of its faces and its trace; its clip is 3 MB of noise. The
places take turns. The object store is moto's server on loopback, in a process of its own, in memory.

PYTHONPATH=.:tests python tests/benchmarks/measure_flag_commits.py [--count 100]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from support import postgres_server
from support.flagging import flag
from support.s3_server import BUCKET, KEYS

from monitor.flags.archive import FlagArchive
from monitor.flags.files import CLIP
from monitor.media.clip import Clip
from monitor.settings import EvidenceSettings
from monitor.system import jpeg

CLIP_BYTES = 3_000_000
Times = defaultdict[tuple[str, str], list[tuple[float, float]]]


def start_s3(stack: ExitStack) -> str:
    """The address of an object store in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.s3_server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    stack.enter_context(process)
    assert process.stdin is not None
    assert process.stdout is not None
    stack.callback(process.stdin.close)
    return process.stdout.readline().strip()


def open_places(stack: ExitStack, folder: Path) -> dict[str, FlagArchive]:
    """The archives by the name of their place."""
    server = stack.enter_context(postgres_server.serve())
    urls = [stack.enter_context(postgres_server.database(server, name)) for name in ("one", "other")]
    bucket = {"files": f"s3://{BUCKET}/flags", "files_endpoint": start_s3(stack)}
    settings: dict[str, dict[str, Any]] = {
        "folder, SQLite": {},
        "folder, PostgreSQL": {"database": urls[0]},
        "bucket, PostgreSQL": {"database": urls[1], **bucket},
    }
    archives = {}
    for number, (name, place) in enumerate(settings.items()):
        evidence = EvidenceSettings.model_validate({"folder": folder / str(number), **place})
        archives[name] = stack.enter_context(FlagArchive.open(evidence))
    return archives


def first_files() -> dict[str, bytes]:
    """A flag's first files, of a usual size."""
    noise = np.random.default_rng(3).integers(0, 255, (90, 160, 3), np.uint8)
    picture = jpeg.encode(np.ascontiguousarray(noise.repeat(8, 0).repeat(8, 1)), quality=90)
    return {"frame.jpg": picture, "overlay.jpg": picture, "faces.json": b"x" * 600, "trace.json": b"x" * 4000}


def measure(archives: dict[str, FlagArchive], count: int) -> Times:
    """Milliseconds of wall time and of this process's CPU time, by step and place."""
    files, clip, times = first_files(), os.urandom(CLIP_BYTES), Times(list)

    def write(path: Path) -> Clip:
        path.write_bytes(clip)
        return Clip(10.0, 14.0, reencoded=False)

    def timed(step: str, place: str, job: Callable[[], object]) -> None:
        began, cpu = time.perf_counter(), time.process_time()
        job()
        times[step, place].append((1e3 * (time.perf_counter() - began), 1e3 * (time.process_time() - cpu)))

    for number in range(count + 3):
        for place, archive in archives.items():
            one = flag(number)
            timed("commit of a flag", place, lambda archive=archive, one=one: archive.add(one, files))
            timed("clip of 3 MB", place, lambda archive=archive, one=one: archive.add_clip(one.id, write))
            for step in ("clip read first", "clip read again"):
                timed(step, place, lambda archive=archive, one=one: archive.files.path(one.id, CLIP).read_bytes())
        if number == 2:
            times.clear()  # connections and caches
    for place, archive in archives.items():
        timed("listing of one flag", place, lambda archive=archive: archive.files.names(flag(0).id))
        timed(
            "verification of one flag", place, lambda archive=archive: archive.files.faults(archive.store.get(one.id))
        )
    return times


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100)
    count = parser.parse_args().count
    os.environ |= KEYS
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        archives = open_places(stack, Path(folder))
        size = sum(map(len, first_files().values()))
        times = measure(archives, count)
    print(f"{count} flags in each place, first files {size / 1e3:.0f} kB; milliseconds: median, p95, longest, CPU")
    for (step, place), values in times.items():
        found, cpu = sorted(wall for wall, _ in values), statistics.median(cpu for _, cpu in values)
        p95 = found[int(0.95 * (len(found) - 1))]
        print(f"{step:26} {place:20} {statistics.median(found):8.1f} {p95:8.1f} {found[-1]:8.1f} {cpu:8.1f}")


if __name__ == "__main__":
    main()
