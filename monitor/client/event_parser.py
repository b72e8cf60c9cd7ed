"""Reads server-sent events (WHATWG HTML, section 9.2), line by line."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event of a stream, as the server sent it."""

    id: str  # the events after it can be asked for
    type: str  # e.g. "label_changed"; docs/json.md lists all types
    content: dict[str, Any] = field(repr=False)  # the event's ``to_dict()``

    @property
    def stream(self) -> str:
        """The display name of the stream."""
        return str(self.content.get("stream", ""))

    @property
    def stream_id(self) -> str:
        """The id of the stream, as in the list of streams."""
        return str(self.content.get("stream_id", ""))

    @property
    def at(self) -> datetime | None:
        """Time of the event, UTC; None if it has none."""
        at = self.content.get("at")
        return datetime.fromisoformat(at) if isinstance(at, str) else None


class EventParser:
    """Puts lines together to events.

    >>> parser = EventParser()
    >>> lines = ["id: 7", "event: hint_raised", 'data: {"stream": "door"}', ""]
    >>> [event for line in lines if (event := parser.feed(line))][0].stream
    'door'
    """

    def __init__(self) -> None:
        self._id, self._type, self._data = "", "", list[str]()

    def feed(self, line: str) -> ServerEvent | None:
        """The event that ends with this line; None before its end.

        Raises:
            ValueError: the content of an event is not a JSON object.
        """
        if line:
            name, _, value = line.partition(":")
            self._take(name, value.removeprefix(" "))
            return None
        kind, data = self._type, self._data
        self._type, self._data = "", []
        if not data:
            return None
        content = json.loads("\n".join(data))
        if not isinstance(content, dict):
            raise ValueError("the content of an event is not a JSON object")  # noqa: TRY004 - as of json.loads
        return ServerEvent(self._id, kind or str(content.get("type", "message")), content)

    def _take(self, name: str, value: str) -> None:
        match name:
            case "id":
                self._id = value
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
