"""Records flags of a stream: the pictures at once, the clip after the post-roll.

The moment, its trace and the pictures of its clip are reserved at the time of the flag. The commit and the clip may
wait for a busy machine.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from monitor.errors import FlagNotFoundError, MonitorError, UsageError
from monitor.flags.archive import FlagArchive
from monitor.flags.builder import (
    JPEG_QUALITY,
    FlagDraft,
    FlagMark,
    FlagProvenance,
    choose_face,
    observed_frame,
    observed_samples,
)
from monitor.flags.clips import ClipBuffer, ClipReservation
from monitor.results.report import Provenance
from monitor.settings import EvidenceSettings
from monitor.system import jpeg
from monitor.types import Flag, Frame, LabelChange, Observation, Opinion, Origin
from monitor.types.events import Event, FrameAnalysed, LabelChanged, StreamClosed, StreamOpened

_MAX_AGE: Final = 30.0  # seconds of media time: older moments cannot be flagged
_MAX_BYTES: Final = 64 << 20
_MAX_CHANGES: Final = 500
_IDLE_INTERVAL: Final = 0.5  # seconds between two buffered moments without a scored face
_AUTOMATIC_INTERVAL: Final = 10.0  # seconds between two automatic flags of the same face

_MarkKey = tuple[int, int, int | None, str]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FlagRequest:
    """A request to flag a moment, with the reporter's opinion and note."""

    connection: int
    media_time: float
    frame_index: int
    track_id: int | None = None  # None: the face with the worst verdict
    reporter: str = ""
    opinion: Opinion | None = None
    category: str = ""
    note: str = ""
    origin: Origin = Origin.PERSON
    flag_id: str = ""  # id of the new flag; "": a new one

    @property
    def key(self) -> "_MarkKey":
        """Equal for repeated requests."""
        return self.connection, self.frame_index, self.track_id, f"{self.origin}:{self.reporter}"


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    observation: Observation
    captured_at: datetime
    jpeg: bytes


@dataclass(frozen=True, slots=True, eq=False)
class _Connection:
    """The current connection of the source."""

    number: int
    provenance: Provenance
    clips: ClipBuffer
    automatic: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Mark:
    """A moment to flag: all that the flag will contain, although the buffers move on."""

    request: FlagRequest
    connection: _Connection
    moment: _Moment
    changes: Sequence[LabelChange]
    observations: Sequence[Observation]
    clip: ClipReservation[Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    """A flag without its clip."""

    flag_id: str
    end: float
    clip: ClipReservation[Any]


class FlagRecorder:
    """Records the flags of one stream; an observer.

    A face that becomes suspicious is flagged automatically: always on a live source, on a file only in its first
    playback.

    Args:
        submit: runs a job on another thread than the analysis thread.
        on_commit: called with each new flag after its commit.
    """

    def __init__(
        self,
        archive: FlagArchive,
        *,
        submit: Callable[[Callable[[], None]], None],
        on_commit: Callable[[Flag], None] = lambda _: None,
    ) -> None:
        self._archive = archive
        self._submit = submit
        self._on_commit = on_commit
        self._marking = threading.Lock()  # one flag at a time; frames do not wait for it
        self._lock = threading.Lock()  # guards all fields below
        self._prepared: tuple[Provenance, ClipBuffer] | None = None  # of the next connection
        self._connection: _Connection | None = None
        self._over = True
        self._moments: deque[_Moment] = deque()
        self._bytes = 0
        self._changes: deque[LabelChange] = deque(maxlen=_MAX_CHANGES)
        self._pending: list[_Pending] = []
        self._marked: dict[_MarkKey, Flag] = {}
        self._last_automatic: dict[int, float] = {}  # track -> media time of its last automatic flag

    def prepare(self, provenance: Provenance, *, clips: ClipBuffer) -> None:
        """Prepare for the next connection; call it before each ``StreamOpened``."""
        self._prepared = provenance, clips

    def __call__(self, event: Event) -> None:
        """Buffer the moments of the last seconds; write each clip after its end.

        Raises:
            RuntimeError: a source was opened without ``prepare``.
        """
        match event:
            case StreamOpened():
                self._begin(event)
            case FrameAnalysed(frame=frame, observation=observation):
                self._add_frame(frame, observation)
            case LabelChanged(change=change):
                self._flag_suspect(change)
            case StreamClosed():
                self._end()

    def _begin(self, event: StreamOpened) -> None:
        if self._prepared is None:
            raise RuntimeError("prepare() must be called before a source is opened")
        automatic = event.source.live or event.connection == 1
        with self._lock:
            self._connection, self._over = _Connection(event.connection, *self._prepared, automatic), False
            self._bytes = 0
            for buffer in (self._moments, self._changes, self._last_automatic, self._marked):
                buffer.clear()

    def _add_frame(self, frame: Frame, observation: Observation) -> None:
        with self._lock:
            connection = self._connection
            self._changes += observation.changes
            if self._should_buffer(observation):
                self._buffer_moment(frame, observation)
            due = [pending for pending in self._pending if pending.end <= observation.media_time]
            self._pending = [pending for pending in self._pending if pending not in due]
        if connection is not None:
            connection.clips.add(frame)
        self._write_clips(due)

    def _end(self) -> None:
        """Write all pending clips, as far as they are buffered."""
        with self._lock:
            due, self._pending, self._over = self._pending, [], True
        self._write_clips(due)

    def flag(self, mark: FlagRequest) -> Flag:
        """Flag a moment; on return, the flag is committed and its pictures are on disk.

        A repeated mark returns the same flag. The analysis of frames continues meanwhile.

        Raises:
            UsageError: the moment is not buffered.
            OutputError: the files cannot be written; nothing was stored.
            StoreError: the flag cannot be written; nothing was stored.
        """
        with self._lock:
            if (known := self._marked.get(mark.key)) is not None:
                return known
            reserved = self._mark(mark)
        return self._commit(reserved)

    def picture(self, *, connection: int, media_time: float) -> bytes:
        """The buffered picture at a moment, as JPEG in full size.

        Raises:
            UsageError: the moment is not buffered.
        """
        with self._lock:
            return self._find_moment(FlagRequest(connection=connection, media_time=media_time, frame_index=0))[1].jpeg

    def _mark(self, request: FlagRequest) -> _Mark:
        """Reserve all that a flag needs; call it with the lock, then ``_commit`` on any thread."""
        connection, moment = self._find_moment(request)
        span = _flag_mark(request, connection.provenance.settings.evidence)
        return _Mark(
            request=request,
            connection=connection,
            moment=moment,
            changes=list(self._changes),
            observations=[buffered.observation for buffered in self._moments],
            clip=connection.clips.reserve(start=span.start, moment=span.media_time, end=span.end),
        )

    def _commit(self, mark: _Mark) -> Flag:
        """Commit a marked moment; its clip is written when its last second is over."""
        with self._marking:
            with self._lock:
                known = self._marked.get(mark.request.key)
            if known is not None:
                mark.clip.release()
                return known
            try:
                draft = _draft(mark)
                flag = self._archive.add(draft.flag(mark.request.flag_id), draft.files())
            except BaseException:
                mark.clip.release()
                raise
            pending = _Pending(flag.id, flag.end, mark.clip)
            with self._lock:
                is_current = mark.connection is self._connection
                if is_current:
                    self._marked[mark.request.key] = flag
                over = self._over or not is_current
                if not over:
                    self._pending.append(pending)
            if over:
                self._write_clips([pending])
        self._on_commit(flag)
        return flag

    def _should_buffer(self, observation: Observation) -> bool:
        if len(observation.scores) or observation.scores.rejected or observation.changes or not self._moments:
            return True
        return observation.media_time - self._moments[-1].observation.media_time >= _IDLE_INTERVAL

    def _buffer_moment(self, frame: Frame, observation: Observation) -> None:
        content = jpeg.encode(frame.pixels, quality=JPEG_QUALITY)
        self._moments.append(_Moment(observation, frame.captured_at, content))
        self._bytes += len(content)
        oldest = observation.media_time - _MAX_AGE
        while self._bytes > _MAX_BYTES or self._moments[0].observation.media_time < oldest:
            self._bytes -= len(self._moments.popleft().jpeg)

    def _find_moment(self, mark: FlagRequest) -> tuple[_Connection, _Moment]:
        """The newest buffered moment at or before the mark, which was on the screen."""
        if self._connection is None or not self._moments:
            raise UsageError("no frame has been analysed yet: wait for the first picture")
        if mark.connection != self._connection.number:
            raise UsageError("that moment is no longer available: the source was opened again meanwhile")
        if mark.media_time > self._moments[-1].observation.media_time + 2 * _IDLE_INTERVAL:
            raise UsageError("that moment has not been analysed yet")  # its clip would reserve memory without an end
        for moment in reversed(self._moments):
            if moment.observation.media_time <= mark.media_time + 1e-3:
                return self._connection, moment
        raise UsageError(f"that moment is no longer available: only the last {_MAX_AGE:g} s can be flagged")

    def _flag_suspect(self, change: LabelChange) -> None:
        """Flag a face that became suspicious, unless it was flagged within the last seconds."""
        connection = self._connection
        if connection is None or not connection.automatic or not change.after.suspects or change.before.suspects:
            return
        last = self._last_automatic.get(change.track_id)
        if last is not None and change.media_time - last < _AUTOMATIC_INTERVAL:
            return
        self._last_automatic[change.track_id] = change.media_time
        request = FlagRequest(
            connection=connection.number,
            media_time=change.media_time,
            frame_index=change.frame_index,
            track_id=change.track_id,
            origin=Origin.AUTOMATIC,
        )
        try:
            with self._lock:
                mark = self._mark(request)
        except MonitorError as error:
            _log.warning("an automatic flag could not be stored: %s", error)
            return
        self._submit(partial(self._commit_or_log, mark))

    def _commit_or_log(self, mark: _Mark) -> None:
        try:
            self._commit(mark)
        except MonitorError as error:
            _log.warning("an automatic flag could not be stored: %s", error)

    def _write_clips(self, due: Sequence[_Pending]) -> None:
        for pending in due:
            self._submit(partial(self._write_clip, pending))

    def _write_clip(self, pending: _Pending) -> None:
        """Write one clip; runs on another thread than the analysis thread."""
        try:
            self._archive.add_clip(pending.flag_id, pending.clip.save)
        except FlagNotFoundError:
            pass  # deleted meanwhile
        except MonitorError as error:
            _log.warning("the clip of flag %s could not be written: %s", pending.flag_id, error)
        finally:
            pending.clip.release()


def _flag_mark(request: FlagRequest, settings: EvidenceSettings) -> FlagMark:
    return FlagMark(
        media_time=request.media_time,
        frame_index=request.frame_index,
        start=max(0.0, request.media_time - settings.pre_roll),
        end=request.media_time + settings.post_roll,
        origin=request.origin,
        reporter=request.reporter,
        opinion=request.opinion,
        category=request.category,
        note=request.note,
    )


def _draft(mark: _Mark) -> FlagDraft:
    """The draft of a flag at a buffered moment."""
    moment, provenance = mark.moment, mark.connection.provenance
    frame = observed_frame(
        moment.observation,
        picture=moment.jpeg,
        captured_at=moment.captured_at,
        selected=mark.request.track_id,
    )
    return FlagDraft(
        provenance=FlagProvenance.of(provenance, engine=moment.observation.engine),
        mark=_flag_mark(mark.request, provenance.settings.evidence),
        frame=frame,
        face=choose_face(frame.faces or (), track_id=mark.request.track_id),
        changes=[change.to_dict() for change in mark.changes],
        samples=list(observed_samples(mark.observations)),
    )
