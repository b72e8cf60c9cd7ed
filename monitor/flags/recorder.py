"""From a marked moment to a flag: its pictures are kept at once, its clip when the seconds after it are over."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Protocol

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
from monitor.results.report import Provenance
from monitor.settings import EvidenceSettings
from monitor.system import jpeg
from monitor.types import Flag, Frame, LabelChange, Observation, Opinion, Origin
from monitor.types.events import Event, FrameAnalysed, LabelChanged, StreamClosed, StreamOpened

_KEPT_SECONDS: Final = 30.0  # of media time in which a moment can still be flagged
_KEPT_BYTES: Final = 64 << 20
_KEPT_CHANGES: Final = 500
_IDLE_EVERY: Final = 0.5  # seconds between kept moments in which no face was scored
_AGAIN_AFTER: Final = 10.0  # seconds until the same face is flagged automatically once more

_log = logging.getLogger(__name__)


class ClipSource(Protocol):
    """Keeps the last seconds of a source, to write clips of them."""

    def add(self, frame: Frame) -> None:
        """Take a frame, where clips are made of frames and not of packets."""

    def save(self, path: Path, start: float, end: float) -> object:
        """Write an mp4 of media times ``start`` to ``end``.

        Raises:
            MonitorError: nothing of that span is there any more, or the disk is full.
        """


@dataclass(frozen=True, slots=True)
class FlagRequest:
    """What somebody marks, and what they say of it."""

    connection: int
    media_time: float
    frame_index: int
    track_id: int | None = None  # None: the face that is judged worst
    reporter: str = ""
    opinion: Opinion | None = None
    category: str = ""
    note: str = ""
    origin: Origin = Origin.PERSON


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    observation: Observation
    captured_at: datetime
    jpeg: bytes
    size: tuple[int, int]  # width, height


@dataclass(frozen=True, slots=True, eq=False)
class _Connection:
    """From one opening of the source to its end."""

    number: int
    provenance: Provenance
    clips: ClipSource
    automatic: bool


@dataclass(frozen=True, slots=True)
class _Pending:
    """A flag whose clip is still to come."""

    flag_id: str
    start: float
    end: float
    clips: ClipSource


class FlagRecorder:
    """Makes the flags of one stream; an observer of it.

    A face that becomes suspicious is flagged by itself: of a live source always, of a file the first time it is played.

    Args:
        archive: where flags are kept.
        later: runs a job off the analysis thread.
        committed: called with each new flag when it is in the database.
    """

    def __init__(
        self,
        archive: FlagArchive,
        *,
        later: Callable[[Callable[[], None]], None],
        committed: Callable[[Flag], None] = lambda _: None,
    ) -> None:
        self._archive = archive
        self._later = later
        self._committed = committed
        self._marking = threading.Lock()  # one flag at a time; frames do not wait for it
        self._lock = threading.Lock()  # of all that follows
        self._prepared: tuple[Provenance, ClipSource] | None = None  # of the connection that is about to begin
        self._connection: _Connection | None = None
        self._over = True
        self._moments: deque[_Moment] = deque()
        self._bytes = 0
        self._changes: deque[LabelChange] = deque(maxlen=_KEPT_CHANGES)
        self._pending: list[_Pending] = []
        self._marked: dict[tuple[int, int, int | None, str], Flag] = {}
        self._accused: dict[int, float] = {}  # track -> media time of its last automatic flag

    def prepare(self, provenance: Provenance, *, clips: ClipSource) -> None:
        """Call it before each ``StreamOpened``.

        Args:
            provenance: of the source and of the classifiers; goes into every flag.
            clips: keeps the last seconds of the source.
        """
        self._prepared = provenance, clips

    def __call__(self, event: Event) -> None:
        """Keep everything that a flag of the last seconds needs; write clips when their last second is over.

        Raises:
            RuntimeError: a source was opened without ``prepare``.
        """
        match event:
            case StreamOpened():
                self._begin(event)
            case FrameAnalysed(frame=frame, observation=observation):
                self._take(frame, observation)
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
            for forgotten in (self._moments, self._changes, self._accused, self._marked):
                forgotten.clear()

    def _take(self, frame: Frame, observation: Observation) -> None:
        with self._lock:
            connection = self._connection
            self._changes += observation.changes
            if self._is_worth_keeping(observation):
                self._keep(frame, observation)
            due = [pending for pending in self._pending if pending.end <= observation.media_time]
            self._pending = [pending for pending in self._pending if pending not in due]
        if connection is not None:
            connection.clips.add(frame)
        self._write_clips(due)

    def _end(self) -> None:
        """Write the clips that are still to come, as far as they can be had."""
        with self._lock:
            due, self._pending, self._over = self._pending, [], True
        self._write_clips(due)

    def flag(self, mark: FlagRequest) -> Flag:
        """Keep a moment; on return the flag is committed and its pictures are on the disk.

        The same mark twice is one flag. The frames go on meanwhile.

        Raises:
            UsageError: the moment is not there, any more or yet.
            OutputError: the files cannot be written; nothing was kept.
            StoreError: the flag cannot be written; nothing was kept.
        """
        key = (mark.connection, mark.frame_index, mark.track_id, f"{mark.origin}:{mark.reporter}")
        with self._marking:
            with self._lock:
                if key in self._marked:
                    return self._marked[key]
                connection, moment = self._found(mark)
                changes, moments = list(self._changes), list(self._moments)
            draft = _draft(mark, moment, provenance=connection.provenance, changes=changes, moments=moments)
            flag = self._archive.add(draft.flag(), draft.files())
            pending = _Pending(flag.id, flag.start, flag.end, connection.clips)
            with self._lock:
                same = connection is self._connection
                if same:
                    self._marked[key] = flag
                over = self._over or not same
                if not over:
                    self._pending.append(pending)
            if over:
                self._write_clips([pending])
        self._committed(flag)
        return flag

    def _is_worth_keeping(self, observation: Observation) -> bool:
        if len(observation.scores) or observation.scores.rejected or observation.changes or not self._moments:
            return True
        return observation.media_time - self._moments[-1].observation.media_time >= _IDLE_EVERY

    def _keep(self, frame: Frame, observation: Observation) -> None:
        content = jpeg.encode(frame.pixels, quality=JPEG_QUALITY)
        self._moments.append(_Moment(observation, frame.captured_at, content, (frame.width, frame.height)))
        self._bytes += len(content)
        oldest = observation.media_time - _KEPT_SECONDS
        while self._bytes > _KEPT_BYTES or self._moments[0].observation.media_time < oldest:
            self._bytes -= len(self._moments.popleft().jpeg)

    def _found(self, mark: FlagRequest) -> tuple[_Connection, _Moment]:
        """The newest kept moment that is not after the mark: what was on the screen."""
        if self._connection is None or not self._moments:
            raise UsageError("nothing has been seen yet: wait for the first picture")
        if mark.connection != self._connection.number:
            raise UsageError("that moment is gone: the source was opened again meanwhile")
        for moment in reversed(self._moments):
            if moment.observation.media_time <= mark.media_time + 1e-3:
                return self._connection, moment
        raise UsageError(f"that moment is gone: only the last {_KEPT_SECONDS:g} s can be flagged")

    def _flag_suspect(self, change: LabelChange) -> None:
        """Flag a face that became suspicious, unless it did so a moment ago."""
        connection = self._connection
        if connection is None or not connection.automatic or not change.after.suspects or change.before.suspects:
            return
        last = self._accused.get(change.track_id)
        if last is not None and change.media_time - last < _AGAIN_AFTER:
            return
        self._accused[change.track_id] = change.media_time
        mark = FlagRequest(
            connection=connection.number,
            media_time=change.media_time,
            frame_index=change.frame_index,
            track_id=change.track_id,
            origin=Origin.AUTOMATIC,
        )
        self._later(lambda: self._flag_quietly(mark))

    def _flag_quietly(self, mark: FlagRequest) -> None:
        try:
            self.flag(mark)
        except MonitorError as error:
            _log.warning("a suspicious moment could not be kept: %s", error)

    def _write_clips(self, due: Sequence[_Pending]) -> None:
        for pending in due:
            self._later(partial(self._write_clip, pending))

    def _write_clip(self, pending: _Pending) -> None:
        """Runs off the analysis thread."""
        try:
            self._archive.add_clip(pending.flag_id, lambda path: pending.clips.save(path, pending.start, pending.end))
        except FlagNotFoundError:
            pass  # deleted meanwhile
        except MonitorError as error:
            _log.warning("the clip of flag %s could not be kept: %s", pending.flag_id, error)


def _mark(request: FlagRequest, settings: EvidenceSettings) -> FlagMark:
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


def _draft(
    request: FlagRequest,
    moment: _Moment,
    *,
    provenance: Provenance,
    changes: Sequence[LabelChange],
    moments: Sequence[_Moment],
) -> FlagDraft:
    """All that is known of a kept moment."""
    frame = observed_frame(moment.observation, picture=moment.jpeg, size=moment.size, captured_at=moment.captured_at)
    return FlagDraft(
        provenance=FlagProvenance.of(provenance, engine=moment.observation.engine),
        mark=_mark(request, provenance.settings.evidence),
        frame=frame,
        face=choose_face(frame.faces or (), track_id=request.track_id),
        changes=[change.to_dict() for change in changes],
        samples=list(observed_samples(each.observation for each in moments)),
    )
