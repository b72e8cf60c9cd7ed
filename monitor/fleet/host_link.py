"""The server's link to one host: asks for news without a pause, and says what to watch."""

import logging
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeVar

import monitor
from monitor.errors import ConflictError, FlagNotFoundError, MonitorError
from monitor.flags.archive import FlagArchive
from monitor.flags.recorder import FlagRequest
from monitor.fleet.host_handle import HostHandle, HostLostError
from monitor.fleet.lost_clips import LostClips
from monitor.fleet.messages import PROBE, EventMessage, ExchangeAnswer, ExchangeRequest, HostReport, StreamMessage
from monitor.fleet.placed_run import PlacedRun
from monitor.runtime import Timer
from monitor.settings import FleetSettings
from monitor.types import Flag
from monitor.types.events import FlagCommitted

_CLAIM_TIME: Final = 60.0  # seconds (wall clock) until a new process must answer
_FLAG_TIME: Final = 30.0  # seconds (wall clock) for the commit of a flag
_PICTURE_TIME: Final = 3.0  # seconds (wall clock)
_CLOSE_TIME: Final = 3.0  # seconds (wall clock) for the end of all streams and their clips
_LINGER, _LINGER_WATCHED = 0.1, 0.01  # seconds for which a host collects events; while somebody looks

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HostPlace:
    """Where a host runs."""

    node_id: str
    node: str  # name for people
    slot: int  # number among the hosts of its node, from 0
    capacity: int  # streams

    @property
    def key(self) -> str:
        """Unique in the fleet."""
        return f"{self.node_id}-{self.slot}"


class LinkState(StrEnum):
    """State of a link."""

    STARTING = "starting"
    READY = "ready"
    LOST = "lost"


class HostLink:
    """One host with the streams that are placed on it.

    Args:
        open_host: starts or finds the host; may take some seconds; runs on the link's thread.
        archive: of the flags, to find out what a lost host has stored.
        on_lost: called once if the host is lost, on any thread, with the reason, a clause.
    """

    def __init__(
        self,
        place: HostPlace,
        *,
        open_host: Callable[[], HostHandle],
        settings: FleetSettings,
        archive: FlagArchive,
        clips: LostClips,
        on_lost: Callable[["HostLink", str], None],
    ) -> None:
        self.place, self.node = place, place.node
        self.state = LinkState.STARTING
        self.report: HostReport | None = None
        self._open_host, self._settings, self._archive, self._clips = open_host, settings, archive, clips
        self._on_lost = on_lost
        self._id = secrets.token_hex(8)
        self._host: HostHandle | None = None
        self._known: frozenset[tuple[str, int]] = frozenset()
        self._lock = threading.Lock()  # guards all fields below
        self._runs: dict[str, PlacedRun] = {}
        self._leaving: dict[tuple[str, int], PlacedRun] = {}
        self._is_closing = False
        self._timer = Timer(f"node {place.node}", self._work, every=0.0)

    def start(self) -> None:
        """Open the host and keep the link to it."""
        self._timer.start()

    @property
    def runs(self) -> Sequence[PlacedRun]:
        """The streams that stay, in the order of their placement."""
        with self._lock:
            return tuple(self._runs.values())

    @property
    def lost_events(self) -> Mapping[str, int]:
        """Events that did not arrive, by cause."""
        return Counter({} if self.report is None else self.report.lost)

    def add(self, run: PlacedRun) -> None:
        """Watch a stream on this host from now on."""
        run.assign(self)
        with self._lock:
            self._runs[run.id] = run

    def remove(self, run: PlacedRun, *, reason: str = "") -> None:
        """Stop a stream on this host; it is released when its last event has arrived.

        Args:
            reason: why it goes on elsewhere; "" if a person has removed it.
        """
        run.leave(reason)
        with self._lock:
            self._runs.pop(run.id, None)
            self._leaving[run.id, run.placement] = run

    def flag(self, run: PlacedRun, placement: int, mark: FlagRequest) -> Flag:
        """Commit a flag on the host; after its loss, the database says whether that was done.

        Raises:
            ConflictError: the host was lost before the flag was stored.
            MonitorError: as ``FlagRecorder.flag``.
        """
        host = self._require_host()
        try:
            flag = _raise_refusal(host.flag(run.id, placement, mark, timeout=_FLAG_TIME))
        except HostLostError as error:
            return self._find_flag(mark.flag_id, error)
        self._clips.expect(flag, host=self.place.key)
        return flag

    def _find_flag(self, flag_id: str, error: HostLostError) -> Flag:
        """The flag, if the host has stored it before its end; its files are deleted otherwise.

        Raises:
            ConflictError: the flag was not stored.
        """
        try:
            return self._archive.store.get(flag_id)
        except FlagNotFoundError:
            self._archive.files.remove(flag_id)
            raise ConflictError(
                f"nothing was flagged: node {self.node} was lost meanwhile ({error}); flag again when it is live"
            ) from None

    def picture(self, run: PlacedRun, placement: int, *, connection: int, index: int, media_time: float) -> bytes:
        """A frame of the last seconds as JPEG in full size.

        Raises:
            ConflictError: the host does not answer.
            UsageError: the frame is not available any more.
        """
        host = self._require_host()
        try:
            answer = host.picture(
                run.id, placement, connection=connection, index=index, media_time=media_time, timeout=_PICTURE_TIME
            )
        except HostLostError as error:
            raise ConflictError(f"node {self.node} does not send the picture: {error}") from None
        return _raise_refusal(answer)

    def _require_host(self) -> HostHandle:
        host = self._host
        if host is None:
            raise ConflictError(f"node {self.node} is not ready: try again in some seconds")
        return host

    def _work(self) -> None:
        """Open the host, then exchange news once; runs again and again."""
        try:
            if self._host is None:
                self._open()
            else:
                self._take(self._host.exchange(self._request(), timeout=self._settings.node_timeout))
        except HostLostError as error:
            self._lose(str(error))
        except Exception as error:  # noqa: BLE001 - logged; the streams go on elsewhere
            _log.exception("the link to node %s failed", self.node)
            self._lose(f"this should not happen: {error!r}; please report it")

    def _open(self) -> None:
        host = self._open_host()
        version, refusal = self._claim(host)
        if version != monitor.__version__:
            host.kill()
            raise HostLostError(f"it runs version {version} of this program, the server {monitor.__version__}")
        if refusal:
            raise HostLostError(refusal)
        with self._lock:
            if self.state is LinkState.STARTING and not self._is_closing:
                self._host, self.state = host, LinkState.READY
                return
        host.kill()  # given up meanwhile

    def _claim(self, host: HostHandle) -> tuple[str, str]:
        """See ``NodeHost.claim``; the host sees a file that exists only during this call."""
        probe, files = f"{PROBE}-{self._id}", self._archive.files
        try:
            files.create(probe, {PROBE: self._id.encode()})
            try:
                return host.claim(self._id, probe, timeout=_CLAIM_TIME)
            finally:
                files.remove(probe)
        except MonitorError as error:
            raise HostLostError(str(error)) from None

    def _request(self) -> ExchangeRequest:
        with self._lock:
            runs = dict(self._runs)
        wanted = {stream_id: run.wanted for stream_id, run in runs.items()}
        orders = {
            stream_id: runs[stream_id].placed_order
            for stream_id, one in wanted.items()
            if (stream_id, one.placement) not in self._known
        }
        is_watched = any(one.levels for one in wanted.values())
        linger = _LINGER_WATCHED if is_watched else _LINGER
        return ExchangeRequest(link=self._id, wanted=wanted, orders=orders, linger=linger)

    def _take(self, answer: ExchangeAnswer) -> None:
        if answer.refusal:
            raise HostLostError(answer.refusal)
        for message in answer.messages:
            self._deliver(message)
        for line in answer.log:
            _log.log(line.level, "node %s: %s", self.node, line.text)
        self.report, self._known = answer.report, answer.known
        with self._lock:
            released = {key: run for key, run in self._leaving.items() if key not in answer.known}
            for key in released:
                del self._leaving[key]
        for run in released.values():
            run.release()

    def _deliver(self, message: StreamMessage) -> None:
        with self._lock:
            key = message.stream_id, message.placement
            run = self._runs.get(message.stream_id) or self._leaving.get(key)
        if isinstance(message, EventMessage) and isinstance(message.event, FlagCommitted):
            self._clips.expect(message.event.flag, host=self.place.key)
        if run is not None:
            run.deliver(message)

    def _lose(self, reason: str) -> None:
        """Give the host up: its streams are released, and its process is ended if that is possible."""
        with self._lock:
            if self.state is LinkState.LOST or self._is_closing:
                return
            self.state = LinkState.LOST
            runs = [*self._runs.values(), *self._leaving.values()]
            self._runs.clear()
            self._leaving.clear()
        self._timer.stop(timeout=0.0)
        if self._host is not None:
            self._host.kill()
        for run in runs:
            run.release(f"node {self.node} was lost ({reason}): the stream moves to another node")
        self._clips.settle(self.place.key, why=f"node {self.node} was lost before the clip was written")
        self._on_lost(self, reason)

    def lose(self, reason: str) -> None:
        """Give the host up, because its node has left the cluster."""
        self._lose(reason)

    def close(self) -> None:
        """End the streams of the host, take their last events, and end its process."""
        with self._lock:
            if self.state is LinkState.LOST:
                return
            self._is_closing = True
            runs = [*self._runs.values(), *self._leaving.values()]
        self._timer.stop(timeout=0.0)
        if self._host is None:
            return
        is_done = True
        try:
            last = self._host.close(timeout=_CLOSE_TIME)
            self._timer.stop(timeout=1.0)  # the answer that was on its way comes first
            self._take(replace(last, refusal=""))
            is_done = last.report.clips_waiting == 0
        except HostLostError as error:
            _log.warning("node %s did not end its streams in time: %s", self.node, error)
        finally:
            for run in runs:
                run.release()
            if is_done:
                self._host.kill()
                self._clips.settle(self.place.key, why="the server was stopped before the clip was written")
            else:
                _log.info("node %s writes the last clips, and then ends by itself", self.node)


def _raise_refusal(answer: T | MonitorError) -> T:
    """The answer of a host; an error that it returned is raised."""
    if isinstance(answer, MonitorError):
        raise answer
    return answer
