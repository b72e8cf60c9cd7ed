"""The vocabulary as JSON: plain objects, finite numbers, rounded; their fields are in ``report.schema.json``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from monitor.overlay.plates import percent
from monitor.types import Hint, Label, LabelChange, Segment, SourceInfo, SourceVerdict, TrackSummary

if TYPE_CHECKING:
    from monitor.classifiers.model_card import ModelCard

Record = dict[str, Any]


def merged(segments: Iterable[Segment]) -> list[Record]:
    """When anyone at all was suspicious: overlapping segments of all tracks joined, in order of time."""
    spans: list[Record] = []
    for segment in sorted(segments, key=lambda segment: segment.start):
        one = {
            "start": _number(segment.start),
            "end": _number(segment.end),
            "label": segment.label,
            "peak": _number(segment.peak, 4),
            "track_ids": [segment.track_id],
        }
        if not spans or one["start"] > spans[-1]["end"]:
            spans.append(one)
            continue
        last = spans[-1]
        last["end"] = max(last["end"], one["end"])
        last["label"] = max(last["label"], segment.label, key=lambda label: label.severity)
        last["peak"] = max(last["peak"], one["peak"])
        last["track_ids"] = sorted({*last["track_ids"], segment.track_id})
    return spans


def in_words(verdict: SourceVerdict) -> str:
    """The verdict on a whole source as one sentence."""
    because = ", ".join(reason.in_words for reason in verdict.reasons)
    if verdict.label is Label.NOT_ENOUGH_EVIDENCE or verdict.probability is None:
        return f"Not enough evidence: {because}."
    odds = f"P(fake) {percent(verdict.probability)}"
    sentence = {
        Label.LIKELY_REAL: f"Likely real: no face looks manipulated (highest: face {verdict.track_id}, {odds})",
        Label.SUSPICIOUS: f"Suspicious: face {verdict.track_id} may be manipulated ({odds})",
        Label.LIKELY_FAKE: f"Likely fake: face {verdict.track_id} looks manipulated ({odds})",
    }[verdict.label]
    return f"{sentence}; {because}." if because else f"{sentence}."


def _number(value: float | None, digits: int = 3) -> float | None:
    """Rounded; None for what is unknown or no finite number, which JSON cannot hold."""
    return None if value is None or not math.isfinite(value) else round(float(value), digits)


def source(info: SourceInfo, *, sha256: str | None) -> Record:
    """What was analysed."""
    return {
        "name": info.name,
        "kind": info.kind,
        "live": info.live,
        "still": info.still,
        "synthetic": info.synthetic,
        "sha256": sha256,
        "bytes": info.path.stat().st_size if info.path is not None and info.path.is_file() else None,
        "width": info.width,
        "height": info.height,
        "fps": _number(info.fps),
        "duration": _number(info.duration),
        "has_audio": info.has_audio,
    }


def hints(found: Iterable[Hint]) -> list[Record]:
    """What looks wrong with the stream itself, in order of time."""
    return [
        {
            "kind": hint.kind,
            "start": _number(hint.start),
            "end": _number(hint.end),
            "detail": hint.detail,
            "in_words": hint.in_words,
        }
        for hint in sorted(found, key=lambda hint: (hint.start, hint.kind))
    ]


def model(card: ModelCard) -> Record:
    """Who judged, and the limits that its makers state."""
    return {
        "id": card.id,
        "architecture": card.architecture,
        "weights_sha256": card.weights_sha256,
        "calibration": {"scale": card.calibration.scale, "shift": card.calibration.shift},
        "limits": card.limits,
        "licence": card.licence,
    }


def source_verdict(verdict: SourceVerdict) -> Record:
    """What is said of the whole source, in words too."""
    return {
        "label": verdict.label,
        "probability": _number(verdict.probability, 4),
        "track_id": verdict.track_id,
        "reasons": list(verdict.reasons),
        "in_words": in_words(verdict),
    }


def track(summary: TrackSummary) -> Record:
    """What is said of one face over its whole time."""
    verdict = summary.verdict
    return {
        "track_id": summary.track_id,
        "first_seen": _number(summary.first_seen),
        "last_seen": _number(summary.last_seen),
        "label": verdict.label,
        "probability": _number(verdict.probability, 4),
        "confidence": _number(verdict.confidence, 4),
        "reasons": list(verdict.reasons),
        "samples": verdict.samples,
        "effective_samples": _number(verdict.effective_samples),
        "usable_share": _number(verdict.usable_share, 4),
        "label_seconds": {label: _number(summary.label_seconds.get(label, 0.0)) for label in Label},
    }


def segment(span: Segment) -> Record:
    """When one face was suspicious."""
    return {
        "track_id": span.track_id,
        "start": _number(span.start),
        "end": _number(span.end),
        "duration": _number(span.duration),
        "label": span.label,
        "peak": _number(span.peak, 4),
        "mean": _number(span.mean, 4),
        "best_frame": span.best_frame,
        "best_time": _number(span.best_time),
    }


def change(change: LabelChange) -> Record:
    """Why a label changed, and which samples moved it."""
    return {
        "track_id": change.track_id,
        "frame_index": change.frame_index,
        "media_time": _number(change.media_time),
        "began": _number(change.began),
        "restarted_at": _number(change.restarted_at),
        "before": change.before,
        "after": change.after,
        "probability": _number(change.probability, 4),
        "threshold": _number(change.threshold, 4),
        "window": [_number(edge) for edge in change.window],
        "reasons": list(change.reasons),
        "witnesses": [
            {
                "frame_index": witness.frame_index,
                "media_time": _number(witness.media_time),
                "logit": _number(witness.logit, 4),
                "contribution": _number(witness.contribution, 4),
            }
            for witness in change.witnesses
        ],
    }
