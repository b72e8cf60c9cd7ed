"""Builds a flag and its first files from a draft.

A moment of a live stream and a span of an analysed file both fill a :class:`FlagDraft`, so their flags and files have
the same keys.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self

import monitor
from monitor.flags.database import new_id
from monitor.flags.files import FACES, FRAME, OVERLAY, TRACE
from monitor.overlay import Overlay
from monitor.results.report import Provenance
from monitor.system import jpeg
from monitor.types import Flag, Frame, Label, Observation, Opinion, Origin, Reason, Verdict
from monitor.types.serialise import HIDDEN, PROBABILITY, Serialisable, json_file

JPEG_QUALITY: Final = 90
_BOX: Final[Mapping[str, Any]] = {"digits": 1}

_WHOLE_PICTURE: Final[Mapping[str, Any]] = {  # the fields of a flag without a face
    "track_id": None,
    "box": None,
    "label": Label.NOT_ENOUGH_EVIDENCE,
    "probability": None,
    "samples": 0,
    "effective_samples": 0.0,
    "reasons": (),
}

Box = tuple[float, float, float, float]  # x1 y1 x2 y2, pixels of the frame


@dataclass(frozen=True, slots=True)
class FlagProvenance:
    """The source, engine, model and settings of a flag, under its names."""

    source: str  # display name, passwords masked
    source_kind: str
    source_sha256: str | None  # hex, of a file
    engine: str
    model: str  # id of the weights
    weights_sha256: str
    program: str  # version of this program
    settings: Mapping[str, Any]  # as JSON values

    @classmethod
    def of(cls, provenance: Provenance, *, engine: str) -> Self:
        """The provenance of a running analysis, with the engine of the flagged frame."""
        return cls(
            source=provenance.source.name,
            source_kind=provenance.source.kind,
            source_sha256=provenance.sha256,
            engine=engine,
            model=provenance.model.id,
            weights_sha256=provenance.model.weights_sha256,
            program=monitor.__version__,
            settings=provenance.settings.record(),
        )


@dataclass(frozen=True, slots=True)
class FlagMark:
    """The marked moment, the span around it, and the reporter's words, under the flag's names."""

    media_time: float  # seconds, within the span
    frame_index: int
    start: float  # media time of the clip, seconds
    end: float
    origin: Origin = Origin.PERSON
    reporter: str = ""
    opinion: Opinion | None = None
    category: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class FlagFace(Serialisable):
    """A face in the flagged frame with the verdict on its track at this frame; an item of ``faces.json``."""

    track_id: int
    box: Box | None = field(metadata=_BOX)  # None: unknown
    label: Label
    probability: float | None = field(metadata=PROBABILITY)  # calibrated P(fake) of the track; None: unknown
    samples: int = field(metadata=HIDDEN)  # usable samples up to the moment
    effective_samples: float = field(metadata=HIDDEN)
    reasons: tuple[Reason, ...] = field(metadata=HIDDEN)


@dataclass(frozen=True, slots=True, eq=False)
class FlagFrame(Serialisable):
    """The flagged frame; its JSON form is the content of ``faces.json``."""

    frame_index: int
    media_time: float
    width: int  # pixels, the unit of the boxes
    height: int
    faces: tuple[FlagFace, ...] | None  # all faces in the frame; None: their boxes are unknown
    captured_at: datetime = field(metadata=HIDDEN)  # UTC
    picture: bytes = field(metadata=HIDDEN, repr=False)  # JPEG
    overlay: bytes = field(metadata=HIDDEN, repr=False)  # JPEG, with boxes and labels


@dataclass(frozen=True, slots=True)
class FlagSample(Serialisable):
    """A scored sample of a face with the verdict on its track after this sample; an item of ``trace.json``."""

    track_id: int = field(metadata=HIDDEN)
    frame_index: int
    media_time: float
    log_odds: float = field(metadata=PROBABILITY)  # calibrated
    weight: float = field(metadata=PROBABILITY)  # 0..1
    label: Label
    probability: float | None = field(metadata=PROBABILITY)
    box: Box | None = field(default=None, metadata=_BOX)  # of the face; None: unknown


@dataclass(frozen=True, slots=True, eq=False)
class FlagDraft:
    """The content of a new flag.

    ``changes`` and ``samples`` may contain all tracks: the flag keeps only the changes and samples of its own track,
    and only the samples since its start.
    """

    provenance: FlagProvenance
    mark: FlagMark
    frame: FlagFrame
    face: FlagFace | None  # the flagged face; None: the whole picture
    changes: Sequence[Mapping[str, Any]]  # label changes, as in report.json
    samples: Sequence[FlagSample]

    def flag(self, flag_id: str = "") -> Flag:
        """Build a flag with this id, or with a new one."""
        now = datetime.now(UTC)
        return Flag(
            id=flag_id or new_id(now),
            created_at=now,
            captured_at=self.frame.captured_at,
            trace=self._trace,
            **asdict(self.provenance),
            **asdict(self.mark),
            **(_WHOLE_PICTURE if self.face is None else asdict(self.face)),
        )

    def files(self) -> dict[str, bytes]:
        """The content of the flag's first files, by name."""
        samples = [
            sample.to_dict()
            for sample in self.samples
            if sample.track_id == self._track and sample.media_time >= self.mark.start
        ]
        return {
            FRAME: self.frame.picture,
            OVERLAY: self.frame.overlay,
            FACES: json_file(self.frame.to_dict()),
            TRACE: json_file({"changes": self._trace, "samples": samples}),
        }

    @property
    def _track(self) -> int | None:
        return None if self.face is None else self.face.track_id

    @property
    def _trace(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(change for change in self.changes if change["track_id"] == self._track)


def observed_frame(
    observation: Observation, *, picture: bytes, captured_at: datetime, selected: int | None = None
) -> FlagFrame:
    """The frame of an observation with all of its faces.

    Args:
        picture: the frame as JPEG, in full size.
        captured_at: UTC.
        selected: track id of the flagged face, for its plate; None: the whole picture is flagged.
    """
    frame = Frame(
        pixels=jpeg.decode(picture),
        index=observation.frame_index,
        media_time=observation.media_time,
        captured_at=captured_at,
        source="",
    )
    boxes = observation.tracked.faces.boxes.tolist()
    return FlagFrame(
        frame_index=observation.frame_index,
        media_time=observation.media_time,
        width=frame.width,
        height=frame.height,
        faces=tuple(_observed_face(verdict, box) for verdict, box in zip(observation.verdicts, boxes, strict=True)),
        captured_at=captured_at,
        picture=picture,
        overlay=jpeg.encode(Overlay().draw(frame, observation, selected=selected), quality=JPEG_QUALITY),
    )


def observed_samples(observations: Iterable[Observation]) -> Iterator[FlagSample]:
    """The scored samples of these observations."""
    for observation in observations:
        scores = observation.scores
        verdicts = {verdict.track_id: verdict for verdict in observation.verdicts}
        tracked = observation.tracked
        boxes = dict(zip(tracked.track_ids.tolist(), map(_to_box, tracked.faces.boxes.tolist()), strict=True))
        columns = (scores.track_ids.tolist(), scores.log_odds.tolist(), scores.weights.tolist())
        for track_id, log_odds, weight in zip(*columns, strict=True):
            yield FlagSample(
                track_id=track_id,
                frame_index=observation.frame_index,
                media_time=observation.media_time,
                log_odds=log_odds,
                weight=weight,
                label=verdicts[track_id].label,
                probability=verdicts[track_id].probability,
                box=boxes.get(track_id),
            )


def choose_face(faces: Iterable[FlagFace], *, track_id: int | None) -> FlagFace | None:
    """The face of a track, or without ``track_id`` the face with the worst verdict; None if there is none."""
    if track_id is not None:
        return next((face for face in faces if face.track_id == track_id), None)
    return max(faces, key=lambda face: (face.label.severity, face.probability or 0.0), default=None)


def _observed_face(verdict: Verdict, edges: Iterable[float]) -> FlagFace:
    return FlagFace(
        track_id=verdict.track_id,
        box=_to_box(edges),
        label=verdict.label,
        probability=verdict.probability,
        samples=verdict.samples,
        effective_samples=verdict.effective_samples,
        reasons=verdict.reasons,
    )


def _to_box(edges: Iterable[float]) -> Box:
    x1, y1, x2, y2 = (round(edge, 1) for edge in edges)
    return x1, y1, x2, y2
