"""Events as messages: ids and JSON bodies, recommended by Standard Webhooks 1.0.0."""

import json
import secrets
from datetime import UTC, datetime
from typing import Final

from monitor.system.logs import mask_text
from monitor.types.events import Event
from monitor.types.serialise import JsonObject

TEST: Final = "webhook_test"  # type of the message of the test button


def make_message_id() -> str:
    """A new id, the same for all receivers and all attempts of one event."""
    return f"msg_{secrets.token_hex(16)}"


def message_body(event: Event, *, stream_id: str, stream_name: str) -> str:
    """The body of an event: its type, its time, and its fields with the id and the display name of the stream."""
    data = event.to_dict() | {"stream_id": stream_id, "stream_name": mask_text(stream_name)}
    return _body(event.type, at=event.at, data=data)


def make_test_body() -> str:
    """The body of a test message."""
    return _body(TEST, at=datetime.now(UTC), data={"message": "a test of deepfake-monitor: no event of a stream"})


def _body(kind: str, *, at: datetime, data: JsonObject) -> str:
    content = {"type": kind, "timestamp": at.astimezone(UTC).isoformat(), "data": data}
    return json.dumps(content, separators=(",", ":"), allow_nan=False)
