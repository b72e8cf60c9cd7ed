"""From a marked moment to a flag: its pictures are kept at once, its clip when the seconds after it are over."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

import cv2
import numpy as np
from PIL import Image

import monitor
from monitor.errors import FlagNotFoundError, MonitorError, UsageError
from monitor.evidence import records
from monitor.evidence.exhibits import CLIP, FACES, FRAME, OVERLAY, TRACE
from monitor.evidence.store import new_id
from monitor.overlay import Overlay
from monitor.types import ClipState, Flag, Frame, Label, Observation, Origin, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from monitor.evidence.archive import Archive
    from monitor.models.card import ModelCard
    from monitor.settings import Settings
    from monitor.types import LabelChange, Opinion, Pixels, SourceInfo

_KEPT_SECONDS: Final = 30.0  # of media time in which a moment can still be flagged
_KEPT_BYTES: Final = 64 << 20
_KEPT_CHANGES: Final = 500
_IDLE_EVERY: Final = 0.5  # seconds between kept moments in which no face was scored
_QUALITY: Final = 90  # JPEG
_AGAIN_AFTER: Final = 10.0  # seconds until the same face is flagged automatically once more

_log = logging.getLogger(__name__)


class Clips(Protocol):
    """What can still write down the seconds around a moment."""

    def save(self, path: Path, start: float, end: float) -> object:
        """Write an mp4 of media times ``start`` to ``end``.

        Raises:
            MonitorError: nothing of that span is there any more, or the disk is full.
        """


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who judged, with what."""

    card: ModelCard
    engine: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Mark:
    """What somebody marks, and what they say of it."""

    epoch: int
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


@dataclass(frozen=True, slots=True)
class _Pending:
    flag_id: str
    start: float
    end: float


class Flagger:
    """Makes the flags of one watch; a sink, and told when epochs begin and end.

    Args:
        archive: where flags are kept.
        provenance: who judges; goes into every flag.
        later: runs a job off the analysis thread.
    """

    def __init__(
        self, archive: Archive, *, provenance: Provenance, later: Callable[[Callable[[], None]], None]
    ) -> None:
        self._archive = archive
        self._provenance = provenance
        self._later = later
        self._lock = threading.RLock()
        self._moments: deque[_Moment] = deque()
        self._bytes = 0
        self._changes: deque[LabelChange] = deque(maxlen=_KEPT_CHANGES)
        self._pending: list[_Pending] = []
        self._marked: dict[tuple[int, int, int | None, str], Flag] = {}
        self._accused: dict[int, float] = {}  # track -> media time of its last automatic flag
        self._epoch = 0
        self._info: SourceInfo | None = None
        self._sha256: str | None = None
        self._clips: Clips | None = None
        self._automatic = True

    def opened(
        self, info: SourceInfo, *, epoch: int, clips: Clips, sha256: str | None = None, automatic: bool = True
    ) -> None:
        """A new epoch begins: media time and tracks start again.

        Args:
            info: of the source.
            epoch: its number.
            clips: what keeps the last seconds of it.
            sha256: hex, of a file.
            automatic: whether a face that becomes suspicious is flagged without anybody asking.
        """
        with self._lock:
            self._epoch, self._info, self._clips, self._sha256 = epoch, info, clips, sha256
            self._automatic = automatic
            self._moments.clear()
            self._bytes = 0
            for forgotten in (self._changes, self._accused, self._marked):
                forgotten.clear()

    def __call__(self, frame: Frame, observation: Observation) -> None:
        """Keep what a flag would need of this frame. Runs on the analysis thread."""
        scored = len(observation.scores) or observation.scores.rejected
        now = observation.media_time
        with self._lock:
            self._changes += observation.changes
            if (
                scored
                or observation.changes
                or not self._moments
                or now - self._moments[-1].observation.media_time >= _IDLE_EVERY
            ):
                self._keep(frame, observation)
            due = [pending for pending in self._pending if pending.end <= now]
            for pending in due:
                self._pending.remove(pending)
        for pending in due:
            self._write_clip_of(pending)
        for change in observation.changes:
            if self._automatic and change.after.suspects and not change.before.suspects:
                self._accuse(change)

    def closed(self) -> None:
        """The epoch is over: what clips can still be had are written."""
        with self._lock:
            due, self._pending = self._pending, []
        for pending in due:
            self._write_clip_of(pending)

    def flag(self, mark: Mark) -> Flag:
        """Keep a moment; on return the flag is committed and its pictures are on the disk.

        The same mark twice is one flag.

        Raises:
            UsageError: the moment is no longer there.
            OutputError: the files cannot be written; nothing was kept.
            StoreError: the flag cannot be written; nothing was kept.
        """
        with self._lock:
            key = (mark.epoch, mark.frame_index, mark.track_id, f"{mark.origin}:{mark.reporter}")
            if key in self._marked:
                return self._marked[key]
            moment, info = self._moment(mark), self._info
            if info is None:
                msg = "nothing has been seen yet: wait for the first picture"
                raise UsageError(msg)
            flag, files = self._draft(mark, moment, info)
            flag = replace(flag, exhibits=self._archive.exhibits.keep(flag.id, files))
            try:
                self._archive.store.add(flag, actor=mark.reporter)
            except MonitorError:
                self._archive.exhibits.remove(flag.id)
                raise
            self._marked[key] = flag
            self._pending.append(_Pending(flag.id, flag.start, flag.end))
            return flag

    def _keep(self, frame: Frame, observation: Observation) -> None:
        jpeg = _jpeg(frame.pixels)
        self._moments.append(_Moment(observation, frame.captured_at, jpeg, (frame.width, frame.height)))
        self._bytes += len(jpeg)
        oldest = observation.media_time - _KEPT_SECONDS
        while self._bytes > _KEPT_BYTES or self._moments[0].observation.media_time < oldest:
            self._bytes -= len(self._moments.popleft().jpeg)

    def _moment(self, mark: Mark) -> _Moment:
        """The newest kept moment that is not after the mark: what was on the screen."""
        if mark.epoch != self._epoch:
            msg = "that moment is gone: the source was opened again meanwhile"
            raise UsageError(msg)
        for moment in reversed(self._moments):
            if moment.observation.media_time <= mark.media_time + 1e-3:
                return moment
        msg = f"that moment is gone: only the last {_KEPT_SECONDS:g} s can be flagged"
        raise UsageError(msg)

    def _draft(self, mark: Mark, moment: _Moment, info: SourceInfo) -> tuple[Flag, dict[str, bytes]]:
        seen = moment.observation
        row = _row(seen, mark.track_id)
        verdict = None if row is None else seen.verdicts[row]
        track = None if verdict is None else verdict.track_id
        changes = [records.change(change) for change in self._changes if change.track_id == track]
        settings, card = self._provenance.settings, self._provenance.card
        now = datetime.now(UTC)
        flag = Flag(
            id=new_id(now),
            created_at=now,
            origin=mark.origin,
            reporter=mark.reporter,
            source=info.name,
            source_kind=info.kind,
            source_sha256=self._sha256,
            start=max(0.0, mark.media_time - settings.evidence.pre_roll),
            end=mark.media_time + settings.evidence.post_roll,
            media_time=mark.media_time,
            captured_at=moment.captured_at,
            frame_index=mark.frame_index,
            track_id=track,
            box=None if row is None else _box(seen, row),
            label=Label.NOT_ENOUGH_EVIDENCE if verdict is None else verdict.label,
            probability=None if verdict is None else verdict.probability,
            samples=0 if verdict is None else verdict.samples,
            effective_samples=0.0 if verdict is None else verdict.effective_samples,
            reasons=() if verdict is None else verdict.reasons,
            trace=tuple(changes),
            engine=self._provenance.engine,
            model=card.id,
            weights_sha256=card.weights_sha256,
            program=monitor.__version__,
            settings=settings.record(),
            opinion=mark.opinion,
            category=mark.category,
            note=mark.note,
        )
        files = {
            FRAME: moment.jpeg,
            OVERLAY: _drawn(moment),
            FACES: _json(_faces(moment)),
            TRACE: _json({"changes": changes, "samples": self._samples(track, flag.start)}),
        }
        return flag, files

    def _samples(self, track: int | None, since: float) -> list[dict[str, Any]]:
        """What was scored of a face since then."""
        found = []
        for moment in self._moments:
            seen = moment.observation
            rows = seen.scores.track_ids.tolist()
            if seen.media_time < since or track not in rows:
                continue
            row = rows.index(track)
            verdict = next(one for one in seen.verdicts if one.track_id == track)
            found.append(
                {
                    "frame_index": seen.frame_index,
                    "media_time": round(seen.media_time, 3),
                    "logit": round(float(seen.scores.logits[row]), 4),
                    "weight": round(float(seen.scores.weights[row]), 4),
                    "label": verdict.label,
                    "probability": None if verdict.probability is None else round(verdict.probability, 4),
                }
            )
        return found

    def _accuse(self, change: LabelChange) -> None:
        """Flag a face that became suspicious, unless it did so a moment ago."""
        last = self._accused.get(change.track_id)
        if last is not None and change.media_time - last < _AGAIN_AFTER:
            return
        self._accused[change.track_id] = change.media_time
        mark = Mark(
            epoch=self._epoch,
            media_time=change.media_time,
            frame_index=change.frame_index,
            track_id=change.track_id,
            origin=Origin.AUTOMATIC,
        )
        self._later(lambda: self._flag_quietly(mark))

    def _flag_quietly(self, mark: Mark) -> None:
        try:
            self.flag(mark)
        except MonitorError as error:
            _log.warning("a suspicious moment could not be kept: %s", error)

    def _write_clip_of(self, pending: _Pending) -> None:
        clips = self._clips
        if clips is not None:
            self._later(lambda: self._write_clip(pending, clips))

    def _write_clip(self, pending: _Pending, clips: Clips) -> None:
        """Write a flag's clip and say so in the store. Runs off the analysis thread."""
        exhibits, store, flag_id = self._archive.exhibits, self._archive.store, pending.flag_id
        try:
            try:
                with exhibits.adding(flag_id, CLIP) as path:
                    clips.save(path, pending.start, pending.end)
                kept = (*store.get(flag_id).exhibits, exhibits.exhibit(flag_id, CLIP))
                store.attach(flag_id, kept, clip=ClipState.KEPT)
            except FlagNotFoundError:
                return  # deleted meanwhile
            except MonitorError as error:
                store.attach(flag_id, store.get(flag_id).exhibits, clip=ClipState.MISSING, why=str(error))
        except MonitorError as error:
            _log.warning("the clip of flag %s could not be kept: %s", flag_id, error)


def _row(seen: Observation, track_id: int | None) -> int | None:
    """Of the wanted face, or of the one that is judged worst; None without a face."""
    if track_id is not None:
        return next((row for row, verdict in enumerate(seen.verdicts) if verdict.track_id == track_id), None)

    def badness(row: int) -> tuple[int, float]:
        verdict: Verdict = seen.verdicts[row]
        return verdict.label.severity, verdict.probability or 0.0

    return max(range(len(seen.verdicts)), key=badness, default=None)


def _box(seen: Observation, row: int) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (round(float(edge), 1) for edge in seen.tracked.faces.boxes[row])
    return x1, y1, x2, y2


def _faces(moment: _Moment) -> dict[str, Any]:
    seen = moment.observation
    return {
        "frame_index": seen.frame_index,
        "media_time": round(seen.media_time, 3),
        "width": moment.size[0],
        "height": moment.size[1],
        "faces": [
            {
                "track_id": verdict.track_id,
                "box": list(_box(seen, row)),
                "label": verdict.label,
                "probability": verdict.probability,
            }
            for row, verdict in enumerate(seen.verdicts)
        ],
    }


def _drawn(moment: _Moment) -> bytes:
    """The picture with boxes, labels and heat-map."""
    with Image.open(io.BytesIO(moment.jpeg)) as picture:
        pixels = np.array(picture.convert("RGB"))
    seen = moment.observation
    frame = Frame(
        pixels=pixels,
        index=seen.frame_index,
        media_time=seen.media_time,
        captured_at=moment.captured_at,
        source="",
    )
    return _jpeg(Overlay().draw(frame, seen))


def _jpeg(pixels: Pixels) -> bytes:
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        msg = f"a picture of {pixels.shape} could not be encoded"
        raise RuntimeError(msg)
    return bytes(encoded)


def _json(value: Sequence[Any] | dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
