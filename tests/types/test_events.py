import json

import pytest
from support.observations import EVENTS, change

from monitor.types.events import Event, LabelChanged


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
    (changed,) = (event.to_dict() for event in EVENTS if isinstance(event, LabelChanged))
    assert changed["change"] == change(1).to_dict()
    assert changed["verdict"]["confidence"] == 0.93


def test_the_pixels_of_a_frame_are_not_in_its_event() -> None:
    assert all("frame" not in event.to_dict() for event in EVENTS)
