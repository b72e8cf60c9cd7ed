"""Flags as the tests need them."""

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from support import clips

from monitor.types import Flag, Label, Origin, Reason

BEGIN = datetime(2026, 11, 24, 12, tzinfo=UTC)


@cache
def clip(times: Sequence[float] = (0.0, 2.0, 4.0)) -> bytes:
    """An mp4 with pictures at these times; by default as long as the span of :func:`flag`."""
    with tempfile.TemporaryDirectory() as folder:
        return clips.video(Path(folder) / "clip.mp4", frames=len(times), times=times).read_bytes()


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
