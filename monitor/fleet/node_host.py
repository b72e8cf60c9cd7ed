"""Watches streams on a node for the server: one process with its own engine, an actor of the cluster.

The server asks for news and says what to watch (:meth:`NodeHost.exchange`). A host that no server has asked for the
time of the lease stops its streams and saves their clips, so that no stream runs twice for long.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import monitor
from monitor.analysis.pipeline import Engines
from monitor.errors import ConflictError, MonitorError
from monitor.flags.archive import FlagArchive
from monitor.flags.recorder import FlagRequest
from monitor.fleet.host_log import HostLog
from monitor.fleet.messages import (
    PROBE,
    ExchangeAnswer,
    ExchangeRequest,
    HostReport,
    PlacedOrder,
    StatusMessage,
    StreamMessage,
    WantedStream,
)
from monitor.fleet.outbox import Outbox, StreamOutbox
from monitor.runtime import BackgroundWorker, EngineBuild, LoadShedder, StreamState, Subscription, Timer, run_parallel
from monitor.server.stream_run import LocalRun
from monitor.settings import Settings
from monitor.system import jpeg
from monitor.types import Flag
from monitor.types.events import StreamStateChanged

LONGEST_WAIT: Final = 0.5  # seconds until an answer without news
ABANDONED_TIME: Final = 600.0  # seconds without a server after which the process ends
_STATUS_INTERVAL: Final = 0.5  # seconds between two messages about the state of a stream without a change
_TICK: Final = 0.25  # seconds between two checks of the lease
_STILL_QUALITY: Final = 90  # JPEG
_STOP_TIME: Final = 10.0  # seconds for stopping streams that are not wanted any more
_CLOSE_TIME: Final = 2.6  # seconds for stopping all streams and writing the clips ...
_END_TIME: Final = 1.2  # ... of which for stopping
_FINISH_TIME: Final = 120.0  # seconds for the clips that are written after the end of the server


@dataclass(slots=True)
class _HostedStream:
    """One stream of a host."""

    placement: int
    run: LocalRun
    outbox: StreamOutbox
    paused: bool
    restarts: int


class NodeHost:
    """The streams of one process on a node.

    Args:
        settings: of the server; the archive of the flags and the engines follow from them.
        load_engines: default: those of the settings.
        on_abandoned: called when no server has asked for ten minutes.
        log: the log of this process, which the server writes into its own; default: no lines.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        load_engines: Callable[[], Engines] | None = None,
        on_abandoned: Callable[[], None] = lambda: None,
        log: HostLog | None = None,
    ) -> None:
        self._settings, self._load_engines, self._on_abandoned = settings, load_engines, on_abandoned
        self._log = log or HostLog()
        self._archive: FlagArchive | None = None  # opened when a server claims the host: it hears of a failure
        self._worker, self._stopping = BackgroundWorker("clips"), BackgroundWorker("stopping")
        self._load, self._outbox = LoadShedder(), Outbox()
        self._streams: dict[str, _HostedStream] = {}
        self._lock = threading.RLock()  # of the streams and the link
        self._link, self._is_closing = "", False
        self._heard_at = self._status_at = time.monotonic()
        self._loading, self._step = threading.Lock(), ""
        self._engines: Engines | None = None
        self._build: EngineBuild | None = None
        self._worker_of_engines = BackgroundWorker("engines")
        self._worker_of_engines.do(self._preload)
        self._lease = Timer("lease", self._check_lease, every=_TICK)
        self._lease.start()

    def engines(self) -> Engines:
        """The engines of this process, loaded at the first call."""
        with self._loading:
            if self._engines is None:
                if self._load_engines is not None:
                    self._engines = self._load_engines()
                else:
                    self._engines = Engines.load(self._settings, on_step=self._show_loading)
                    self._build = EngineBuild(self._engines, self._settings)
                    self._build.start()
                self._step = ""
            return self._engines

    def _preload(self) -> None:
        self.engines()

    def _show_loading(self, network: str) -> None:
        self._step = f"preparing {network} (the first start builds each network once: up to a minute)"

    def claim(self, link: str, probe: str) -> tuple[str, str]:
        """Work for a link from now on; the streams of an earlier one end.

        Args:
            probe: id of a flag that does not exist, for which the server has just stored a file: this host must see it.

        Returns:
            The version of this program, and why the host does not work for the link, "" if it does.
        """
        with self._lock:
            refusal = self._refuse(link) or self._refuse_storage(probe)
            if not refusal:
                self._stop(tuple(self._streams))
                self._link, self._heard_at = link, time.monotonic()
        return monitor.__version__, refusal

    def _refuse(self, link: str) -> str:
        silence = time.monotonic() - self._heard_at
        if self._link not in ("", link) and silence < self._settings.fleet.lease:
            return "another server watches streams on this node: stop it, or give this server another fleet.namespace"
        return "it still writes the clips of the last server" if self._is_closing else ""

    def _refuse_storage(self, probe: str) -> str:
        """Why flags cannot be stored with those of the server; "" if they can."""
        try:
            self._archive = self._archive or FlagArchive.open(self._settings.evidence)
            self._archive.require_writable()
            files = self._archive.files
            if PROBE in files.names(probe):
                return ""
        except MonitorError as error:
            return str(error)
        return f"it does not share the files of the flags with the server: it has {files.address}"

    def exchange(self, request: ExchangeRequest) -> ExchangeAnswer:
        """Watch what is wanted, and answer with the news, after half a second at most.

        If the host works for another link, the answer says so and the request is ignored.
        """
        with self._lock:
            if request.link != self._link or self._archive is None:
                return self._answer([], refusal="it has not heard of this server for too long")
            self._heard_at = time.monotonic()
            self._follow(request, self._archive)
        levels = {stream_id: wanted.levels for stream_id, wanted in request.wanted.items()}
        self._outbox.wait(levels, timeout=LONGEST_WAIT, linger=request.linger)
        messages = self._outbox.take(levels)
        return self._answer([*messages, *self._states(messages)])

    def _answer(self, messages: list[StreamMessage], *, refusal: str = "") -> ExchangeAnswer:
        report = HostReport(
            process_id=os.getpid(),
            load_level=self._load.level,
            load=str(self._load.cadence),
            clips_waiting=self._worker.waiting,
            lost=dict(self._outbox.lost),
            picture_bytes=self._outbox.picture_bytes,
        )
        log = [] if refusal else self._log.take()
        return ExchangeAnswer(messages=messages, report=report, known=self._outbox.known, log=log, refusal=refusal)

    def flag(self, stream_id: str, placement: int, mark: FlagRequest) -> Flag | MonitorError:
        """Flag a moment of a stream; an error is returned, since it travels."""
        try:
            return self._find(stream_id, placement).run.flag_recorder.flag(mark)
        except MonitorError as error:
            return error

    def picture(
        self, stream_id: str, placement: int, *, connection: int, index: int, media_time: float
    ) -> bytes | MonitorError:
        """A frame of the last seconds as JPEG in full size: the newest one exactly, else the nearest kept one."""
        try:
            stream = self._find(stream_id, placement)
            newest = stream.outbox.newest
            if newest is not None and (newest[0], newest[1].index) == (connection, index):
                return jpeg.encode(newest[1].pixels, quality=_STILL_QUALITY)
            return stream.run.flag_recorder.picture(connection=connection, media_time=media_time)
        except MonitorError as error:
            return error

    def close(self) -> ExchangeAnswer:
        """End all streams and write the pending clips; the answer has the last events.

        If the clips take longer than some seconds, the process writes them and ends itself.
        """
        deadline = time.monotonic() + _CLOSE_TIME
        with self._lock:
            self._link, self._is_closing = "", True  # a request that is on its way starts nothing
            streams = tuple(self._streams.values())
            self._streams.clear()
        run_parallel([partial(self._end, stream) for stream in streams], timeout=_END_TIME)
        self._lease.stop(timeout=0.0)
        if self._build is not None:
            self._build.close()
        is_done = self._worker.close(timeout=max(0.0, deadline - time.monotonic()))
        answer = self._answer(self._outbox.take({}))
        if is_done:
            return answer
        self._stopping.do(self._finish)
        return replace(answer, report=replace(answer.report, clips_waiting=max(1, answer.report.clips_waiting)))

    def _finish(self) -> None:
        self._worker.close(timeout=_FINISH_TIME)
        self._on_abandoned()

    def _find(self, stream_id: str, placement: int) -> _HostedStream:
        with self._lock:
            stream = self._streams.get(stream_id)
        if stream is None or stream.placement != placement:
            raise ConflictError("the stream moves to another node: try again in some seconds")
        return stream

    def _follow(self, request: ExchangeRequest, archive: FlagArchive) -> None:
        """Start, stop, pause and resume streams as the server wants."""
        self._stop(
            tuple(
                stream_id
                for stream_id, stream in self._streams.items()
                if stream_id not in request.wanted or request.wanted[stream_id].placement != stream.placement
            )
        )
        for stream_id, wanted in request.wanted.items():
            stream = self._streams.get(stream_id)
            order = request.orders.get(stream_id)
            if stream is not None:
                _steer(stream, wanted)
            elif order is not None:
                self._start(order, wanted, archive)

    def _start(self, placed: PlacedOrder, wanted: WantedStream, archive: FlagArchive) -> None:
        order = placed.order
        outbox = self._outbox.add(order.stream_id, placement=wanted.placement)
        run = LocalRun(
            order.url,
            engines=self.engines,
            settings=order.settings,
            archive=archive,
            worker=self._worker,
            observers=(Subscription(outbox, "server"),),
            repeat=order.repeat,
            load=self._load,
            connections=placed.connections,
        )
        stream = _HostedStream(wanted.placement, run, outbox, paused=wanted.paused, restarts=wanted.restarts)
        self._streams[order.stream_id] = stream
        if wanted.paused:
            run.pause()
        run.start()

    def _stop(self, stream_ids: tuple[str, ...]) -> None:
        """Stop streams on another thread, since a stop waits for the end of a camera's answer."""
        stopped = [self._streams.pop(stream_id) for stream_id in stream_ids]
        if stopped:
            self._stopping.do(partial(self._end_all, stopped))

    def _end_all(self, streams: Sequence[_HostedStream]) -> None:
        run_parallel([partial(self._end, stream) for stream in streams], timeout=_STOP_TIME)

    def _end(self, stream: _HostedStream) -> None:
        try:
            stream.run.stop()
        finally:
            self._outbox.finish(stream.outbox)

    def _states(self, messages: list[StreamMessage]) -> list[StreamMessage]:
        """The state of all streams, if one has changed or some time has passed."""
        now = time.monotonic()
        is_changed = any(isinstance(getattr(message, "event", None), StreamStateChanged) for message in messages)
        if not is_changed and now - self._status_at < _STATUS_INTERVAL:
            return []
        self._status_at = now
        with self._lock:
            streams = dict(self._streams)
        return [self._state(stream_id, stream) for stream_id, stream in streams.items()]

    def _state(self, stream_id: str, stream: _HostedStream) -> StatusMessage:
        status = stream.run.status
        if status.state is StreamState.CONNECTING and not status.reason:
            status = replace(status, reason=self._step)
        return StatusMessage(stream_id, stream.placement, status, stream.run.observer_failures)

    def _check_lease(self) -> None:
        """Stop all streams if no server has asked for too long."""
        silence = time.monotonic() - self._heard_at
        with self._lock:
            if self._link and silence > self._settings.fleet.lease:
                self._link = ""
                self._stop(tuple(self._streams))
        if not self._link and silence > ABANDONED_TIME:
            self._on_abandoned()


def _steer(stream: _HostedStream, wanted: WantedStream) -> None:
    if wanted.restarts != stream.restarts or (stream.paused and not wanted.paused):
        stream.run.resume()
    elif wanted.paused and not stream.paused:
        stream.run.pause()
    stream.paused, stream.restarts = wanted.paused, wanted.restarts
