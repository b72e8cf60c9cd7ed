import json
from datetime import datetime

import pytest
from support.observations import EVENTS

from monitor.server.notify.webhooks.message import TEST, make_message_id, make_test_body, message_body
from monitor.types.events import Event, FrameAnalysed


@pytest.mark.parametrize("event", [event for event in EVENTS if not isinstance(event, FrameAnalysed)])
def test_a_body_holds_type_time_and_the_event(event: Event) -> None:
    body = message_body(event, stream_id="1a", stream_name="rtsp://ada:hush@door/live")
    message = json.loads(body)
    assert list(message) == ["type", "timestamp", "data"]
    assert message["type"] == message["data"]["type"] == event.type
    assert datetime.fromisoformat(message["timestamp"]) == event.at
    names = {"stream_id": "1a", "stream_name": "rtsp://ada:***@door/live"}
    assert message["data"] == json.loads(json.dumps(event.to_dict())) | names
    assert body.isascii(), "every database can store it"


def test_a_test_message_is_no_event() -> None:
    message = json.loads(make_test_body())
    assert message["type"] == TEST
    assert TEST not in {event.type for event in EVENTS}


def test_an_id_is_new_and_has_no_full_stop() -> None:
    assert make_message_id() != make_message_id()
    assert "." not in make_message_id(), "the full stop separates the signed parts"
