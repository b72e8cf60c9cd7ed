"""Supervises one stream: opens it, runs a session on it, and reconnects when it is lost."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from monitor.analysis.cadence import SourceCadence
from monitor.analysis.pipeline import Engines, Pipeline
from monitor.errors import (
    MonitorError,
    SourceError,
    SourceNotFoundError,
    SourceRefusedError,
    SourceUnreadableError,
)
from monitor.media.sources import Source, open_isolated
from monitor.media.sources.address import Address
from monitor.runtime.load_shedder import LoadShedder
from monitor.runtime.observers import Observers, StreamEvents
from monitor.runtime.session import Session
from monitor.settings import Settings
from monitor.system import memory
from monitor.system.masking import mask
from monitor.types import Flag, Frame, Observation, Segment, SourceInfo, TrackSummary
from monitor.types.stats import SessionStats

STALLED_AFTER: Final = 3.0  # seconds (wall clock) without an analysed frame ...
_STALLED_INTERVALS: Final = 2.5  # ... and at least so many times the interval between two frames of the source
_FIRST_BACKOFF: Final = 0.5  # seconds until the first new attempt; doubles with each attempt
# multipliers of the maximum back-off for errors that rarely resolve by themselves
_BACKOFF_FACTORS: Final = {SourceNotFoundError: 4, SourceUnreadableError: 4, SourceRefusedError: 24}
_TICK: Final = 0.1  # seconds
_TRIM_INTERVAL: Final = 5.0  # seconds between two releases of free memory while the source cannot be opened
_UNEXPECTED: Final = "this should not happen"


class StreamState(StrEnum):
    """State of a watched stream."""

    WAITING = "waiting"  # of a fleet: no node has room for it
    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"  # open, but without a new frame for STALLED_AFTER seconds; longer for a slow source
    RECONNECTING = "reconnecting"
    PAUSED = "paused"
    ENDED = "ended"  # the end of a file
    FAILED = "failed"  # without further attempts

    @property
    def over(self) -> bool:
        """Whether the stream has ended or failed for good."""
        return self in (StreamState.ENDED, StreamState.FAILED)


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """State of a watched stream at one moment, with its reason."""

    state: StreamState
    reason: str  # "" if the state needs no reason
    connection: int  # number of the connection, from 1; media time restarts with each connection
    attempt: int  # number of the attempt since the last frame, from 1; 0 while frames arrive
    retry_after: float | None  # seconds until the next attempt
    info: SourceInfo | None  # of the last connection
    stats: SessionStats | None  # of this connection


class StreamSupervisor:
    """Watches an address on its own threads until it is stopped.

    A lost live source is opened again with exponential back-off, at most ``source.max_retries`` times. A file plays at
    its own speed and ends, or restarts if ``repeat`` is set.

    Args:
        url: an address for ``monitor.media.sources.open_isolated``.
        engines: loads the engines; called on the supervisor's thread for each connection; may take a minute.
        observers: receive the events one at a time, on the supervisor's threads. The failure of a required observer
            ends the stream.
        prepare: called with each open source before its ``StreamOpened``, on the supervisor's thread.
        repeat: restart a file at its end.
        opener: opens a source without an address; called on the supervisor's thread for each connection.
        load: the load shedder of all streams of the process; default: every frame is analysed.
        connections: number of connections that another supervisor of the same stream has had.
    """

    def __init__(
        self,
        url: str,
        *,
        engines: Callable[[], Engines],
        settings: Settings,
        observers: Observers,
        prepare: Callable[[Source], None] | None = None,
        repeat: bool = False,
        opener: Callable[[], Source] | None = None,
        load: LoadShedder | None = None,
        connections: int = 0,
    ) -> None:
        self._url = url
        self._opener = opener
        self._engines = engines
        self._settings = settings
        self._events = StreamEvents(observers, stream=mask(url), connections=connections)
        self._prepare = prepare
        self._repeat = repeat
        self._load = load
        self._changed = threading.Condition()
        self._state, self._reason = StreamState.CONNECTING, ""
        self._announced = self._state, self._reason
        self._next_try: float | None = None  # monotonic
        self._attempt = 0
        self._pipeline: Pipeline | None = None
        self._info: SourceInfo | None = None
        self._session: Session | None = None
        self._stats: SessionStats | None = None  # of the last session, after its end
        self._last_frame_at = time.monotonic()
        self._cadence = SourceCadence()  # of this connection
        self.failure: Exception | None = None  # the last error
        self._should_run = True
        self._paused = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Start the thread of the stream."""
        self._thread.start()

    def stop(self) -> None:
        """End the stream and wait for all of its threads."""
        with self._changed:
            self._should_run = False
            self._changed.notify_all()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def pause(self) -> None:
        """Pause the stream: a live source is closed, a file keeps its position."""
        with self._changed:
            self._paused = True
            self._changed.notify_all()

    def resume(self) -> None:
        """Continue a paused stream; restart a failed or ended one."""
        with self._changed:
            self._paused = False
            if self._state.over:
                self._attempt = 0
                self._set(StreamState.CONNECTING)
            self._changed.notify_all()

    @property
    def status(self) -> StreamStatus:
        """The current state and counts; thread-safe."""
        with self._changed:
            state, reason, session, stats = self._state, self._reason, self._session, self._stats
            silent = time.monotonic() - self._last_frame_at
            patience = max(STALLED_AFTER, _STALLED_INTERVALS * self._cadence.interval)
            if state is StreamState.LIVE and silent > patience:
                state, reason = StreamState.STALLED, f"no picture for {silent:.0f} s"
            retry_after = None if self._next_try is None else max(0.0, self._next_try - time.monotonic())
            return StreamStatus(
                state=state,
                reason=reason,
                connection=self._events.connection,
                attempt=self._attempt,
                retry_after=retry_after,
                info=self._info,
                stats=stats if session is None else session.stats,
            )

    @property
    def observer_failures(self) -> Mapping[str, int]:
        """Number of failures of each best-effort observer, by name."""
        return self._events.failures

    def so_far(self) -> tuple[tuple[Segment, ...], tuple[TrackSummary, ...]]:
        """The segments and tracks that are open now; call it only from an observer of ``FrameAnalysed``."""
        return ((), ()) if self._pipeline is None else self._pipeline.so_far()

    def commit_flag(self, flag: Flag) -> None:
        """Emit ``FlagCommitted``; thread-safe."""
        self._events.commit_flag(flag)

    def _run(self) -> None:
        while self._ready():
            try:
                self._watch_once()
                if self._is_finished():
                    self._set(StreamState.ENDED)
            except Exception as error:  # noqa: BLE001 - shown by the status
                self.failure = _without_traceback(error)
                self._handle(error)
            memory.trim(min_interval=_TRIM_INTERVAL)

    def _ready(self) -> bool:
        """Wait until the next attempt is due; False after ``stop``."""
        while True:
            self._announce_or_fail()
            with self._changed:
                if not self._should_run:
                    return False
                before = self._state
                if self._paused:
                    self._set(StreamState.PAUSED)
                elif self._state is StreamState.PAUSED:
                    self._set(StreamState.CONNECTING)
                due = 0.0 if self._next_try is None else self._next_try - time.monotonic()
                if not self._paused and not self._state.over and due <= 0:
                    return True
                if self._state is before:
                    self._changed.wait(due if due > 0 and not self._paused else None)

    def _is_finished(self) -> bool:
        """Whether the source has ended and must not restart."""
        with self._changed:
            return self._should_run and not self._paused and not self._repeat

    def _watch_once(self) -> None:
        """Open the source, run a session to its end, close the source."""
        engines = self._engines()
        with self._opener() if self._opener else open_isolated(self._url, self._settings.source) as source:
            info = source.info
            pipeline = Pipeline(engines, self._settings, still=info.still, live=info.live, info=info)
            with self._changed:
                self._info, self._last_frame_at = source.info, time.monotonic()
                self._cadence = SourceCadence()
            if self._prepare is not None:
                self._prepare(source)
            self._events.open(info, engine=engines.scorer.engine.name, model=engines.committee.id)
            self._pipeline = pipeline
            session = Session(
                source,
                pipeline,
                settings=self._settings.session,
                sinks=(self._note_frame, self._events),
                paced=True,
                load=self._load,
            )
            failure: Exception | None = None
            try:
                with session:
                    self._session = session
                    self._follow(session, live=source.info.live)
                if source.info.live and self._should_run and not self._paused:
                    raise SourceError(f"{source.info.name}: the stream ended")  # noqa: TRY301 - part of StreamClosed, then raised again
            except Exception as error:
                failure = error
                raise
            finally:
                with self._changed:
                    self._session, self._stats = None, session.stats
                self._pipeline = None
                self._announce()
                self._events.close(*pipeline.finish(), stats=session.stats, failure=failure)

    def _follow(self, session: Session, *, live: bool) -> None:
        """Wait for the end of the session; return earlier after ``stop``, or after ``pause`` of a live source."""
        while not session.wait(_TICK):
            memory.trim(min_interval=memory.MIN_INTERVAL)
            self._announce()
            with self._changed:
                paused, should_run = self._paused, self._should_run
            if not should_run or (paused and live):
                return
            if paused:
                session.pause()
                self._set(StreamState.PAUSED)
            elif self._state is StreamState.PAUSED:
                session.resume()
                self._last_frame_at = time.monotonic()
                self._set(StreamState.LIVE)

    def _note_frame(self, frame: Frame, observation: Observation) -> None:  # noqa: ARG002 - a sink
        self._cadence.update(frame.media_time)
        self._last_frame_at = time.monotonic()
        self._attempt = 0
        if self._state in (StreamState.CONNECTING, StreamState.RECONNECTING):
            self._set(StreamState.LIVE)

    def _handle(self, error: Exception) -> None:
        match error:
            case SourceError():
                self._attempt += 1
                self._schedule_retry(error)
            case MonitorError():
                self._set(StreamState.FAILED, str(error))
            case _:
                self._set(StreamState.FAILED, f"{_UNEXPECTED}: {error!r}; please report it")

    def _schedule_retry(self, error: SourceError) -> None:
        """Schedule the next attempt, or fail the stream if another attempt cannot help."""
        retries = self._settings.source.max_retries
        if not self._may_recover():
            self._set(StreamState.FAILED, str(error))
        elif retries is not None and self._attempt > retries:
            self.failure = type(error)(f"{error} (given up after {retries} more attempts: source.max_retries)")
            self._set(StreamState.FAILED, str(self.failure))
        else:
            longest = self._settings.source.max_backoff * _BACKOFF_FACTORS.get(type(error), 1)
            backoff = min(longest, _FIRST_BACKOFF * 2 ** min(self._attempt - 1, 16)) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            self._set(StreamState.RECONNECTING, str(error), next_try=time.monotonic() + backoff)

    def _may_recover(self) -> bool:
        """Whether another attempt may help: by the kind of the address before the first connection, then if live."""
        if self._info is not None:
            return self._info.live
        return self._opener is None and Address.of(self._url).kind.may_come_back

    def _set(self, state: StreamState, reason: str = "", *, next_try: float | None = None) -> None:
        with self._changed:
            self._state, self._reason, self._next_try = state, reason, next_try

    def _announce(self) -> None:
        """Emit the state if it has changed. Runs without the lock, because an observer may block."""
        status = self.status
        state = status.state, "" if status.state is StreamState.STALLED else status.reason
        if state != self._announced:
            self._announced = state
            self._events.change_state(
                status.state, reason=status.reason, attempt=status.attempt, retry_after=status.retry_after
            )

    def _announce_or_fail(self) -> None:
        """Emit the state if it has changed; the failure of a required observer ends the stream."""
        try:
            self._announce()
        except Exception as error:  # noqa: BLE001 - shown by the status
            if self._state is StreamState.FAILED:
                return
            self.failure = _without_traceback(error)
            self._handle(error)
            with suppress(Exception):  # the same observer fails again
                self._announce()


def _without_traceback(error: Exception) -> Exception:
    """The error without tracebacks, which keep the last frames in memory; an unexpected error keeps its traceback."""
    link: BaseException | None = error if isinstance(error, MonitorError) else None
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
