import logging
from dataclasses import replace

import numpy as np
import pytest
from support.observations import Face, change, frame, observation, segment

from monitor.runtime import observers as module
from monitor.runtime.observers import FailurePolicy, Observers, Subscription
from monitor.types import Hint, HintKind, Label
from monitor.types.events import Event

PICTURE = frame(np.zeros((4, 4, 3), np.uint8))


def emit(observers: Observers) -> None:
    observers.emit_frame(PICTURE, observation(), stream="cam", connection=1)


def failing(event: Event) -> None:
    raise ValueError(f"no room for {event.type}")


def test_the_events_of_a_frame_come_in_order() -> None:
    seen: list[Event] = []
    seen_by = Observers([Subscription(seen.append, "list")])
    face = Face((0.0, 0.0, 2.0, 2.0), label=Label.LIKELY_FAKE, probability=0.93)
    whole = observation([face], changes=[change(1)], segments=[segment(1, 0.0, 1.0)])
    whole = replace(whole, hint_changes=(Hint(HintKind.FROZEN, 0.0),))
    seen_by.emit_frame(PICTURE, whole, stream="cam", connection=2)
    assert [event.type for event in seen] == ["frame_analysed", "label_changed", "hint_raised", "segment_closed"]
    assert {(event.stream, event.connection, event.at) for event in seen} == {("cam", 2, PICTURE.captured_at)}


def test_observers_are_called_in_the_order_in_which_they_are_named() -> None:
    calls: list[str] = []
    emit(Observers([Subscription(lambda _, name=name: calls.append(name), name) for name in ("a", "b")]))
    assert calls == ["a", "b"]


def test_a_required_observer_ends_the_stream() -> None:
    with pytest.raises(ValueError, match="no room for frame_analysed"):
        emit(Observers([Subscription(failing, "recorder", FailurePolicy.REQUIRED)]))


def test_a_best_effort_observer_is_logged_once_counted_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Event] = []
    observers = Observers([Subscription(failing, "webhook"), Subscription(seen.append, "list")])
    with caplog.at_level(logging.WARNING):
        emit(observers)
        emit(observers)
    assert observers.failures == {"webhook": 2}
    assert [record.getMessage() for record in caplog.records] == [
        "the observer webhook failed, the stream goes on: no room for frame_analysed"
    ]
    assert len(seen) == 2


def test_no_event_is_built_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[object] = []
    monkeypatch.setattr(module, "frame_events", lambda *args, **_: built.append(args) or ())
    emit(Observers())
    assert built == []
    emit(Observers([Subscription(lambda _: None, "nobody")]))
    assert len(built) == 1
