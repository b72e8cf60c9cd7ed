"""Streams that publish typed events without a camera, a decoder or a classifier, behind the real service.

``replace_supervisors`` must run before the service adds a source. A few threads publish for all streams. The frames of
all streams share one small picture, as on a server whose streams run elsewhere and whose pictures nobody looks at.
"""

import threading
import time
from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from weakref import WeakValueDictionary

import numpy as np
from support.observations import Face, change, observation

from monitor import api
from monitor.runtime import Observers, StreamEvents, StreamState, StreamStatus, Subscription
from monitor.types import Frame, Label, Observation, SourceInfo
from monitor.types.stats import LATENCIES, SessionStats

THREADS: Final = 4
_SCORED_FRAMES: Final = 2  # every so many frames the face is scored: 2.5 scores a second at 5 frames a second
_BOX: Final = (100.0, 40.0, 160.0, 120.0)
_PIXELS: Final = np.random.default_rng(0).integers(0, 255, (180, 320, 3), np.uint8)
_PIXELS.setflags(write=False)
_EVIDENCE: Final = np.zeros((7, 7), np.float32)
supervisors: Final[MutableMapping[str, "FakeSupervisor"]] = WeakValueDictionary()  # by the address of the stream
_LABELS: Final = (Label.LIKELY_REAL, Label.SUSPICIOUS)


class FakeSupervisor:
    """Stands where the supervisor of a stream would; publishes what it is asked to."""

    def __init__(self, url: str, *, observers: Sequence[Subscription], **_: object) -> None:
        self.events = StreamEvents(
            Observers(one for one in observers if one.name != "flags"),  # flags are made where the stream is decoded
            stream=url,
        )
        supervisors[url] = self
        self._info = SourceInfo(
            url, "rtsp", live=True, width=320, height=180, fps=25.0, duration=None, frame_count=None, path=None
        )
        self._began, self.frames, self._label = time.monotonic(), 0, _LABELS[0]
        self._state = StreamState.CONNECTING
        self.observations = {  # (whether scored, label)
            (scored, label): observation(
                [
                    Face(
                        _BOX, label=label, probability=0.1 + 0.75 * label.suspects,
                        log_odds=0.5 if scored else None, evidence=_EVIDENCE if scored else None,
                    )
                ]
            )
            for scored in (False, True)
            for label in _LABELS
        }  # fmt: skip

    def start(self) -> None:
        self._began = time.monotonic()
        self.events.open(self._info, engine="onnxruntime-fp32", model="fake")
        self._set(StreamState.LIVE)
        publisher.add(self)

    def stop(self) -> None:
        publisher.remove(self)

    def pause(self) -> None:
        publisher.remove(self)
        self._set(StreamState.PAUSED)

    def resume(self) -> None:
        publisher.add(self)
        self._set(StreamState.LIVE)

    def commit_flag(self, flag: Any) -> None:
        self.events.commit_flag(flag)

    def _set(self, state: StreamState) -> None:
        self._state = state
        self.events.change_state(state, reason="", attempt=0, retry_after=None)

    @property
    def observer_failures(self) -> dict[str, int]:
        return dict(self.events.failures)

    @property
    def status(self) -> StreamStatus:
        counts = (self.frames,) + (0,) * len(LATENCIES)
        stats = SessionStats(
            self.frames, self.frames, {}, {}, time.monotonic() - self._began, 0.05, 0.2, counts, 0.05 * self.frames
        )
        return StreamStatus(self._state, "", self.events.connection, 0, None, self._info, stats)

    def frame(self, *, is_change: bool) -> tuple[Frame, Observation]:
        """The next frame; its face has another label than before if ``is_change``."""
        self.frames += 1
        media_time = self.frames / publisher.rate
        if is_change:
            self._label = _LABELS[self._label is _LABELS[0]]
        scored = self.observations[self.frames % _SCORED_FRAMES == 0, self._label]
        changes = (change(1, self._label, media_time),) if is_change else ()
        return (
            Frame(_PIXELS, self.frames, media_time, datetime.now(UTC), self._info.name),
            replace(scored, frame_index=self.frames, media_time=media_time, changes=changes),
        )


class Publisher:
    """Publishes frames for all streams at a rate."""

    def __init__(self) -> None:
        self.rate, self.change_interval = 5.0, 60.0  # frames a second; seconds between two label changes of a stream
        self.published, self.late = 0, 0.0  # frames; seconds that the slowest thread is behind
        self._lock = threading.Lock()
        self._streams: list[list[FakeSupervisor]] = [[] for _ in range(THREADS)]
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._publish, args=(streams,), name="fake streams", daemon=True)
            for streams in self._streams
        ]

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def add(self, stream: FakeSupervisor) -> None:
        with self._lock:
            min(self._streams, key=len).append(stream)

    def remove(self, stream: FakeSupervisor) -> None:
        with self._lock:
            for streams in self._streams:
                if stream in streams:
                    streams.remove(stream)

    def _publish(self, streams: list[FakeSupervisor]) -> None:
        due = time.monotonic()
        while not self._over.is_set():
            round_of_streams = tuple(streams)
            step = 1 / self.rate / max(1, len(round_of_streams))  # evenly spread over the interval of a frame
            for stream in round_of_streams or (None,):
                due += step
                behind = time.monotonic() - due
                if behind < 0:
                    self._over.wait(-behind)
                elif behind > 1.0:
                    self.late += behind  # what cannot be published in time is left out
                    due = time.monotonic()
                if stream is not None and not self._over.is_set():
                    self.publish(stream)

    def publish(self, stream: FakeSupervisor) -> None:
        every = max(1, round(self.change_interval * self.rate))
        stream.events(*stream.frame(is_change=(stream.frames + hash(stream.events)) % every == 0))
        self.published += 1


publisher: Final = Publisher()


def replace_supervisors() -> None:
    """Let all streams of this process be fake."""
    api.supervise = FakeSupervisor  # type: ignore[assignment]
