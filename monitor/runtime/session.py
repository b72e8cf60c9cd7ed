"""One open source through one pipeline: two threads, their lifecycle and their failures.

    source --[capture thread]--> Buffer --[analysis thread]--> pipeline.step --> sinks

A live source is never held back: the newest frame wins and each dropped one is counted; on a machine
that cannot keep up, what is left out is chosen for all live sources together (see load). A file waits:
every frame is analysed, in order.
"""

import contextlib
import math
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import NamedTuple, Protocol, Self

import numpy as np

from monitor.analysis.pipeline import Pipeline
from monitor.media.sources import Source
from monitor.runtime.frame_buffer import ANALYSIS_BEHIND, FrameBuffer, OverflowPolicy
from monitor.runtime.load_shedder import SKIPPED, LoadShedder, StreamLoad
from monitor.settings import SessionSettings
from monitor.types import Frame, Observation
from monitor.types.stats import LATENCIES, SessionStats

ANALYSIS_FAILED = "analysis failed"
_LATENCIES_KEPT = 20_000
_LONGEST_HOLD = 10.0  # seconds: a longer hole between two pictures of a file is not sat out


class Sink(Protocol):
    """Whoever wants the observations. Runs on the analysis thread; what it raises ends the session."""

    def __call__(self, frame: Frame, observation: Observation) -> None: ...


@dataclass(slots=True)
class _Counters:
    read: int = 0
    taken: int = 0  # out of the buffer
    analysed: int = 0
    started: float | None = None
    ended: float | None = None
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES_KEPT))
    bins: list[int] = field(default_factory=lambda: [0] * (len(LATENCIES) + 1))
    latency: float = 0.0

    def analyse(self, latency: float) -> None:
        self.analysed += 1
        self.latencies.append(latency)
        self.bins[bisect_left(LATENCIES, latency)] += 1
        self.latency += latency


class _CapturedFrame(NamedTuple):
    frame: Frame
    arrived: float  # time.monotonic()
    disordered: int  # of the source, up to this frame


class Session:
    """Runs one source through one pipeline on two threads of its own.

    Args:
        source: an open source; the session closes it.
        pipeline: used by the analysis thread alone.
        settings: the size of the hand-over.
        sinks: called in order for every analysed frame.
        paced: play a file at its own speed, as a camera would deliver it.
        load: says how much of a live source is analysed; default: all of it.
    """

    def __init__(
        self,
        source: Source,
        pipeline: Pipeline,
        *,
        settings: SessionSettings,
        sinks: Sequence[Sink] = (),
        paced: bool = False,
        load: LoadShedder | None = None,
    ) -> None:
        self._source = source
        self._pipeline = pipeline
        self._sinks = tuple(sinks)
        self._paced = paced and not source.info.live
        when_full = OverflowPolicy.DROP_OLDEST if source.info.live else OverflowPolicy.WAIT
        self._buffer: FrameBuffer[_CapturedFrame] = FrameBuffer(settings.buffer_size, when_full)
        self._load = load if source.info.live else None
        self._stream_load = None if self._load is None else StreamLoad(self._load)
        self._fps: float | None = None  # what the source was told to make, at most
        self._stop = threading.Event()
        self._playing = threading.Event()
        self._playing.set()
        self._held = 0.0  # seconds that a file was paused, less those of holes that were not sat out
        self._arrived = -math.inf  # time.monotonic() of the newest frame's arrival
        self._failure: BaseException | None = None
        self._counters = _Counters()
        self._threads = (
            threading.Thread(target=self._capture, name="capture", daemon=True),
            threading.Thread(target=self._analyse, name="analysis", daemon=True),
        )

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def stats(self) -> SessionStats:
        """Where the session stands; may be asked from any thread, at any time."""
        counters, skipped = self._counters, self._source.skipped
        latencies = np.array(counters.latencies)
        return SessionStats(
            frames_read=counters.read + skipped,
            frames_analysed=counters.analysed,
            dropped=self._dropped(skipped),
            lost=dict(self._source.drops),
            seconds=0.0 if counters.started is None else (counters.ended or time.monotonic()) - counters.started,
            latency_p50=float(np.quantile(latencies, 0.50)) if len(latencies) else None,
            latency_p95=float(np.quantile(latencies, 0.95)) if len(latencies) else None,
            latencies=tuple(counters.bins),
            latency=counters.latency,
        )

    def _dropped(self, skipped: int) -> dict[str, int]:
        failed = 0 if self._failure is None else self._counters.taken - self._counters.analysed
        causes = {**self._buffer.drops, SKIPPED: skipped, ANALYSIS_FAILED: failed}
        return {cause: count for cause, count in causes.items() if count}

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the source ended and all is analysed, at most ``timeout`` seconds.

        Returns:
            True if the session is over, False if time ran out first.

        Raises:
            BaseException: whatever ended the capture or the analysis thread early, or a sink.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            return False
        if self._failure is not None:
            raise self._failure
        return True

    def pause(self) -> None:
        """Hold a file where it is; a live source goes on, nobody can hold it."""
        if not self._source.info.live:
            self._playing.clear()

    def resume(self) -> None:
        """Play on."""
        self._playing.set()

    def stop(self) -> None:
        """End now, from any thread, a sink's too: what waits is dropped (and counted), the source is closed."""
        self._stop.set()
        self._playing.set()
        self._buffer.stop()
        try:
            self._source.close()
        finally:
            for thread in self._threads:
                if thread.is_alive() and thread is not threading.current_thread():
                    thread.join()

    def _capture(self) -> None:
        failure: BaseException | None = None
        try:
            self._skip_frames()
            for frame in self._source:
                if self._counters.started is None:
                    self._counters.started = time.monotonic()
                self._counters.read += 1
                self._skip_frames()
                disordered = self._source.disordered
                paced = self._at_its_pace(frame)
                waiting = None if self._fps is None else 1  # else the last comes late
                captured = _CapturedFrame(paced, self._arrival(paced), disordered)
                if not self._buffer.put(captured, capacity=waiting):
                    break
        except BaseException as error:  # noqa: BLE001 - heard by the reader, raised again by wait()
            failure = None if self._stop.is_set() else error
        finally:
            self._buffer.close(failure)

    def _skip_frames(self) -> None:
        """Have no frames made that the machine is too busy for."""
        if self._load is not None and (fps := self._load.cadence.fps) != self._fps:
            self._fps = fps
            self._source.skip_to(fps)

    def _at_its_pace(self, frame: Frame) -> Frame:
        """The frame, when a camera would have delivered it (and stamped so) if the session is paced."""
        if not self._playing.is_set():
            held_at = time.monotonic()
            self._playing.wait()
            self._held += time.monotonic() - held_at
        if not self._paced or self._counters.started is None:
            return frame
        hold = self._counters.started + self._held + frame.media_time - time.monotonic()
        self._held -= max(0.0, hold - _LONGEST_HOLD)
        self._stop.wait(min(max(0.0, hold), _LONGEST_HOLD))
        return replace(frame, captured_at=datetime.now(UTC))

    def _arrival(self, frame: Frame) -> float:
        """When it came, on the clock that nobody sets: frames come in order, and none comes from the future.

        The wall clock, by which it is stamped, may have been set since: its age is then known within those bounds.
        """
        now = time.monotonic()
        age = (datetime.now(UTC) - frame.captured_at).total_seconds()
        self._arrived = min(max(now - age, self._arrived), now)
        return self._arrived

    def _analyse(self) -> None:
        try:
            for frame, arrived, disordered in self._buffer:
                self._counters.taken += 1
                began = time.monotonic()
                min_score_interval = 0.0 if self._load is None else self._load.cadence.min_score_interval
                observation = self._pipeline.step(frame, min_score_interval=min_score_interval, disordered=disordered)
                latency = time.monotonic() - arrived
                self._counters.analyse(latency)
                for sink in self._sinks:
                    sink(frame, observation)
                if self._stream_load is not None:
                    lost = self._buffer.drops.get(ANALYSIS_BEHIND, 0)
                    self._stream_load.add_frame(latency=latency, busy=time.monotonic() - began, lost=lost)
        except BaseException as error:  # noqa: BLE001 - raised again by wait()
            self._failure = error
        finally:
            self._counters.ended = time.monotonic()
            self._buffer.stop()
            with contextlib.suppress(Exception):
                self._source.close()
