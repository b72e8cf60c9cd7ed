"""The parts of a report that no single value holds; the values themselves have ``to_dict``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from monitor.types import Hint, Label, Segment, SourceInfo, SourceVerdict
from monitor.types.formatting import percent, reasons_in_words
from monitor.types.serialise import JsonObject

if TYPE_CHECKING:
    from monitor.classifiers.model_card import ModelCard


def merged(segments: Iterable[Segment]) -> list[JsonObject]:
    """When anyone at all was suspicious: overlapping segments of all tracks joined, in order of time."""
    spans: list[JsonObject] = []
    for segment in sorted(segments, key=lambda segment: segment.start):
        facts = segment.to_dict()
        one = {key: facts[key] for key in ("start", "end", "label", "peak")} | {"track_ids": [segment.track_id]}
        if not spans or one["start"] > spans[-1]["end"]:
            spans.append(one)
            continue
        last = spans[-1]
        last["end"] = max(last["end"], one["end"])
        last["label"] = max(Label(last["label"]), segment.label, key=lambda label: label.severity).value
        last["peak"] = max(last["peak"], one["peak"])
        last["track_ids"] = sorted({*last["track_ids"], segment.track_id})
    return spans


def in_words(verdict: SourceVerdict) -> str:
    """The verdict on a whole source as one sentence."""
    because = reasons_in_words(verdict.reasons)
    if verdict.label is Label.NOT_ENOUGH_EVIDENCE or verdict.probability is None:
        return f"Not enough evidence: {because}."
    odds = f"P(fake) {percent(verdict.probability)}"
    sentence = {
        Label.LIKELY_REAL: f"Likely real: no face looks manipulated (highest: face {verdict.track_id}, {odds})",
        Label.SUSPICIOUS: f"Suspicious: face {verdict.track_id} may be manipulated ({odds})",
        Label.LIKELY_FAKE: f"Likely fake: face {verdict.track_id} looks manipulated ({odds})",
    }[verdict.label]
    return f"{sentence}; {because}." if because else f"{sentence}."


def source(info: SourceInfo, *, sha256: str | None) -> JsonObject:
    """What was analysed."""
    size = info.path.stat().st_size if info.path is not None and info.path.is_file() else None
    return info.to_dict() | {"sha256": sha256, "bytes": size}


def hints(found: Iterable[Hint]) -> list[JsonObject]:
    """What looks wrong with the stream itself, in order of time."""
    return [hint.to_dict() for hint in sorted(found, key=lambda hint: (hint.start, hint.kind))]


def model(card: ModelCard) -> JsonObject:
    """Who judged, and the limits that its makers state."""
    return {
        "id": card.id,
        "architecture": card.architecture,
        "weights_sha256": card.weights_sha256,
        "calibration": {"scale": card.calibration.scale, "shift": card.calibration.shift},
        "score_process": asdict(card.score_process),
        "limits": card.limits,
        "licence": card.licence,
    }


def source_verdict(verdict: SourceVerdict) -> JsonObject:
    """What is said of the whole source, in words too."""
    return verdict.to_dict() | {"in_words": in_words(verdict)}
