"""Finds the events of one stream that people are notified of."""

import threading
import time
from collections.abc import Callable, Set
from functools import partial
from typing import Final, Protocol

from monitor.runtime import StreamState
from monitor.server.notify import WatchedStream
from monitor.server.notify.notices import Notice
from monitor.server.notify.snapshots import snapshot
from monitor.settings import NotifiedEvent
from monitor.system.logs import mask_text
from monitor.types import Flag, Label, Origin
from monitor.types.events import Event, FlagCommitted, FrameAnalysed, LabelChanged, StreamClosed, StreamStateChanged

_KINDS: Final[dict[Label, NotifiedEvent]] = {Label.SUSPICIOUS: "suspicious", Label.LIKELY_FAKE: "likely_fake"}
_LOST: Final = (StreamState.RECONNECTING, StreamState.FAILED)


class NoticeReceiver(Protocol):
    """Takes a notice over at once; the second argument makes its picture, or is the flag with the picture."""

    def __call__(self, notice: Notice, picture: Callable[[], bytes | None] | Flag, /) -> None: ...


class _Loss:
    """Whether a stream is lost, and whether people know.

    Args:
        lost_after: seconds from the loss to its notice; a loss for good is one at once.
    """

    def __init__(self, lost_after: float) -> None:
        self._lost_after = lost_after
        self._waiting: tuple[Notice, float] | None = None  # notice of a loss, clock when it is due
        self._is_reported = False

    def update(self, notice: Notice, *, clock: float) -> Notice | None:
        """Note a loss or a return; the notice that is due, if any."""
        if notice.kind == "stream_back":
            was_reported, self._is_reported, self._waiting = self._is_reported, False, None
            return notice if was_reported else None
        if self._is_reported:
            return None
        if self._waiting is None or notice.is_final:
            self._waiting = notice, clock if notice.is_final else clock + self._lost_after
        return self.take_due(clock=clock)

    def drop(self) -> None:
        """Forget a loss that was not reported yet: somebody paused the stream, or it ended."""
        self._waiting = None

    def take_due(self, *, clock: float) -> Notice | None:
        """The notice of a loss that has lasted long enough, once."""
        if self._waiting is None or clock < self._waiting[1]:
            return None
        notice, self._waiting, self._is_reported = self._waiting[0], None, True
        return notice


class NotificationStream:
    """Turns the events of one stream into notices; an observer.

    Args:
        stream: the stream.
        events: kinds of notices that are wanted.
        notify: receives the notices, and returns at once.
        lost_after: seconds for which the stream must be lost before that is a notice.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        stream: WatchedStream,
        *,
        events: Set[NotifiedEvent],
        notify: NoticeReceiver,
        lost_after: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream, self._events, self._notify, self._clock = stream, events, notify, clock
        self._newest: FrameAnalysed | None = None  # the frame of the label changes that follow it
        self._loss = _Loss(lost_after)
        self._lock = threading.Lock()  # of the loss

    def __call__(self, event: Event) -> None:
        """Look at one event."""
        match event:
            case FrameAnalysed():
                self._newest = event
            case StreamClosed():
                self._newest = None
            case LabelChanged():
                self._note_label(event)
            case FlagCommitted(flag=flag):
                self._note_flag(flag)
            case StreamStateChanged():
                self._note_state(event)

    def _note_label(self, event: LabelChanged) -> None:
        kind = _KINDS.get(event.change.after)
        if kind is None or kind not in self._events:
            return
        notice = Notice(
            kind=kind,
            source=self._name,
            source_id=self._stream.id,
            at=event.at,
            label=event.change.after,
            before=event.change.before,
            probability=event.change.probability,
            face=event.change.track_id,
        )
        self._notify(notice, self._picture())

    def _picture(self) -> Callable[[], bytes | None]:
        newest = self._newest
        return _nothing if newest is None else partial(snapshot, newest.frame, newest.observation)

    def _note_flag(self, flag: Flag) -> None:
        if "flag" not in self._events:
            return
        is_person = flag.origin is Origin.PERSON
        notice = Notice(
            kind="flag",
            source=self._name,
            source_id=self._stream.id,
            at=flag.captured_at,
            label=None if flag.track_id is None else flag.label,
            probability=None if flag.track_id is None else flag.probability,
            face=flag.track_id,
            reporter=(flag.reporter or "A person") if is_person else "",
            detail=mask_text(flag.note),
        )
        self._notify(notice, flag)

    def _note_state(self, event: StreamStateChanged) -> None:
        is_lost = event.state in _LOST
        if event.state in (StreamState.PAUSED, StreamState.ENDED):
            with self._lock:
                self._loss.drop()
        if not (is_lost or event.state == StreamState.LIVE):
            return
        notice = Notice(
            kind="stream_lost" if is_lost else "stream_back",
            source=self._name,
            source_id=self._stream.id,
            at=event.at,
            detail=mask_text(event.reason) if is_lost else "",
            is_final=event.state == StreamState.FAILED,
        )
        with self._lock:
            due = self._loss.update(notice, clock=self._clock())
        self._send(due)

    def poll(self) -> None:
        """Report a loss that has lasted long enough; called from another thread now and then."""
        with self._lock:
            due = self._loss.take_due(clock=self._clock())
        self._send(due)

    def _send(self, notice: Notice | None) -> None:
        if notice is not None and notice.kind in self._events:
            self._notify(notice, _nothing)

    @property
    def _name(self) -> str:
        return mask_text(self._stream.name)


def _nothing() -> bytes | None:
    return None
