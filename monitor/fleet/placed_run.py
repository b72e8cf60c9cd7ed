"""One stream that runs on a node: its state and its observers on the server.

Its events arrive in their order. A stream that moves begins a new placement, and its connections go on counting, so
that a moment has one number for good.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from monitor.errors import ConflictError
from monitor.flags.database import new_id
from monitor.flags.recorder import FlagRequest
from monitor.fleet.messages import (
    DistantFrame,
    EventMessage,
    PictureMessage,
    PlacedOrder,
    StatusMessage,
    StreamMessage,
    WantedStream,
)
from monitor.fleet.node_settings import for_node
from monitor.fleet.placed_broadcaster import PlacedBroadcaster
from monitor.runtime import Observers, StreamState, StreamStatus, Subscription, VerdictCollector
from monitor.server.stream_run import StreamOrder
from monitor.system.masking import mask
from monitor.types import Flag
from monitor.types.events import Event, FrameAnalysed, StreamClosed, StreamOpened, StreamStateChanged
from monitor.types.stats import SessionStats

_RELEASE_TIME: Final = 1.8  # seconds (wall clock) for the last events of a stopped stream
_NEW: Final = StreamStatus(StreamState.WAITING, "", connection=0, attempt=0, retry_after=None, info=None, stats=None)


class StreamHost(Protocol):
    """The host of a stream, as the stream sees it."""

    @property
    def node(self) -> str:
        """Name of the node."""

    def flag(self, run: "PlacedRun", placement: int, mark: FlagRequest) -> Flag:
        """Commit a flag there."""

    def picture(self, run: "PlacedRun", placement: int, *, connection: int, index: int, media_time: float) -> bytes:
        """A frame as JPEG."""


class StreamRegistry(Protocol):
    """The fleet, as a stream sees it."""

    def add(self, run: "PlacedRun") -> None:
        """Place a stream from now on."""

    def remove(self, run: "PlacedRun") -> None:
        """Stop a stream where it runs."""


class PlacedRun:
    """The server's side of a stream on a node.

    Args:
        observers: receive its events, on the thread of its host's link.
        fleet: chooses the host.
    """

    def __init__(self, order: StreamOrder, observers: Sequence[Subscription], *, fleet: StreamRegistry) -> None:
        self.order, self._fleet = order, fleet
        self.id = order.stream_id
        self.broadcaster = PlacedBroadcaster(self._fetch)
        self._observers = Observers((*observers, Subscription(self.broadcaster, "viewers")))
        self._lock = threading.RLock()  # one event at a time, and no event of an earlier placement
        self._host: StreamHost | None = None
        self._placement = self._connections = self._restarts = 0
        self._is_open, self._is_leaving, self._is_paused = False, False, False
        self._collector = VerdictCollector()
        self._status, self._node_failures = _NEW, dict[str, int]()
        self._released = threading.Event()

    # what the server asks

    @property
    def status(self) -> StreamStatus:
        """The state of the stream and its reason."""
        return self._status

    @property
    def node(self) -> str:
        """Name of the node that watches it; "" for none."""
        host = self._host
        return "" if host is None else host.node

    @property
    def observer_failures(self) -> Mapping[str, int]:
        """Number of failures of each best-effort observer, here and on the node, by name."""
        return {**self._node_failures, **self._observers.failures}

    @property
    def flagger(self) -> "PlacedRun":
        """Commits the flags of the stream."""
        return self

    def start(self) -> None:
        """Begin to watch, as soon as a node has room."""
        self._fleet.add(self)

    def stop(self) -> None:
        """End the stream, and wait for its last events."""
        self._fleet.remove(self)
        self._released.wait(_RELEASE_TIME)

    def pause(self) -> None:
        """Pause the stream."""
        self._is_paused = True
        if self._host is None:
            self.set_state(StreamState.PAUSED)

    def resume(self) -> None:
        """Continue a paused stream; restart a failed or ended one."""
        self._is_paused = False
        self._restarts += 1
        if self._host is None:
            self.set_state(StreamState.WAITING)

    def flag(self, mark: FlagRequest) -> Flag:
        """Flag a moment on the node that has it; on return, the flag is committed and its pictures are stored.

        Raises:
            ConflictError: no node watches the stream now, or it was lost before the flag was stored.
            UsageError: the moment is not available.
            MonitorError: the flag cannot be stored; nothing was stored.
        """
        host, placement = self._where()
        return host.flag(self, placement, replace(mark, flag_id=mark.flag_id or new_id(datetime.now(UTC))))

    def _fetch(self, connection: int, index: int, media_time: float) -> bytes:
        host, placement = self._where()
        return host.picture(self, placement, connection=connection, index=index, media_time=media_time)

    def _where(self) -> tuple[StreamHost, int]:
        with self._lock:
            if self._host is None or self._is_leaving:
                raise ConflictError(f"no node watches {mask(self.order.url)} now: wait until it is live again")
            return self._host, self._placement

    # what the fleet asks

    @property
    def needs_host(self) -> bool:
        """Whether a node should watch it."""
        return self._host is None and not self._status.state.over and not self._is_paused

    @property
    def is_over(self) -> bool:
        """Whether it has ended or failed for good, so that it needs no room."""
        return self._status.state.over

    @property
    def placement(self) -> int:
        """Number of the current placement, from 1."""
        return self._placement

    @property
    def wanted(self) -> WantedStream:
        """What the host shall do."""
        return WantedStream(
            placement=self._placement,
            paused=self._is_paused,
            restarts=self._restarts,
            levels=tuple(self.broadcaster.levels),
        )

    @property
    def placed_order(self) -> PlacedOrder:
        """All that a new host must know."""
        order = replace(self.order, settings=for_node(self.order.settings))
        return PlacedOrder(order=order, connections=self._connections)

    def assign(self, host: StreamHost) -> None:
        """Begin a placement on a host."""
        with self._lock:
            self._host, self._is_leaving = host, False
            self._placement += 1
            self._released.clear()
            self.set_state(StreamState.CONNECTING)

    def leave(self, reason: str = "") -> None:
        """Expect the end of this placement.

        Args:
            reason: why the stream goes on elsewhere; "" if it was removed.
        """
        with self._lock:
            self._is_leaving = True
            if reason and not self._is_paused:
                self.set_state(StreamState.RECONNECTING, reason)

    def release(self, failure: str = "") -> None:
        """End the placement; the node sends nothing more.

        Args:
            failure: why the node was lost, a sentence; "" if it has stopped the stream itself.
        """
        with self._lock:
            self._host, self._is_leaving = None, False
            if failure and not self.is_over:
                self._close(failure)
                self.set_state(StreamState.PAUSED if self._is_paused else StreamState.RECONNECTING, failure)
        self._released.set()

    def set_state(self, state: StreamState, reason: str = "") -> None:
        """Show a state that the fleet knows, and tell the observers if it is new."""
        with self._lock:
            before = self._status
            self._status = replace(before, state=state, reason=reason, attempt=0, retry_after=None)
            if (before.state, before.reason) != (state, reason):
                self._emit(StreamStateChanged(**self._common(), state=state, reason=reason))

    def deliver(self, message: StreamMessage) -> None:
        """Take a message of the current placement; older ones are ignored."""
        with self._lock:
            if message.placement != self._placement or self._host is None:
                return
            match message:
                case EventMessage(event=event):
                    self._take(event)
                case PictureMessage():
                    self.broadcaster.show_picture(message)
                case StatusMessage():
                    self._note(message)

    def _take(self, event: Event) -> None:
        match event:
            case StreamOpened():
                self._is_open, self._connections = True, event.connection
                self._collector = VerdictCollector()
                self._status = replace(self._status, connection=event.connection, info=event.source, stats=None)
            case FrameAnalysed(frame=frame, observation=observation, connection=connection):
                self._collector(frame, observation)
                if isinstance(frame, DistantFrame):
                    fetched = frame.fetched_by(lambda index, time: self._fetch(connection, index, time))
                    event = replace(event, frame=fetched)
            case StreamClosed():
                self._is_open = False
            case StreamStateChanged() if self._is_leaving:
                return  # the stream goes on: its end here is not its end
        self._emit(event)

    def _note(self, message: StatusMessage) -> None:
        if self._is_leaving:
            return
        before, status = self._status, message.status
        if status.connection != self._connections:  # its counts belong to another connection than the events
            status = replace(status, connection=self._connections, stats=before.stats)
        self._status, self._node_failures = status, dict(message.observer_failures)
        if status.state is StreamState.CONNECTING and status.reason != before.reason:
            self.broadcaster.show_state(status.state, status.reason)

    def _close(self, failure: str) -> None:
        """End the open connection of a lost node for the observers."""
        if not self._is_open:
            return
        self._is_open = False
        stats = self._status.stats or SessionStats.counted(0, dropped={}, lost={})
        self._status = replace(self._status, stats=None)
        self._collector.finish((), ())
        verdict = self._collector.verdict
        self._emit(
            StreamClosed(**self._common(), verdict=verdict, segments=(), tracks=(), frames=stats, failure=failure)
        )

    def _common(self) -> dict[str, Any]:
        return {"stream": mask(self.order.url), "connection": self._connections, "at": datetime.now(UTC)}

    def _emit(self, event: Event) -> None:
        self._observers.emit(event)
