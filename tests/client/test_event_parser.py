import doctest
from datetime import UTC, datetime

import pytest

from monitor.client import event_parser
from monitor.client.event_parser import EventParser, ServerEvent


def read(text: str) -> list[ServerEvent]:
    parser = EventParser()
    return [event for line in text.split("\n") if (event := parser.feed(line)) is not None]


def test_the_example_in_the_docstring_is_true() -> None:
    failed, tried = doctest.testmod(event_parser)
    assert (failed, tried > 0) == (0, True)


def test_events_comments_and_ids_are_read() -> None:
    first, second = read(
        "retry: 3000\n: connected\n\n"
        'id: 7\nevent: label_changed\ndata: {"stream": "door", "stream_id": "1f",\n'
        'data:"at": "2026-11-24T12:00:00+00:00"}\n\n'
        ": heartbeat\n\nid: 8\n\n"
        'data: {"type": "hint_raised"}\n\n'
        'data: {"cut": "short"}'
    )
    assert (first.id, first.type, first.stream, first.stream_id) == ("7", "label_changed", "door", "1f")
    assert first.at == datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert (second.id, second.type, second.stream, second.at) == ("8", "hint_raised", "", None)


@pytest.mark.parametrize(("data", "words"), [("[]", "no.* JSON object"), ("{", "Expecting"), ("1", "no.* JSON object")])
def test_other_content_is_an_error(data: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(f"data: {data}\n\n")
