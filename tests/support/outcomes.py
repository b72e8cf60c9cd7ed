"""Outcomes made by hand, for the tests of what is computed from them."""

from pathlib import Path

import numpy as np

from monitor.classifiers import load_classifier
from monitor.lab.evaluation.outcomes import (
    MediaSpan,
    Outcome,
    ScoredFrame,
    VideoTimeline,
    decide,
)
from monitor.lab.evaluation.page import Subject
from monitor.settings import Settings, VerdictSettings
from monitor.types import Label, Reason


def outcome(
    name: str,
    *,
    label: int = 0,
    probability: float | None = 0.1,
    reasons: tuple[Reason, ...] = (),
    failure: str = "",
    **others: object,
) -> Outcome:
    """An outcome decided by the shipped thresholds, unless it says otherwise."""
    if failure:
        decision, probability = None, None
    elif probability is None:
        decision, reasons = Label.NOT_ENOUGH_EVIDENCE, reasons or (Reason.NO_FACE,)
    else:
        decision, reasons = decide(probability, VerdictSettings())
    facts = {
        "dataset": "made",
        "id": name,
        "path": f"{name}.mp4",
        "label": label,
        "method": "swap" if label else "",
        "group": "",
        "decision": decision,
        "probability": probability,
        "reasons": reasons,
        "failure": failure,
    }
    return Outcome(**{**facts, **others})  # type: ignore[arg-type]


def footage(duration: float = 60.0, **others: object) -> VideoTimeline:
    """A minute of one face, seen as real all along."""
    facts = {
        "duration": duration,
        "frames": round(25 * duration),
        "faces": 1,
        "fake_spans": None,
        "alarms": (),
        "moments": (),
        "face_seconds": duration,
        "abstaining_seconds": 0.0,
        "flips": 0,
    }
    return VideoTimeline(**{**facts, **others})  # type: ignore[arg-type]


def moments(*spans: tuple[float, float, Label], probability: float = 0.5) -> tuple[ScoredFrame, ...]:
    """Five moments a second under each label from start to end."""
    return tuple(
        ScoredFrame(media_time=float(time), label=label, probability=probability, sample=probability)
        for start, end, label in spans
        for time in np.arange(start, end - 1e-9, 0.2)
    )


def span(start: float, end: float) -> MediaSpan:
    return MediaSpan(start, end)


def crowd(count: int = 120, *, seed: int = 0) -> list[Outcome]:
    """Crops of two data sets and two methods: mostly told apart, three without a face, one unreadable."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        label = number % 2
        probability = float(np.clip(random.normal(0.35 + 0.3 * label, 0.2), 0.01, 0.99))
        faceless = number in (10, 21, 30)
        made.append(
            outcome(
                f"crop{number}",
                label=label,
                probability=None if faceless else probability,
                method=("", "swap", "", "reenact")[number % 4],
                dataset=("first", "second")[number % 3 == 0],
                group=f"g{number // 4}",
            )
        )
    made.append(outcome("broken", label=1, failure="broken.mp4: holds no picture; is it a video?"))
    return made


def films() -> list[Outcome]:
    """Half an hour of real footage, a partly fake clip that was detected late, and a file that is not there."""
    late = footage(
        20,
        fake_spans=(span(10, 16),),
        alarms=(span(11, 17),),
        moments=moments((0, 12, Label.LIKELY_REAL), (12, 17, Label.LIKELY_FAKE), (17, 20, Label.LIKELY_REAL)),
        flips=2,
    )
    return [
        outcome("real/<b>walk</b>", footage=footage(1800)),
        outcome("partly", label=1, probability=0.97, footage=late),
        outcome("gone", label=0, failure="gone.mp4: there is no such file"),
    ]


def damage(shard: Path) -> None:
    """The first picture of a tar of JPEGs can no longer be decoded."""
    content = bytearray(shard.read_bytes())
    at = content.index(b"\xff\xd8\xff")
    content[at : at + 64] = bytes(64)
    shard.write_bytes(bytes(content))


def subject(kind: str = "crops") -> Subject:
    """The shipped weights on material that was made up."""
    return Subject(
        name="made",
        split="test",
        kind=kind,
        card=load_classifier().card,
        engine="onnxruntime-fp32",
        engine_reason="the fastest on a CPU",
        settings=Settings(),
    )
