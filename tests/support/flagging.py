"""Flags as the tests need them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.types import Flag, Label, Origin, Reason

BEGIN = datetime(2026, 11, 24, 12, tzinfo=UTC)


def flag(number: int = 0, **changes: Any) -> Flag:
    """A flag of a suspicious face, one minute after that of ``number - 1``; keywords change it."""
    moment = BEGIN + timedelta(minutes=number)
    plain: dict[str, Any] = {
        "id": f"{moment:%Y%m%dT%H%M%S}-{number:08x}",
        "created_at": moment,
        "origin": Origin.PERSON,
        "reporter": "ada",
        "source": "rtsp://cam/live",
        "source_kind": "rtsp",
        "source_sha256": None,
        "start": 10.0,
        "end": 14.0,
        "media_time": 12.0,
        "captured_at": moment,
        "frame_index": 300,
        "track_id": 1,
        "box": (10.0, 20.0, 110.0, 140.0),
        "label": Label.SUSPICIOUS,
        "probability": 0.8,
        "samples": 9,
        "effective_samples": 1.8,
        "reasons": (Reason.TOO_BLURRED,),
        "trace": ({"after": "SUSPICIOUS", "witnesses": []},),
        "engine": "onnxruntime-fp32",
        "model": "weights-1",
        "weights_sha256": "ab" * 32,
        "program": "0.1.0",
        "settings": {"verdict": {"fake_at": 0.9}},
    }
    return Flag(**plain | changes)
