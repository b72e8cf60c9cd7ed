"""Finds the events of one stream that people are notified of."""

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


class NotificationStream:
    """Turns the events of one stream into notices; an observer.

    Args:
        stream: the stream.
        events: kinds of notices that are wanted.
        notify: receives the notices, and returns at once.
    """

    def __init__(self, stream: WatchedStream, *, events: Set[NotifiedEvent], notify: NoticeReceiver) -> None:
        self._stream, self._events, self._notify = stream, events, notify
        self._newest: FrameAnalysed | None = None  # the frame of the label changes that follow it
        self._is_lost = False

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
        if is_lost == self._is_lost or not (is_lost or event.state == StreamState.LIVE):
            return
        self._is_lost = is_lost
        kind: NotifiedEvent = "stream_lost" if is_lost else "stream_back"
        if kind not in self._events:
            return
        notice = Notice(
            kind=kind,
            source=self._name,
            source_id=self._stream.id,
            at=event.at,
            detail=mask_text(event.reason) if is_lost else "",
            is_final=event.state == StreamState.FAILED,
        )
        self._notify(notice, _nothing)

    @property
    def _name(self) -> str:
        return mask_text(self._stream.name)


def _nothing() -> bytes | None:
    return None
