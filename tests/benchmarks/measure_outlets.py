"""How long a label change takes to the MQTT message and to the notification.

PYTHONPATH=.:tests python tests/benchmarks/measure_outlets.py [--count 300] [--interval 0.05]

A real Mosquitto with a subscriber, and a real web server for Apprise's json:// target, all on loopback. Each frame is
1280 x 720 with one face, whose label changes: one event and one new state for MQTT, one message with a picture for
people (cool-down 0). The time runs from the call of the observer to the arrival; "stream" is the time that the observer
keeps the stream's thread.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from pydantic import SecretStr
from support.mosquitto import Broker, Listener, listening, running
from support.notification_receiver import receiving
from support.observations import Face, change, frame, observation, verdict
from support.waiting import until

from monitor.server.notify import OutletContext
from monitor.server.notify.mqtt import open_outlet as open_mqtt
from monitor.server.notify.notifications import open_outlet as open_notifications
from monitor.settings import EvidenceSettings, MqttSettings, NotificationSettings, Settings
from monitor.types import Label
from monitor.types.events import Event, FrameAnalysed, LabelChanged, StreamStateChanged

BOX = (400.0, 150.0, 700.0, 550.0)
PIXELS = np.random.default_rng(1).integers(0, 255, (90, 160, 3), np.uint8).repeat(8, 0).repeat(8, 1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--interval", type=float, default=0.05)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, receiving() as receiver, running(Broker(Path(folder))) as broker:
        settings = Settings(
            mqtt=MqttSettings(host="127.0.0.1", port=broker.port),
            notifications=NotificationSettings(targets=(SecretStr(f"json://{receiver.address}"),), cooldown=0),
            evidence=EvidenceSettings(folder=Path(folder)),
        )
        context = OutletContext(settings=settings, database=SimpleNamespace())  # type: ignore[arg-type]
        camera = SimpleNamespace(id="1", name="Door", address="rtsp://cam")
        outlets = [open_mqtt(context), open_notifications(context)]
        with listening(broker) as listener:
            heard = note_arrivals(listener)
            observers = []
            for outlet in outlets:
                assert outlet is not None
                outlet.start()
                observers.append(outlet.watch(camera))
            for observer in observers:
                observer(StreamStateChanged(stream="cam", connection=1, at=datetime.now(UTC), state="live"))
            until(lambda: outlets[0]._connection.is_connected)  # type: ignore[union-attr]
            sent, kept = [], []
            for number in range(given.count):
                began = time.monotonic()
                for event in events(number):
                    for observer in observers:
                        observer(event)
                sent.append(began)
                kept.append(time.monotonic() - began)
                time.sleep(given.interval)
            until(lambda: len(receiver.received) == given.count and len(heard) == given.count)
        for outlet in outlets:
            assert outlet is not None
            outlet.close()
        for name, times in (
            ("stream", kept),
            ("event to MQTT", [heard[number] - began for number, began in enumerate(sent)]),
            ("event to notification", np.subtract(sorted(receiver.arrived_at), sent).tolist()),
        ):
            p50, p95 = np.quantile(times, (0.5, 0.95)) * 1e3
            print(f"{name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms, longest {max(times) * 1e3:.1f} ms, {len(times)} times")


def events(number: int) -> Iterator[Event]:
    """A frame whose face has another label than before, as a stream emits it."""
    label = (Label.SUSPICIOUS, Label.LIKELY_FAKE)[number % 2]
    face = Face(BOX, track=number, label=label, probability=0.9)
    common = {"stream": "cam", "connection": 1, "at": datetime.now(UTC)}
    shown = frame(PIXELS, media_time=number / 25, index=number)
    yield FrameAnalysed(**common, frame=shown, observation=observation([face]))
    yield LabelChanged(
        **common, change=change(number, label, media_time=number / 25), verdict=verdict(number, label, 0.9)
    )


def note_arrivals(listener: Listener) -> dict[int, float]:
    """Monotonic time of arrival by track id, filled while the listener runs."""
    heard: dict[int, float] = {}
    collect = listener._client.on_message

    def note(client: object, data: object, message: object) -> None:
        if message.topic.endswith("/events") and b"label_changed" in message.payload:  # type: ignore[attr-defined]
            heard[json.loads(message.payload)["change"]["track_id"]] = time.monotonic()  # type: ignore[attr-defined]
        collect(client, data, message)  # type: ignore[misc, arg-type]

    listener._client.on_message = note
    return heard


if __name__ == "__main__":
    main()
