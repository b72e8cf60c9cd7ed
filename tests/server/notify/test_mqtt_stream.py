"""One stream as MQTT messages, with a clock that the test sets."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
from support.events import AT, STREAM
from support.observations import Face, frame, observation

from monitor.server.notify.mqtt_outbox import MqttOutbox
from monitor.server.notify.mqtt_stream import MqttStream
from monitor.server.notify.mqtt_topics import StreamTopics, discovery_messages
from monitor.types import Label, Reason
from monitor.types.events import FrameAnalysed, StreamStateChanged

PIXELS = np.zeros((120, 160, 3), np.uint8)
BOX = (20.0, 20.0, 80.0, 90.0)


class Published:
    """A stream, its outbox, and a clock."""

    def __init__(self, **how: Any) -> None:
        self.now = 0.0
        self.outbox = MqttOutbox(lambda: None)
        self.outbox.connect()
        self.camera = SimpleNamespace(id="1", name="Door", address="rtsp://cam")
        self.stream = MqttStream(
            self.camera,
            topics=StreamTopics("prefix", "id"),
            outbox=self.outbox,
            describe=lambda name: {"discovery": {"name": name}},
            clock=lambda: self.now,
            **{"snapshots": True, "server": "s", **how},
        )

    def show(self, *labels: Label, probability: float = 0.9, after: float = 0.0) -> dict[str, list[bytes]]:
        """Messages by topic after a frame with faces of these labels."""
        self.now += after
        faces = [
            Face(BOX, track=track, label=label, probability=probability, reasons=(Reason.TOO_SMALL,))
            for track, label in enumerate(labels)
        ]
        event = FrameAnalysed(
            stream=STREAM, connection=1, at=AT, frame=frame(PIXELS), observation=observation(faces)
        )  # fmt: skip
        self.stream(event)
        return self.taken()

    def change(self, state: str, reason: str = "") -> dict[str, list[bytes]]:
        self.stream(StreamStateChanged(stream=STREAM, connection=1, at=AT, state=state, reason=reason))
        return self.taken()

    def taken(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for message in iter(self.outbox.take, None):
            found.setdefault(message.topic.rpartition("/")[2], []).append(message.payload)
        return found


def test_a_new_stream_is_known_before_its_first_event() -> None:
    published = Published()
    found = published.taken()
    assert json.loads(found["state"][0])["state"] == "connecting"
    assert found["availability"] == [b"offline"]
    assert found["discovery"] == [b'{"name":"Door"}']
    assert published.change("live")["availability"] == [b"online"]


def test_a_frame_without_news_publishes_nothing() -> None:
    published = Published(snapshots=False)
    published.change("live")
    assert set(published.show(Label.LIKELY_REAL)) == {"state"}
    assert published.show(Label.LIKELY_REAL, after=60) == {}


def test_the_worst_label_is_published_at_once_and_counts_once_a_second() -> None:
    published = Published(snapshots=False)
    published.change("live")
    published.show(Label.LIKELY_REAL)
    assert published.show(Label.LIKELY_REAL, Label.LIKELY_REAL, after=0.9) == {}
    state = json.loads(published.show(Label.LIKELY_REAL, Label.LIKELY_REAL, after=0.1)["state"][0])
    assert state["faces"]["LIKELY_REAL"] == 2
    state = json.loads(published.show(Label.LIKELY_REAL, Label.SUSPICIOUS, after=0.04)["state"][0])
    assert (state["label"], state["face"], state["confidence"]) == ("SUSPICIOUS", 1, 0.9)
    state = json.loads(published.show(after=0.04)["state"][0])
    assert (state["label"], state["words"], state["confidence"]) == (None, "no face", None)


def test_a_much_higher_confidence_is_published_within_a_second() -> None:
    published = Published(snapshots=False)
    published.show(Label.SUSPICIOUS, probability=0.71)
    assert published.show(Label.SUSPICIOUS, probability=0.72, after=2) == {}
    assert json.loads(published.show(Label.SUSPICIOUS, probability=0.85, after=2)["state"][0])["confidence"] == 0.85


def test_pictures_come_every_ten_seconds_or_with_a_new_label_once_a_second() -> None:
    published = Published()
    shown = [
        "snapshot" in published.show(label, after=seconds)
        for label, seconds in [
            (Label.LIKELY_REAL, 0.0),
            (Label.LIKELY_REAL, 9.9),
            (Label.LIKELY_REAL, 0.1),
            (Label.SUSPICIOUS, 0.5),
            (Label.SUSPICIOUS, 0.5),  # a second after the last picture
            (Label.SUSPICIOUS, 1.0),
            (Label.LIKELY_REAL, 0.0),
            (Label.SUSPICIOUS, 0.2),
        ]
    ]
    assert shown == [True, False, True, False, True, False, True, False]


def test_a_reason_is_masked() -> None:
    found = Published().change("reconnecting", "rtsp://ada:hush@cam: no answer")
    assert b"hush" not in found["state"][0]
    assert b"rtsp://ada:***@cam" in found["state"][0]


def test_home_assistant_gets_entities_of_one_device() -> None:
    messages = discovery_messages(
        StreamTopics("cameras/monitor", "id"), name="Door", discovery_prefix="ha", snapshots=True, url="https://x.org"
    )
    assert sorted(messages) == [
        "ha/binary_sensor/cameras_monitor_id_manipulated_face/config",
        "ha/camera/cameras_monitor_id_snapshot/config",
        "ha/sensor/cameras_monitor_id_label/config",
        "ha/sensor/cameras_monitor_id_state/config",
    ]
    for topic, message in messages.items():
        assert message["unique_id"] == topic.split("/")[2]
        assert message["device"]["identifiers"] == ["cameras_monitor_id"]
        assert message["device"]["configuration_url"] == "https://x.org"
        assert message["availability"][0] == {"topic": "cameras/monitor/availability"}
    sensor = messages["ha/binary_sensor/cameras_monitor_id_manipulated_face/config"]
    assert sensor["device_class"] == "problem"
    assert sensor["value_template"] == "{{ 'ON' if value_json.label in ['SUSPICIOUS', 'LIKELY_FAKE'] else 'OFF' }}"
    label = messages["ha/sensor/cameras_monitor_id_label/config"]
    assert label["options"] == ["no face", "not enough evidence", "likely real", "suspicious", "likely fake"]


def test_the_templates_give_the_values_that_home_assistant_expects() -> None:
    """Home Assistant renders them with Jinja, too."""
    from jinja2 import Environment

    messages = discovery_messages(
        StreamTopics("p", "id"), name="Door", discovery_prefix="ha", snapshots=False, url=""
    ).values()
    values = {}
    for label in (None, *Label):
        published = Published(snapshots=False)
        state = json.loads(published.show(*([] if label is None else [label]))["state"][0])
        values[label] = [
            Environment(autoescape=True).from_string(one["value_template"]).render(value_json=state) for one in messages
        ]
    assert values[None] == ["OFF", "no face", "connecting"]
    assert values[Label.NOT_ENOUGH_EVIDENCE] == ["OFF", "not enough evidence", "connecting"]
    assert values[Label.LIKELY_REAL] == ["OFF", "likely real", "connecting"]
    assert values[Label.LIKELY_FAKE] == ["ON", "likely fake", "connecting"]
