"""Observations made by hand, for tests of what a person sees and keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from support.flagging import flag

from monitor.types import (
    Faces,
    Frame,
    Hint,
    HintKind,
    Label,
    LabelChange,
    Observation,
    Qualities,
    Reason,
    ScoredSample,
    Scores,
    Segment,
    SourceInfo,
    SourceVerdict,
    TrackedFaces,
    TrackSummary,
    Verdict,
)
from monitor.types.events import (
    Event,
    FlagCommitted,
    FrameAnalysed,
    HintRaised,
    LabelChanged,
    SegmentClosed,
    StreamClosed,
    StreamOpened,
    StreamStateChanged,
)
from monitor.types.stats import SessionStats

ENGINE = "onnxruntime-fp32"


@dataclass(frozen=True)
class Face:
    """One followed face in one frame; scored if it has log-odds, rejected if it has reasons for that."""

    box: tuple[float, float, float, float]
    track: int = 1
    label: Label = Label.LIKELY_REAL
    probability: float | None = 0.1
    reasons: tuple[Reason, ...] = ()
    log_odds: float | None = None
    crop: tuple[float, float, float, float] | None = None  # the box's own if None
    evidence: np.ndarray | None = None  # the log-odds everywhere if None
    rejected: tuple[Reason, ...] = ()

    @property
    def verdict(self) -> Verdict:
        return verdict(self.track, self.label, self.probability, self.reasons)


def verdict(track: int, label: Label, probability: float | None, reasons: tuple[Reason, ...] = ()) -> Verdict:
    return Verdict(
        track_id=track,
        label=label,
        probability=probability,
        samples=8,
        effective_samples=2.4,
        usable_share=0.9,
        reasons=reasons,
        since=0.0,
    )


def frame(pixels: np.ndarray, media_time: float = 0.0, index: int = 0) -> Frame:
    return Frame(
        pixels=pixels, index=index, media_time=media_time, captured_at=datetime(2026, 1, 1, tzinfo=UTC), source="test"
    )


def observation(
    faces: Sequence[Face] = (),
    *,
    media_time: float = 0.0,
    index: int = 0,
    ended: Sequence[TrackSummary] = (),
    changes: Sequence[LabelChange] = (),
    segments: Sequence[Segment] = (),
) -> Observation:
    n = len(faces)
    zeros = np.zeros(n, np.float32)
    return Observation(
        frame_index=index,
        media_time=media_time,
        tracked=TrackedFaces(
            faces=Faces(
                boxes=np.array([face.box for face in faces], np.float32).reshape(n, 4),
                probabilities=zeros + 1,
                landmarks=np.zeros((n, 5, 2), np.float32),
            ),
            track_ids=np.array([face.track for face in faces], np.int64),
        ),
        qualities=Qualities(
            size=zeros, sharpness=zeros, brightness=zeros, yaw=zeros, pitch=zeros, roll=zeros, weights=zeros,
            reasons=tuple(face.rejected for face in faces),
        ),
        scores=_scores(faces),
        verdicts=tuple(face.verdict for face in faces),
        changes=tuple(changes),
        closed_segments=tuple(segments),
        ended_tracks=tuple(ended),
        engine=ENGINE,
        detected=True,
        scene_cut=False,
    )  # fmt: skip


def _scores(faces: Sequence[Face]) -> Scores:
    rejected = {face.track: face.rejected for face in faces if face.rejected}
    scored = [face for face in faces if face.log_odds is not None]
    if not scored:
        return Scores.none(rejected)
    log_odds = [face.log_odds or 0.0 for face in scored]
    maps = [
        np.full((3, 3), score) if face.evidence is None else face.evidence
        for face, score in zip(scored, log_odds, strict=True)
    ]
    return Scores(
        track_ids=np.array([face.track for face in scored], np.int64),
        log_odds=np.array(log_odds, np.float32),
        evidence_maps=np.array(maps, np.float32),
        crops=np.array([face.crop or face.box for face in scored], np.float32),
        weights=np.full(len(scored), 0.75, np.float32),
        rejected=rejected,
    )


def summary(track: int, label: Label = Label.LIKELY_REAL, probability: float | None = 0.1) -> TrackSummary:
    reasons = (Reason.TOO_SMALL,) if label is Label.NOT_ENOUGH_EVIDENCE else ()
    return TrackSummary(
        track_id=track,
        first_seen=0.2,
        last_seen=4.0,
        verdict=verdict(track, label, probability, reasons),
        label_seconds={Label.NOT_ENOUGH_EVIDENCE: 0.6, label: 3.2},
    )


def change(track: int, after: Label = Label.LIKELY_FAKE, media_time: float = 2.0) -> LabelChange:
    return LabelChange(
        track_id=track,
        frame_index=round(media_time * 25),
        media_time=media_time,
        before=Label.NOT_ENOUGH_EVIDENCE,
        after=after,
        probability=0.931_234_567,
        window=(0.2, media_time),
        threshold=0.9,
        reasons=(),
        witnesses=(ScoredSample(frame_index=40, media_time=1.6, log_odds=3.123_456, contribution=1.5),),
        began=1.2,
        restarted_at=1.1,
    )


def segment(track: int, start: float, end: float, label: Label = Label.SUSPICIOUS, peak: float = 0.8) -> Segment:
    return Segment(
        track_id=track,
        start=start,
        end=end,
        label=label,
        peak=peak,
        mean=peak - 0.1,
        best_frame=round(start * 25),
        best_time=start,
    )


def source_info(path: Path | None = None, **changes: object) -> SourceInfo:
    facts = {
        "name": str(path or "demo:"),
        "kind": "file" if path else "demo",
        "live": False,
        "width": 640,
        "height": 360,
        "fps": 25.0,
        "duration": 4.2,
        "frame_count": 105,
        "path": path,
    }
    return SourceInfo(**{**facts, **changes})  # type: ignore[arg-type]


_OF: Final[dict[str, Any]] = {"stream": "cam", "connection": 1, "at": datetime(2026, 1, 1, tzinfo=UTC)}
EVENTS: Final[Sequence[Event]] = (  # one of each type
    StreamOpened(**_OF, source=source_info(), engine=ENGINE, model="m"),
    FrameAnalysed(**_OF, frame=frame(np.zeros((4, 4, 3), np.uint8)), observation=observation()),
    LabelChanged(**_OF, change=change(1), verdict=verdict(1, Label.LIKELY_FAKE, 0.93)),
    SegmentClosed(**_OF, segment=segment(1, 1.0, 2.0)),
    HintRaised(**_OF, hint=Hint(HintKind.FROZEN, 1.0)),
    FlagCommitted(**_OF, flag=flag()),
    StreamStateChanged(**_OF, state="reconnecting", reason="gone", attempt=2),
    StreamClosed(
        **_OF, verdict=SourceVerdict(Label.LIKELY_FAKE, 0.93124, 1, ()), segments=(segment(1, 1.0, 2.0),),
        tracks=(summary(1),), frames=SessionStats.counted(2, dropped={}, lost={}),
    ),
)  # fmt: skip
