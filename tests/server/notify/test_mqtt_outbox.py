"""The messages that wait for the broker."""

import pytest

from monitor.server.notify.mqtt_outbox import MqttOutbox


@pytest.fixture
def outbox() -> MqttOutbox:
    return MqttOutbox(lambda: None, max_events=3)


def taken(outbox: MqttOutbox) -> list[tuple[str, bytes]]:
    found = []
    while (message := outbox.take()) is not None:
        found.append((message.topic, message.payload))
    return found


def test_of_a_retained_topic_the_newest_value_is_sent_once(outbox: MqttOutbox) -> None:
    for number in (b"1", b"2", b"2", b"3"):
        outbox.set("state", number)
    assert taken(outbox) == [("state", b"3")]
    outbox.set("state", b"3")
    assert taken(outbox) == [], "the broker knows it"


def test_after_a_connect_all_retained_values_are_sent_again(outbox: MqttOutbox) -> None:
    outbox.set("a", b"1")
    outbox.set("b", b"2")
    taken(outbox)
    outbox.connect()
    assert taken(outbox) == [("a", b"1"), ("b", b"2")]


def test_a_cleared_topic_is_sent_empty_and_then_forgotten(outbox: MqttOutbox) -> None:
    outbox.set("a", b"1")
    outbox.clear("a")
    outbox.connect()
    assert taken(outbox) == [("a", b"")]
    outbox.connect()
    assert taken(outbox) == []


def test_the_oldest_events_are_dropped_and_counted(outbox: MqttOutbox) -> None:
    for number in range(5):
        outbox.add("events", str(number).encode())
    assert outbox.waiting == 3
    assert taken(outbox) == [("events", b"2"), ("events", b"3"), ("events", b"4")]
    assert outbox.dropped == 2


def test_retained_values_go_first_and_pictures_last(outbox: MqttOutbox) -> None:
    outbox.connect()
    outbox.offer("picture", lambda: b"jpeg")
    outbox.add("events", b"event")
    outbox.set("state", b"state")
    kinds = [(message.topic, message.qos, message.retain) for message in iter(outbox.take, None)]
    assert kinds == [("state", 1, True), ("events", 1, False), ("picture", 0, False)]


def test_only_the_newest_picture_is_made_and_none_without_a_connection(outbox: MqttOutbox) -> None:
    made = []

    def offer(name: str) -> None:
        outbox.offer("picture", lambda: made.append(name) or name.encode())

    offer("before")
    outbox.connect()
    offer("first")
    offer("second")
    assert taken(outbox) == [("picture", b"second")]
    offer("third")
    outbox.disconnect()
    assert taken(outbox) == []
    assert made == ["second"]


def test_a_picture_that_cannot_be_made_is_logged_and_the_next_message_follows(
    outbox: MqttOutbox, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.connect()
    outbox.offer("picture", lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    assert outbox.take() is None
    assert "a picture for MQTT could not be made" in caplog.text
    outbox.add("events", b"1")
    assert taken(outbox) == [("events", b"1")]


def test_every_new_message_wakes_the_connection() -> None:
    woken = []
    outbox = MqttOutbox(lambda: woken.append(1))
    outbox.set("a", b"1")
    outbox.set("a", b"1")
    outbox.add("b", b"1")
    outbox.offer("c", lambda: b"")
    outbox.connect()
    outbox.offer("c", lambda: b"")
    assert len(woken) == 3
