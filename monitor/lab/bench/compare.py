"""Comparison of the pipeline with the naive loop in one run: CPU time per frame, matched faces, memory.

Each loop runs over the same clip in its own process with one thread. The loops take turns of one second of media
time, so that a change of machine speed affects both. The result is the median of the ratios of the turns. CPU time
includes decoding.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from monitor.analysis.tracks import greedy, overlaps
from monitor.errors import MonitorError
from monitor.lab.bench.loops import LOOPS, Loop
from monitor.media.sources import open_source
from monitor.settings import Settings
from monitor.types import Floats, Frame

MATCH_IOU = 0.5
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One clip, and the loop that is compared with the naive one."""

    name: str
    clip: Path
    answer: str  # a key of LOOPS


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """One scenario's medians over the turns."""

    ratio: float  # naive CPU time / ours, median of the turns' ratios
    ratio_min: float
    ratio_max: float
    naive_ms: float  # CPU milliseconds per frame
    ours_ms: float
    faces_naive: int
    faces_matched: float  # share of the naive loop's faces found by ours, at IoU >= 0.5
    peak_rss_mb: float  # of our process
    frames: int


@dataclass(frozen=True, slots=True)
class _Turn:
    cpu_seconds: float
    boxes: list[Floats]


@contextmanager
def one_thread_process() -> Iterator[ProcessPoolExecutor]:
    """A fresh process whose numeric libraries use one thread."""
    kept = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)  # the child's libraries read it when they load
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    try:
        pool.submit(os.getpid).result()
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    with pool:
        yield pool


def compare(scenario: Scenario, *, settings: Settings, turns: int, on_turn: Callable[[], None]) -> ScenarioResult:
    """Run both loops over the clip in turns of one second.

    Raises:
        SourceError: the clip cannot be read.
        MonitorError: a loop failed.
    """
    with one_thread_process() as naive, one_thread_process() as ours:
        naive.submit(_LoopProcess.start, "naive", scenario.clip, settings).result()
        frames = ours.submit(_LoopProcess.start, scenario.answer, scenario.clip, settings).result()
        pairs = []
        for _ in range(turns + 1):
            pairs.append(tuple(process.submit(_LoopProcess.turn, frames).result() for process in (naive, ours)))
            on_turn()
        peak = ours.submit(_peak_rss_mb).result()
    pairs = [(theirs, own) for theirs, own in pairs[1:] if theirs.boxes]  # the first turn warms up
    if not pairs:
        raise MonitorError(f"{scenario.clip} is too short for a benchmark: it needs at least two seconds")
    ratios = [theirs.cpu_seconds / own.cpu_seconds for theirs, own in pairs]
    reference = [boxes for theirs, _ in pairs for boxes in theirs.boxes]
    found = [boxes for _, own in pairs for boxes in own.boxes]
    return ScenarioResult(
        ratio=float(np.median(ratios)),
        ratio_min=min(ratios),
        ratio_max=max(ratios),
        naive_ms=_ms_per_frame(theirs for theirs, _ in pairs),
        ours_ms=_ms_per_frame(own for _, own in pairs),
        faces_naive=sum(map(len, reference)),
        faces_matched=share_matched(reference, found),
        peak_rss_mb=peak,
        frames=len(reference),
    )


def _ms_per_frame(turns: Iterable[_Turn]) -> float:
    return float(np.median([1e3 * turn.cpu_seconds / len(turn.boxes) for turn in turns]))


def share_matched(reference: Sequence[Floats], found: Sequence[Floats]) -> float:
    """Share of reference boxes matched one-to-one per frame at IoU >= 0.5; 1 without reference boxes."""
    pairs = zip(reference, found, strict=True)
    matched = sum(len(greedy(overlaps(want, have), at_least=MATCH_IOU)) for want, have in pairs if len(have))
    total = sum(map(len, reference))
    return matched / total if total else 1.0


class _LoopProcess:
    """A loop over a clip in its own process, which holds ``_frames`` and ``_loop``."""

    _loop: Loop
    _frames: Iterator[Frame]

    @classmethod
    def start(cls, name: str, clip: Path, settings: Settings) -> int:
        """Load everything, and return the number of frames per turn."""
        cls._loop = staticmethod(LOOPS[name](settings))
        source = open_source(clip)
        cls._frames = iter(source)
        return max(1, round(source.info.fps or 25))

    @classmethod
    def turn(cls, frames: int) -> _Turn:
        started = time.process_time()
        boxes = [cls._loop(frame) for frame in islice(cls._frames, frames)]
        return _Turn(time.process_time() - started, boxes)


def _peak_rss_mb() -> float:
    """Peak memory of this process; 0 if the system does not report it.

    On Linux it is VmHWM, since getrusage() includes the parent's memory at the fork.
    """
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1024
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
