"""The outlet for messages to people: label changes, flags, lost streams, through Apprise."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from monitor.errors import OutputError
from monitor.flags.archive import default_folder
from monitor.flags.file_stores import FileStore, open_file_store
from monitor.flags.files import OVERLAY, FlagFiles
from monitor.runtime import BackgroundWorker, Observer, Timer, run_parallel
from monitor.server.notify import Outlet, OutletContext, OutletCount, WatchedStream
from monitor.server.notify.notices import Notice, NoticeMessage, describe_digest, describe_notice
from monitor.server.notify.notification_policy import NotificationPolicy
from monitor.server.notify.notification_stream import NotificationStream
from monitor.settings import NotificationSettings
from monitor.types import Flag

if TYPE_CHECKING:
    from monitor.server.notify.notification_targets import NotificationTarget

CLOSE_TIMEOUT: Final = 1.0  # seconds for the last messages
MAX_WAITING: Final = 100  # notices; further ones are dropped
_MAX_PICTURES: Final = 4  # waiting notices that hold a frame in memory
_TICK: Final = 1.0  # seconds between two looks at the digest

PictureSource = Callable[[], bytes | None]  # makes a JPEG, on the thread of the outlet

_log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def open_targets(settings: NotificationSettings) -> "Sequence[NotificationTarget]":
    """The targets of the settings.

    Raises:
        UsageError: Apprise does not understand an address.
    """
    from monitor.server.notify.notification_targets import NotificationTarget  # Apprise takes a second

    return tuple(NotificationTarget(address, number=number) for number, address in enumerate(settings.targets, start=1))


def open_outlet(context: OutletContext) -> Outlet | None:
    """The outlet, or None without ``notifications.targets``.

    Raises:
        UsageError: Apprise does not understand an address.
    """
    settings = context.settings.notifications
    if not settings.targets:
        return None
    evidence = context.settings.evidence
    files = open_file_store(evidence, folder=evidence.folder or default_folder())
    return NotificationOutlet(
        settings, open_targets(settings), url=context.settings.dashboard.public_url, flag_files=files
    )


class NotificationOutlet:
    """Sends messages about all streams.

    Args:
        settings: events, cool-down, quiet hours, digest, pictures.
        targets: receive the messages.
        url: of the dashboard, for links; "" for none.
        flag_files: store or folder of the files of the flags.
        now: the wall clock, UTC.
        clock: monotonic seconds.
    """

    name = "notifications"

    def __init__(
        self,
        settings: NotificationSettings,
        targets: "Sequence[NotificationTarget]",
        *,
        url: str,
        flag_files: FileStore | Path,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._targets, self._url = settings, tuple(targets), url
        self._files, self._now, self._clock = FlagFiles(flag_files), now, clock
        self._policy = NotificationPolicy(settings)  # used on the worker's thread only
        self._digest_picture: bytes | None = None  # of the worst held notice
        self._worker: BackgroundWorker | None = None
        self._timer = Timer("digest", self._tick, every=_TICK)
        self._lock = threading.Lock()
        self._streams: dict[str, NotificationStream] = {}  # by the id of the stream
        self._dropped = 0

    def start(self) -> None:
        """Start the threads of the outlet and of its targets."""
        self._worker = BackgroundWorker("notifications")
        for target in self._targets:
            target.start()
        self._timer.start()

    def watch(self, stream: WatchedStream) -> Observer:
        """The observer of a new stream."""
        observer = NotificationStream(
            stream,
            events=frozenset(self._settings.events),
            notify=self._note,
            lost_after=self._settings.lost_after,
            clock=self._clock,
        )
        with self._lock:
            self._streams[stream.id] = observer
        return observer

    def forget(self, stream: WatchedStream) -> None:
        """Forget the cool-down of a stream."""
        with self._lock:
            self._streams.pop(stream.id, None)
        if self._worker is not None:
            self._worker.do(partial(self._policy.forget, stream.id))

    def _note(self, notice: Notice, picture: PictureSource | Flag) -> None:
        """Take a notice over; called on the thread of a stream."""
        if self._worker is None or self._worker.waiting >= MAX_WAITING:
            self._dropped += 1
            return
        source: PictureSource = partial(self._flag_picture, picture) if isinstance(picture, Flag) else picture
        has_room = self._settings.pictures and self._worker.waiting < _MAX_PICTURES
        self._worker.do(partial(self._take, notice, source if has_room else _no_picture))

    def _flag_picture(self, flag: Flag) -> bytes | None:
        with suppress(OutputError, OSError):  # the flag has no picture: the message goes without one
            return self._files.path(flag.id, OVERLAY).read_bytes()
        return None

    def _take(self, notice: Notice, picture: PictureSource) -> None:
        if self._policy.admit(notice, now=self._now(), clock=self._clock()):
            self._send(describe_notice(notice, zone=self._policy.zone, url=self._url, picture=_make(picture)))
        elif self._policy.worst_held is notice:
            self._digest_picture = _make(picture) or self._digest_picture

    def _tick(self) -> None:
        with self._lock:
            streams = tuple(self._streams.values())
        for stream in streams:
            stream.poll()
        if self._worker is not None and not self._worker.waiting:
            self._worker.do(self.send_digest)

    def send_digest(self, *, at_once: bool = False) -> None:
        """Send the digest if it is due; on the worker's thread."""
        sources = self._policy.take_digest(now=self._now(), clock=self._clock(), at_once=at_once)
        if sources:
            picture, self._digest_picture = self._digest_picture, None
            self._send(describe_digest(sources, zone=self._policy.zone, url=self._url, picture=picture))

    def _send(self, message: NoticeMessage) -> None:
        for target in self._targets:
            target.submit(message)

    def close(self) -> None:
        """Send the digest, unless the hours are quiet, then end the threads."""
        self._timer.stop(timeout=CLOSE_TIMEOUT)
        if self._worker is None:
            return
        self._worker.do(partial(self.send_digest, at_once=True))
        self._worker.close(timeout=CLOSE_TIMEOUT)
        if self._policy.held:
            _log.warning("%d events of the quiet hours were not sent: the server ended", self._policy.held)
        run_parallel([partial(target.close, timeout=CLOSE_TIMEOUT) for target in self._targets], timeout=CLOSE_TIMEOUT)

    @property
    def waiting(self) -> int:
        """The number of waiting messages, and of events held for the digest."""
        own = 0 if self._worker is None else self._worker.waiting
        return own + self._policy.held + sum(target.waiting for target in self._targets)

    def counts(self) -> Iterable[OutletCount]:
        """Numbers of messages, over all targets."""
        total = Counter(dropped=self._dropped)
        for target in self._targets:
            total.update(target.counts)
        yield OutletCount(
            outlet=self.name,
            delivered=total["sent"],
            failed=total["failed"],
            lost=total["dropped"],
            waiting=self.waiting,
        )


def _no_picture() -> bytes | None:
    return None


def _make(picture: PictureSource) -> bytes | None:
    try:
        return picture()
    except Exception:  # noqa: BLE001 - logged with its traceback; the message goes without a picture
        _log.exception("a picture for a notification could not be made")
        return None
