"""Runs one open source through one pipeline on two threads.

    source --[capture thread]--> Buffer --[analysis thread]--> pipeline.step --> sinks

A live source never waits: when the buffer is full, its oldest frame is dropped and counted. On an overloaded machine
the load shedder reduces the frame rate of all live sources together. A file waits for the analysis: every frame is
analysed, in order.
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
_MAX_WAIT = 10.0  # seconds: limit of the wait between two frames of a file that plays at its own speed


class Sink(Protocol):
    """Takes each frame with its observation. Runs on the analysis thread; an exception ends the session."""

    def __call__(self, frame: Frame, observation: Observation) -> None: ...


@dataclass(slots=True)
class _Counters:
    read: int = 0
    dequeued: int = 0  # frames taken from the buffer
    analysed: int = 0
    started: float | None = None
    ended: float | None = None
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=_LATENCIES_KEPT))
    latency_bins: list[int] = field(default_factory=lambda: [0] * (len(LATENCIES) + 1))
    latency_sum: float = 0.0  # seconds

    def analyse(self, latency: float) -> None:
        self.analysed += 1
        self.latencies.append(latency)
        self.latency_bins[bisect_left(LATENCIES, latency)] += 1
        self.latency_sum += latency


class _CapturedFrame(NamedTuple):
    frame: Frame
    arrived: float  # time.monotonic()
    disordered: int  # count of the source's disordered frames up to this one


class Session:
    """Runs one source through one pipeline on its own two threads.

    Args:
        source: an open source; the session closes it.
        pipeline: used only by the analysis thread.
        settings: size of the frame buffer.
        sinks: called in order for every analysed frame.
        paced: play a file at its own speed, like a camera.
        load: sets the frame rate of a live source; default: every frame is analysed.
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
        self._fps: float | None = None  # limit of the source's frame rate
        self._stop = threading.Event()
        self._playing = threading.Event()
        self._playing.set()
        self._delay = 0.0  # seconds of pauses minus the seconds cut from waits longer than _MAX_WAIT
        self._last_arrival = -math.inf  # time.monotonic() of the newest frame
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

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def stats(self) -> SessionStats:
        """The counts and latencies so far; thread-safe."""
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
            latencies=tuple(counters.latency_bins),
            latency=counters.latency_sum,
        )

    def _dropped(self, skipped: int) -> dict[str, int]:
        failed = 0 if self._failure is None else self._counters.dequeued - self._counters.analysed
        causes = {**self._buffer.drops, SKIPPED: skipped, ANALYSIS_FAILED: failed}
        return {cause: count for cause, count in causes.items() if count}

    def wait(self, timeout: float | None = None) -> bool:
        """Wait at most ``timeout`` seconds for the end of the source and of its analysis.

        Returns:
            True if the session is over, False after the timeout.

        Raises:
            BaseException: the error that ended the capture thread, the analysis thread or a sink.
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
        """Pause a file; a live source continues."""
        if not self._source.info.live:
            self._playing.clear()

    def resume(self) -> None:
        """Continue a paused file."""
        self._playing.set()

    def stop(self) -> None:
        """End the session and close the source; waiting frames are dropped and counted. Any thread, also a sink's."""
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
                paced = self._pace(frame)
                capacity = None if self._fps is None else 1  # more waiting frames would add latency
                captured = _CapturedFrame(paced, self._arrival_time(paced), disordered)
                if not self._buffer.put(captured, capacity=capacity):
                    break
        except BaseException as error:  # noqa: BLE001 - raised again by the buffer's reader and by wait()
            failure = None if self._stop.is_set() else error
        finally:
            self._buffer.close(failure)

    def _skip_frames(self) -> None:
        """Set the source's frame rate to the load shedder's limit."""
        if self._load is not None and (fps := self._load.cadence.fps) != self._fps:
            self._fps = fps
            self._source.skip_to(fps)

    def _pace(self, frame: Frame) -> Frame:
        """Wait until the frame is due and set its capture time, if the session is paced."""
        if not self._playing.is_set():
            paused_at = time.monotonic()
            self._playing.wait()
            self._delay += time.monotonic() - paused_at
        if not self._paced or self._counters.started is None:
            return frame
        wait = self._counters.started + self._delay + frame.media_time - time.monotonic()
        self._delay -= max(0.0, wait - _MAX_WAIT)
        self._stop.wait(min(max(0.0, wait), _MAX_WAIT))
        return replace(frame, captured_at=datetime.now(UTC))

    def _arrival_time(self, frame: Frame) -> float:
        """The arrival time of a frame, ``time.monotonic()``.

        The frame's age comes from the wall clock, which may have been changed since the capture. The result is
        therefore limited to the time between the previous arrival and now.
        """
        now = time.monotonic()
        age = (datetime.now(UTC) - frame.captured_at).total_seconds()
        self._last_arrival = min(max(now - age, self._last_arrival), now)
        return self._last_arrival

    def _analyse(self) -> None:
        try:
            for frame, arrived, disordered in self._buffer:
                self._counters.dequeued += 1
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
