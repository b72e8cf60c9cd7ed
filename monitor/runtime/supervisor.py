"""One address for as long as somebody wants it: opened, watched, lost, opened again."""

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from monitor.analysis.pipeline import Engines, Pipeline
from monitor.errors import MonitorError, SourceError, SourceNotFoundError, SourceRefusedError
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

STALLED_AFTER: Final = 3.0  # seconds (wall clock) without an analysed frame
_FIRST_PAUSE: Final = 0.5  # seconds until the first new attempt; doubles from attempt to attempt
_SPARED: Final = {SourceNotFoundError: 4, SourceRefusedError: 24}  # longest pauses: who answers so, will again
_TICK: Final = 0.1
_SPARING: Final = 5.0  # seconds between two times that memory is given back, while nothing can be opened
_UNEXPECTED: Final = "this should not happen"


class StreamState(StrEnum):
    """State of a watched stream."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"  # open, but no frame has come for a while
    RECONNECTING = "reconnecting"
    PAUSED = "paused"
    ENDED = "ended"  # a file is over
    FAILED = "failed"  # and nobody tries again

    @property
    def over(self) -> bool:
        """Whether nothing more will come by itself."""
        return self in (StreamState.ENDED, StreamState.FAILED)


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """State of a watched stream at one moment, with its reason."""

    state: StreamState
    reason: str  # "" where the state says it all
    connection: int  # counts openings from 1; media time begins anew with each
    attempt: int  # since the last frame, from 1; 0 while frames come
    retry_after: float | None  # seconds until that attempt
    info: SourceInfo | None  # of the source when it was last open
    stats: SessionStats | None  # of this connection


class StreamSupervisor:
    """Watches an address on threads of its own until it is stopped.

    A live source that is lost is opened again after a pause that grows from try to try, for ever or as often as the
    settings say; a file is over at its end, or begins anew if it is to be repeated. A file is played at its own speed.

    Args:
        url: whatever ``monitor.media.sources.open_isolated`` opens.
        engines: called on the supervisor's thread for each connection; may take a minute.
        settings: of all stages.
        observers: take the events, on the supervisor's threads, never two at a time. The failure of a required
            observer ends the stream.
        prepare: called with each open source before its ``StreamOpened``, on the supervisor's thread.
        repeat: play a file again when it is over.
        opener: opens a source that no address names; called on the supervisor's thread for each connection.
        load: shared with the other streams of the process; says how much of a live source is analysed.
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
    ) -> None:
        self._url = url
        self._opener = opener
        self._engines = engines
        self._settings = settings
        self._events = StreamEvents(observers, stream=mask(url))
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
        self._stats: SessionStats | None = None  # of the last session, when it is over
        self._heard_at = time.monotonic()
        self.failure: Exception | None = None  # the last one
        self._wanted = True
        self._paused = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End for good; returns when all threads of the watch have ended."""
        with self._changed:
            self._wanted = False
            self._changed.notify_all()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def pause(self) -> None:
        """Look away: a camera is let go of, a file holds."""
        with self._changed:
            self._paused = True
            self._changed.notify_all()

    def resume(self) -> None:
        """Look again; a watch that had failed or ended begins anew."""
        with self._changed:
            self._paused = False
            if self._state.over:
                self._attempt = 0
                self._set(StreamState.CONNECTING)
            self._changed.notify_all()

    @property
    def status(self) -> StreamStatus:
        """Where it stands; may be asked from any thread, at any time."""
        with self._changed:
            state, reason, session, stats = self._state, self._reason, self._session, self._stats
            silent = time.monotonic() - self._heard_at
            if state is StreamState.LIVE and silent > STALLED_AFTER:
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

    def so_far(self) -> tuple[tuple[Segment, ...], tuple[TrackSummary, ...]]:
        """The segments and tracks that are open now; for an observer, while it takes a frame's event."""
        return ((), ()) if self._pipeline is None else self._pipeline.so_far()

    def commit_flag(self, flag: Flag) -> None:
        """Emit ``FlagCommitted``; from any thread."""
        self._events.commit_flag(flag)

    def _run(self) -> None:
        while self._ready():
            try:
                self._watch_once()
                if self._over():
                    self._set(StreamState.ENDED)
            except Exception as error:  # noqa: BLE001 - told to whoever asks for the status
                self.failure = _traceless(error)
                self._failed(error)
            memory.trim(min_interval=_SPARING)

    def _ready(self) -> bool:
        """Wait until the next opening is due; False when no more is wanted."""
        while True:
            self._announce_or_fail()
            with self._changed:
                if not self._wanted:
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

    def _over(self) -> bool:
        """Whether what was watched has come to its end and is not to be seen again."""
        with self._changed:
            return self._wanted and not self._paused and not self._repeat

    def _watch_once(self) -> None:
        """Open, watch to the end, close."""
        engines = self._engines()
        with self._opener() if self._opener else open_isolated(self._url, self._settings.source) as source:
            info = source.info
            pipeline = Pipeline(engines, self._settings, still=info.still, live=info.live, info=info)
            with self._changed:
                self._info, self._heard_at = source.info, time.monotonic()
            if self._prepare is not None:
                self._prepare(source)
            self._events.open(info, engine=engines.scorer.engine.name, model=engines.committee.id)
            self._pipeline = pipeline
            session = Session(
                source,
                pipeline,
                settings=self._settings.session,
                sinks=(self._hear, self._events),
                paced=True,
                load=self._load,
            )
            failure: Exception | None = None
            try:
                with session:
                    self._session = session
                    self._follow(session, live=source.info.live)
                if source.info.live and self._wanted and not self._paused:
                    raise SourceError(f"{source.info.name}: the stream ended")  # noqa: TRY301 - caught to be told, and raised again
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
        """Until the session is over, or no longer wanted."""
        while not session.wait(_TICK):
            memory.trim(min_interval=memory.MIN_INTERVAL)
            self._announce()
            with self._changed:
                paused, wanted = self._paused, self._wanted
            if not wanted or (paused and live):
                return
            if paused:
                session.pause()
                self._set(StreamState.PAUSED)
            elif self._state is StreamState.PAUSED:
                session.resume()
                self._heard_at = time.monotonic()
                self._set(StreamState.LIVE)

    def _hear(self, frame: Frame, observation: Observation) -> None:  # noqa: ARG002 - a sink
        self._heard_at = time.monotonic()
        self._attempt = 0
        if self._state in (StreamState.CONNECTING, StreamState.RECONNECTING):
            self._set(StreamState.LIVE)

    def _failed(self, error: Exception) -> None:
        match error:
            case SourceError():
                self._attempt += 1
                self._lost(error)
            case MonitorError():
                self._set(StreamState.FAILED, str(error))
            case _:
                self._set(StreamState.FAILED, f"{_UNEXPECTED}: {error!r}; please report it")

    def _lost(self, error: SourceError) -> None:
        """Try again later, unless it was something that stays as it is."""
        retries = self._settings.source.max_retries
        if not self._may_come_back():
            self._set(StreamState.FAILED, str(error))
        elif retries is not None and self._attempt > retries:
            self.failure = type(error)(f"{error} (given up after {retries} more attempts: source.max_retries)")
            self._set(StreamState.FAILED, str(self.failure))
        else:
            longest = self._settings.source.max_backoff * _SPARED.get(type(error), 1)
            pause = min(longest, _FIRST_PAUSE * 2 ** min(self._attempt - 1, 16)) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            self._set(StreamState.RECONNECTING, str(error), next_try=time.monotonic() + pause)

    def _may_come_back(self) -> bool:
        """Whether another attempt may help: its kind says so until it has been open once."""
        if self._info is not None:
            return self._info.live
        return self._opener is None and Address.of(self._url).kind.may_come_back

    def _set(self, state: StreamState, reason: str = "", *, next_try: float | None = None) -> None:
        with self._changed:
            self._state, self._reason, self._next_try = state, reason, next_try

    def _announce(self) -> None:
        """Emit the state if it has changed; on the supervisor's thread, without its lock: observers may wait."""
        status = self.status
        state = status.state, "" if status.state is StreamState.STALLED else status.reason
        if state != self._announced:
            self._announced = state
            self._events.change_state(
                status.state, reason=status.reason, attempt=status.attempt, retry_after=status.retry_after
            )

    def _announce_or_fail(self) -> None:
        """The same; a required observer that fails ends the stream."""
        try:
            self._announce()
        except Exception as error:  # noqa: BLE001 - shown by the status
            if self._state is StreamState.FAILED:
                return
            self.failure = _traceless(error)
            self._failed(error)
            with suppress(Exception):  # the same observer fails again
                self._announce()


def _traceless(error: Exception) -> Exception:
    """The same without its traces, which keep the last frames in memory; what should not happen keeps its own."""
    link: BaseException | None = error if isinstance(error, MonitorError) else None
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
