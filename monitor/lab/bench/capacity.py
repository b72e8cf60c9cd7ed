"""How many live streams does this machine hold, and what is its limit?

The streams are 720p at 25 frames per second, read over loopback, each decoded in its own process and analysed as
``watch`` and the dashboard do, with one load shedder for all. First some streams run at the lowest cadence that still
counts as held; their CPU time predicts how many fit. Then so many run, and fewer as long as they do not hold.
"""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Final, Self

import numpy as np
import psutil

from monitor import api
from monitor.analysis.pipeline import Engines
from monitor.errors import MonitorError
from monitor.lab.bench.clips import crowd_clip, empty_clip, one_face_clip
from monitor.lab.bench.live_camera import live_camera
from monitor.media.sources import Source
from monitor.runtime import LADDER, LoadShedder, StreamSupervisor, Subscription, run_parallel
from monitor.settings import Settings
from monitor.types.events import Event, FrameAnalysed

MIN_FPS: Final = 5.0  # analysed frames per second of each stream
MIN_SCORES: Final = 1.5  # per second and face: at 5 frames per second, every third frame
MAX_LATENCY: Final = 1.0  # seconds, for 95 % of the analysed frames
_ROUNDING: Final = 0.97  # a frame more or less at the edges of the measured time
_CLIP_SECONDS: Final = 4
_SETTLING: Final = 4.0  # seconds (wall clock) before a measurement
_USABLE: Final = 0.95  # share of the cores that the streams may take
_STEP_DOWN: Final = 0.75
_OPEN_TIMEOUT: Final = 60.0  # seconds (wall clock)
_STOP_TIMEOUT: Final = 10.0


@dataclass(frozen=True, slots=True)
class StreamKind:
    """One kind of stream: its name, its clip, and the number of its faces."""

    name: str
    clip: Callable[[Path], Path]
    faces: int


KINDS: Final = (
    StreamKind("one_face", lambda path: one_face_clip(path, seconds=_CLIP_SECONDS), 1),
    StreamKind("four_faces", lambda path: crowd_clip(path, seconds=_CLIP_SECONDS, people=4), 4),
    StreamKind("nobody", lambda path: empty_clip(path, seconds=_CLIP_SECONDS), 0),
)


@dataclass(frozen=True, slots=True)
class Holding:
    """What several streams got in a measured time."""

    streams: int
    faces: int  # in each stream
    fps: tuple[float, float]  # analysed frames per second: of the slowest stream, of the fastest
    scores: tuple[float, float]  # per second and face: of the slowest stream, of the fastest
    latency_p50: float  # seconds, all streams
    latency_p95: float  # seconds, of the slowest stream
    level: int  # of the load shedder
    analysis: float  # cores
    decoding: float  # cores

    @property
    def held(self) -> bool:
        """Whether each stream is analysed, and each face scored, often enough and in time."""
        scored = self.faces == 0 or self.scores[0] >= _ROUNDING * MIN_SCORES
        return scored and self.fps[0] >= _ROUNDING * MIN_FPS and self.latency_p95 <= MAX_LATENCY

    @property
    def limit(self) -> str:
        """The part of the work that takes most of the processor, and how much."""
        part, cores = max(("analysis", self.analysis), ("decoding", self.decoding), key=lambda share: share[1])
        return f"{part} takes {cores:.1f} of {self.analysis + self.decoding:.1f} busy cores"


@dataclass
class _StreamCounts:
    """Counts one stream's frames and scores; an observer."""

    pid: int = 0  # of the decoding process
    scores: int = 0
    latencies: list[float] = field(default_factory=list)  # seconds

    def prepare(self, source: Source) -> None:
        process = getattr(source, "process", None)
        self.pid = 0 if process is None else process.pid

    def __call__(self, event: Event) -> None:
        if isinstance(event, FrameAnalysed):
            self.scores += len(event.observation.scores.track_ids)
            self.latencies.append((datetime.now(UTC) - event.frame.captured_at).total_seconds())


@dataclass(frozen=True)
class _Tally:
    at: float  # monotonic
    frames: Sequence[int]
    scores: Sequence[int]
    cpu: tuple[float, float]  # seconds so far: this process, the decoding processes

    @classmethod
    def now(cls, counts: Sequence[_StreamCounts]) -> Self:
        decoding = sum(_cpu_seconds(count.pid) for count in counts)
        return cls(
            time.monotonic(),
            [len(count.latencies) for count in counts],
            [count.scores for count in counts],
            (_cpu_seconds(os.getpid()), decoding),
        )


class RunningStreams:
    """Streams of one address that run until the block ends.

    Args:
        faces: number of faces in each.
        load: shared by all streams.
    """

    def __init__(self, url: str, *, faces: int, engines: Engines, settings: Settings, load: LoadShedder) -> None:
        self._url, self._faces, self._engines, self._settings, self._load = url, faces, engines, settings, load
        self._counts: list[_StreamCounts] = []
        self._supervisors: list[StreamSupervisor] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.resize(0)

    def resize(self, streams: int) -> None:
        """Start or stop streams until there are so many.

        Raises:
            MonitorError: a stream shows no picture in time.
        """
        surplus, self._supervisors = self._supervisors[streams:], self._supervisors[:streams]
        self._counts = self._counts[:streams]
        run_parallel([supervisor.stop for supervisor in surplus], timeout=_STOP_TIMEOUT)
        started = [self._start() for _ in range(streams - len(self._supervisors))]
        deadline = time.monotonic() + _OPEN_TIMEOUT
        while not all(counts.latencies for counts in self._counts):
            failed = [one.status.reason for one in started if one.status.state.over]
            if failed or time.monotonic() > deadline:
                reason = failed[0] if failed else "this machine is too busy"
                raise MonitorError(f"a stream of the measurement shows no picture: {reason}")
            time.sleep(0.05)

    def _start(self) -> StreamSupervisor:
        counts = _StreamCounts()
        supervisor = api.supervise(
            self._url,
            engines=self._engines,
            settings=self._settings,
            observers=[Subscription(counts, "capacity")],
            prepare=counts.prepare,
            load=self._load,
        )
        self._counts.append(counts)
        self._supervisors.append(supervisor)
        supervisor.start()
        return supervisor

    def measure(self, *, seconds: float, settling: float = _SETTLING) -> Holding:
        """What the streams get in so many seconds, after some in which the load shedder finds its level.

        The losses while streams opened do not count: that work is done once.
        """
        self._load.reset()
        time.sleep(settling)
        then = _Tally.now(self._counts)
        time.sleep(seconds)
        now = _Tally.now(self._counts)
        passed = now.at - then.at
        latencies = [
            count.latencies[first:last]
            for count, first, last in zip(self._counts, then.frames, now.frames, strict=True)
        ]
        fps = [(late - early) / passed for early, late in zip(then.frames, now.frames, strict=True)]
        scores = [
            (late - early) / passed / max(self._faces, 1) for early, late in zip(then.scores, now.scores, strict=True)
        ]
        analysis, decoding = ((late - early) / passed for early, late in zip(then.cpu, now.cpu, strict=True))
        return Holding(
            streams=len(self._counts),
            faces=self._faces,
            fps=(min(fps), max(fps)),
            scores=(min(scores), max(scores)),
            latency_p50=float(np.median(known)) if (known := list(chain(*latencies))) else math.inf,
            latency_p95=max(float(np.quantile(one, 0.95)) if one else math.inf for one in latencies),
            level=self._load.level,
            analysis=analysis,
            decoding=decoding,
        )


def find_capacity(
    kind: StreamKind, folder: Path, *, engines: Engines, settings: Settings, seconds: float = 6.0
) -> Holding | None:
    """The most streams of a kind that this machine holds; None if it does not hold one.

    Args:
        folder: receives the clip.
        seconds: length of each measurement (wall clock).

    Raises:
        MonitorError: a stream cannot be opened.
    """
    load = LoadShedder(level=_lowest_level())
    with (
        live_camera(kind.clip(folder / f"{kind.name}.mp4")) as url,
        RunningStreams(url, faces=kind.faces, engines=engines, settings=settings, load=load) as streams,
    ):
        cores = _cores()
        streams.resize(cores)
        first = streams.measure(seconds=seconds / 2, settling=1.0)
        cores_per_stream = (first.analysis + first.decoding) / cores
        for count in _attempts(max(1, int(_USABLE * cores / cores_per_stream))):
            streams.resize(count)
            if (holding := streams.measure(seconds=seconds)).held:
                return holding
    return None


def _attempts(count: int) -> Iterator[int]:
    """Numbers of streams to try, downwards."""
    while count >= 1:
        yield count
        count = min(count - 1, int(count * _STEP_DOWN))


def _lowest_level() -> int:
    """The level of the load shedder's ladder that analyses as few frames as still count as held."""
    return max(level for level, cadence in enumerate(LADDER) if cadence.fps is None or cadence.fps >= MIN_FPS)


def _cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_seconds(pid: int) -> float:
    """Processor time of a process so far; 0 if it has ended."""
    with contextlib.suppress(psutil.Error, ValueError):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return 0.0
