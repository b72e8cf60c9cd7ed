import json
from datetime import UTC, datetime

import numpy as np
import pytest
from support.observations import change, frame, observation, segment, source_info, summary, verdict

from monitor.types import Hint, HintKind, Label, SourceVerdict
from monitor.types.events import (
    Event,
    FrameAnalysed,
    HintRaised,
    LabelChanged,
    SegmentClosed,
    StreamClosed,
    StreamOpened,
    StreamStateChanged,
)
from monitor.types.stats import SessionStats

AT = datetime(2026, 1, 1, tzinfo=UTC)
PICTURE = frame(np.zeros((4, 4, 3), np.uint8))
SAID = SourceVerdict(Label.LIKELY_FAKE, 0.93124, 1, ())
EVENTS: list[Event] = [
    StreamOpened(stream="cam", connection=1, at=AT, source=source_info(), engine="onnxruntime-fp32", model="m"),
    FrameAnalysed(stream="cam", connection=1, at=AT, frame=PICTURE, observation=observation()),
    LabelChanged(
        stream="cam", connection=1, at=AT, change=change(1), verdict=verdict(1, Label.LIKELY_FAKE, 0.93)
    ),
    SegmentClosed(stream="cam", connection=1, at=AT, segment=segment(1, 1.0, 2.0)),
    HintRaised(stream="cam", connection=1, at=AT, hint=Hint(HintKind.FROZEN, 1.0)),
    StreamStateChanged(stream="cam", connection=1, at=AT, state="reconnecting", reason="gone", attempt=2),
    StreamClosed(
        stream="cam", connection=1, at=AT, verdict=SAID, segments=(segment(1, 1.0, 2.0),), tracks=(summary(1),),
        frames=SessionStats.counted(2, dropped={}, lost={}),
    ),
]  # fmt: skip


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_is_json_with_its_type_stream_connection_and_time(event: Event) -> None:
    record = event.to_dict()
    assert list(record)[:4] == ["type", "stream", "connection", "at"]
    assert record["type"] == event.type
    assert (record["stream"], record["connection"], record["at"]) == ("cam", 1, "2026-01-01T00:00:00+00:00")
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_no_two_kinds_of_event_have_one_type() -> None:
    assert len({event.type for event in EVENTS}) == len(EVENTS)


def test_an_event_has_the_keys_of_the_values_in_it() -> None:
    changed = EVENTS[2].to_dict()
    assert changed["change"] == change(1).to_dict()
    assert changed["verdict"]["confidence"] == 0.93


def test_the_pixels_of_a_frame_are_not_in_its_event() -> None:
    assert "frame" not in EVENTS[1].to_dict()
