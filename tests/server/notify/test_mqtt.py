"""MQTT with a real Mosquitto: what other programs receive, also after the broker or the server was killed."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import SecretStr
from support.certificates import write_certificate
from support.events import AT, STREAM
from support.mosquitto import Broker, listening, needs_mosquitto, remembered, running
from support.observations import EVENTS, Face, frame, observation
from support.waiting import until

from monitor.errors import UsageError
from monitor.runtime import Observer, Timer
from monitor.server.notify import CountingOutlet, OutletContext
from monitor.server.notify.mqtt import MqttOutlet, open_outlet
from monitor.server.notify.mqtt_topics import topic_id
from monitor.settings import DashboardSettings, MqttSettings, Settings
from monitor.types import Label
from monitor.types.events import Event, FrameAnalysed, StreamStateChanged

CAMERA = "rtsp://ada:***@cam/live"
ID = topic_id(CAMERA)
STATE, AVAILABLE = f"deepfake-monitor/{ID}/state", f"deepfake-monitor/{ID}/availability"
SERVER = "deepfake-monitor/availability"
PIXELS = np.full((720, 1280, 3), 90, np.uint8)
FAKE = Face((300.0, 100.0, 500.0, 350.0), label=Label.LIKELY_FAKE, probability=0.94)
REAL = Face((700.0, 100.0, 900.0, 350.0), track=2)


@dataclass
class Camera:
    """A stream as an outlet sees it."""

    id: str = "1a2b3c4d"
    name: str = "Door"
    address: str = CAMERA


def outlet_for(broker: Broker, **settings: Any) -> MqttOutlet:
    mqtt = MqttSettings(host="127.0.0.1", port=broker.port, **settings)
    ours = Settings(mqtt=mqtt, dashboard=DashboardSettings(public_url="https://example.org/faces"))
    outlet = open_outlet(OutletContext(settings=ours, database=SimpleNamespace()))  # type: ignore[arg-type]
    assert isinstance(outlet, MqttOutlet)
    return outlet


@contextmanager
def opened(broker: Broker, **settings: Any) -> Iterator[MqttOutlet]:
    outlet = outlet_for(broker, **settings)
    outlet.start()
    try:
        yield outlet
    finally:
        outlet.close()


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.server.notify.mqtt.default_folder", lambda: tmp_path)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running(Broker(tmp_path / "broker")) as broker:
        yield broker


def state(name: str, reason: str = "") -> Event:
    return StreamStateChanged(stream=STREAM, connection=1, at=AT, state=name, reason=reason)


def analysed(*faces: Face) -> Event:
    return FrameAnalysed(stream=STREAM, connection=1, at=AT, frame=frame(PIXELS), observation=observation(faces))


def go_live(observer: Observer, *faces: Face) -> None:
    observer(state("live"))
    observer(analysed(*faces))


def test_without_a_host_there_is_no_outlet() -> None:
    assert open_outlet(OutletContext(settings=Settings(), database=SimpleNamespace())) is None  # type: ignore[arg-type]


@needs_mosquitto
def test_every_event_but_those_of_single_frames_arrives_as_json(broker: Broker) -> None:
    with listening(broker) as listener, opened(broker) as outlet:
        observer = outlet.watch(Camera())
        for event in EVENTS:
            observer(event)
        topic = f"deepfake-monitor/{ID}/events"
        sent = [event.to_dict() for event in EVENTS if event.type != "frame_analysed"]
        until(lambda: len(listener.of(topic)) == len(sent))
        assert [one.json for one in listener.of(topic)] == sent
        until(lambda: next(iter(outlet.counts())).delivered >= len(sent))
        assert isinstance(outlet, CountingOutlet)
        assert (next(iter(outlet.counts())).lost, outlet.waiting) == (0, 0)


@needs_mosquitto
def test_the_retained_state_names_the_worst_label_and_counts_the_faces(broker: Broker) -> None:
    with listening(broker) as listener, opened(broker) as outlet:
        go_live(outlet.watch(Camera()), REAL, FAKE)
        last = listener.wait(STATE, lambda one: one.json["label"]).json
        assert last == {
            "state": "live", "reason": "", "label": "LIKELY_FAKE", "words": "likely fake", "confidence": 0.94,
            "face": 1, "name": "Door", "address": CAMERA, "server": outlet._server,
            "faces": {"NOT_ENOUGH_EVIDENCE": 0, "LIKELY_REAL": 1, "SUSPICIOUS": 0, "LIKELY_FAKE": 1},
        }  # fmt: skip
        listener.wait(AVAILABLE, lambda one: one.payload == b"online")
        kept = remembered(broker)
    assert json.loads(kept[STATE]) == last
    assert (kept[SERVER], kept[AVAILABLE]) == (b"online", b"online")


@needs_mosquitto
def test_a_lost_camera_is_offline_and_has_no_label(broker: Broker) -> None:
    with listening(broker) as listener, opened(broker) as outlet:
        observer = outlet.watch(Camera())
        go_live(observer, FAKE)
        observer(EVENTS[-1])  # closed
        observer(state("reconnecting", "rtsp://ada:hush@cam: no answer"))
        last = listener.wait(STATE, lambda one: one.json["state"] == "reconnecting").json
        listener.wait(AVAILABLE, lambda one: one.payload == b"offline")
    assert (last["label"], last["words"], last["reason"]) == (None, "no face", "rtsp://ada:***@cam: no answer")


@needs_mosquitto
def test_pictures_have_boxes_and_a_limited_size(broker: Broker) -> None:
    with listening(broker) as listener, opened(broker) as outlet:
        until(lambda: outlet._connection.is_connected)
        go_live(outlet.watch(Camera()), FAKE)
        received = listener.wait(f"deepfake-monitor/{ID}/snapshot")
        picture = cv2.imdecode(np.frombuffer(received.payload, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (540, 960, 3)
        assert picture.std() > 5, "boxes and labels on a grey frame"
        assert f"deepfake-monitor/{ID}/snapshot" not in remembered(broker), "a broker keeps no faces"


@needs_mosquitto
def test_home_assistant_finds_a_device_and_loses_it_with_its_stream(broker: Broker) -> None:
    with listening(broker) as listener, opened(broker) as outlet:
        camera = Camera()
        go_live(outlet.watch(camera), FAKE)
        listener.wait(STATE, lambda one: one.json["label"])
        kept = remembered(broker)
        found = {topic: json.loads(text) for topic, text in kept.items() if topic.startswith("homeassistant/")}
        assert sorted(topic.split("/")[1] for topic in found) == ["binary_sensor", "camera", "sensor", "sensor"]
        outlet.forget(camera)
        listener.wait(STATE, lambda one: not one.payload)
        until(lambda: not outlet.waiting)
        assert remembered(broker) == {SERVER: b"online"}


@needs_mosquitto
def test_a_stream_that_did_not_come_back_after_a_crash_is_cleared(broker: Broker) -> None:
    with listening(broker) as listener:
        crashed = outlet_for(broker)
        crashed._connection.start()
        for camera in (Camera(id="1"), Camera(id="2", address="rtsp://gone")):
            go_live(crashed.watch(camera), FAKE)
        foreign = outlet_for(broker)
        foreign._server = "another"
        foreign._connection.start()
        go_live(foreign.watch(Camera(address="rtsp://theirs")), FAKE)
        until(lambda: len([one for one in remembered(broker) if one.endswith("/state")]) == 3)
        after = outlet_for(broker)
        after._cleaner = Timer("forgotten streams", after._clear_forgotten, every=1.0)
        after.start()
        go_live(after.watch(Camera()), FAKE)
        gone = f"deepfake-monitor/{topic_id('rtsp://gone')}/state"
        listener.wait(gone, lambda one: not one.payload)
        until(lambda: not after.waiting and not after._connection._in_flight)
        kept = remembered(broker)
        for outlet in (crashed, foreign, after):
            outlet._cleaner._stop.set()
            outlet._connection.close()
    assert {topic for topic in kept if topic.endswith("/state")} == {
        STATE, f"deepfake-monitor/{topic_id('rtsp://theirs')}/state",
    }  # fmt: skip
    assert not any(topic_id("rtsp://gone") in topic for topic in kept)
    assert sum(topic.startswith("homeassistant/") for topic in kept) == 8


@needs_mosquitto
def test_a_new_name_reaches_home_assistant(broker: Broker) -> None:
    with listening(broker) as listener, opened(broker, snapshots=False) as outlet:
        camera = Camera()
        observer = outlet.watch(camera)
        go_live(observer)
        camera.name = "Back door"
        observer(analysed())
        topic = f"homeassistant/sensor/deepfake-monitor_{ID}_label/config"
        listener.wait(topic, lambda one: one.json["device"]["name"] == "Back door")
        assert not any("camera" in one.topic for one in listener.messages)


@needs_mosquitto
def test_a_clean_end_says_offline(broker: Broker) -> None:
    with opened(broker) as outlet:
        go_live(outlet.watch(Camera()), FAKE)
        until(lambda: outlet._connection.is_connected)
    kept = remembered(broker)
    assert (kept[SERVER], kept[AVAILABLE]) == (b"offline", b"offline")


SERVER_PROCESS = """
import sys, time
from types import SimpleNamespace
from monitor.server.notify import OutletContext
from monitor.server.notify.mqtt import open_outlet
from monitor.settings import MqttSettings, Settings
settings = Settings(mqtt=MqttSettings(host="127.0.0.1", port=int(sys.argv[1])))
outlet = open_outlet(OutletContext(settings=settings, database=None))
outlet.start()
time.sleep(60)
"""


@needs_mosquitto
def test_the_last_will_of_a_killed_server_says_offline(broker: Broker) -> None:
    with listening(broker) as listener:
        process = subprocess.Popen([sys.executable, "-c", SERVER_PROCESS, str(broker.port)])
        try:
            listener.wait(SERVER, lambda one: one.payload == b"online")
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait(20)
        listener.wait(SERVER, lambda one: one.payload == b"offline")
        assert remembered(broker)[SERVER] == b"offline"


@needs_mosquitto
def test_after_the_brokers_death_events_wait_and_the_state_is_whole_again(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(broker) as outlet:
        observer = outlet.watch(Camera())
        go_live(observer, FAKE)
        until(lambda: outlet._connection.is_connected and not outlet.waiting)
        broker.kill()
        until(lambda: not outlet._connection.is_connected)
        for number in range(5):
            observer(state("reconnecting", f"attempt {number}"))
        until(lambda: "cannot be reached" in caplog.text)
        assert outlet.waiting >= 5
        broker.start()
        with listening(broker) as listener:
            until(lambda: not outlet.waiting)
            until(lambda: not outlet._connection._in_flight)
            kept = remembered(broker)
        assert next(iter(outlet.counts())).lost == 0
        assert listener.messages is not None
    assert json.loads(kept[STATE])["reason"] == "attempt 4", "a broker without a memory knows the state again"
    assert kept[SERVER] == b"online"
    assert sum(topic.startswith("homeassistant/") for topic in kept) == 4
    lost = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(lost) <= 2, "one sentence for the loss, one for the refusals, not one per attempt"


@needs_mosquitto
def test_events_of_an_outage_arrive_afterwards_in_order(broker: Broker) -> None:
    topic = f"deepfake-monitor/{ID}/events"
    with opened(broker) as outlet:
        observer = outlet.watch(Camera())
        until(lambda: outlet._connection.is_connected)
        broker.kill()
        until(lambda: not outlet._connection.is_connected)
        broker.start()
        with listening(broker) as listener:  # perhaps before, perhaps after the outlet has connected again
            for number in range(50):
                observer(state("reconnecting", f"{number}"))
            until(lambda: len(listener.of(topic)) >= 50)
        assert [one.json["reason"] for one in listener.of(topic)][-50:] == [str(number) for number in range(50)]


@needs_mosquitto
def test_a_wrong_password_is_one_sentence_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with running(Broker(tmp_path, user=("ada", "right"))) as broker:
        with opened(broker, username="ada", password=SecretStr("hush-hush")) as outlet:
            until(lambda: broker.log.read_text().count("not authorised") >= 3)
            assert not outlet._connection.is_connected
        told = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(told) == 1, "at several attempts"
        assert told[0].getMessage() == (
            f"the MQTT broker 127.0.0.1:{broker.port} refuses the connection (not authorized): check mqtt.username and "
            "mqtt.password; events wait, and the program tries again by itself"
        )
        assert told[0].exc_info is None
        assert "hush-hush" not in caplog.text + repr(outlet._settings) + str(outlet._settings.model_dump(mode="json"))
        with opened(broker, username="ada", password=SecretStr("right")) as outlet:
            until(lambda: outlet._connection.is_connected)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves refused sockets open
@needs_mosquitto
def test_tls_needs_a_trusted_certificate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = write_certificate(tmp_path)
    with running(Broker(tmp_path, certificate=files)) as broker:
        with opened(broker, tls=True, ca_file=files[0]) as outlet, listening(broker, ca_file=files[0]) as listener:
            go_live(outlet.watch(Camera()), FAKE)
            listener.wait(STATE, lambda one: one.json["label"])
        with opened(broker, tls=True) as outlet:
            until(lambda: "is not trusted (self-signed certificate" in caplog.text)
            assert not outlet._connection.is_connected
        with opened(broker):
            until(lambda: "closed the connection: check mqtt.port and mqtt.tls" in caplog.text)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves refused sockets open
@needs_mosquitto
def test_tls_with_a_broker_without_it_is_named(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    with opened(broker, tls=True):
        until(lambda: "mqtt.port and mqtt.tls" in caplog.text)


def test_a_contradiction_of_the_settings_is_one_sentence(tmp_path: Path) -> None:
    broker = SimpleNamespace(port=1)
    with pytest.raises(UsageError, match=r"mqtt.password is set, but mqtt.username is empty"):
        outlet_for(broker, password=SecretStr("hush"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"mqtt.ca_file is set, but mqtt.tls is off"):
        outlet_for(broker, ca_file=tmp_path / "ca.pem")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"ca.pem cannot be read \(No such file or directory\)"):
        outlet_for(broker, tls=True, ca_file=tmp_path / "ca.pem")  # type: ignore[arg-type]


def test_without_a_broker_the_outlet_closes_quickly_and_bounds_its_memory() -> None:
    outlet = outlet_for(SimpleNamespace(port=9))  # type: ignore[arg-type]
    outlet.start()
    observer = outlet.watch(Camera())
    for number in range(1200):
        observer(state("reconnecting", str(number)))
    assert next(iter(outlet.counts())).lost == 200
    outlet.close()
    assert not outlet._connection._thread._thread.is_alive()


def test_streams_of_one_address_have_topics_of_their_own() -> None:
    outlet = outlet_for(SimpleNamespace(port=9))  # type: ignore[arg-type]
    cameras = [Camera(id=str(number)) for number in range(3)]
    for camera in cameras:
        outlet.watch(camera)
    assert [outlet._streams[one.id].topics.id for one in cameras] == [ID, f"{ID}-2", f"{ID}-3"]
    outlet.forget(cameras[1])
    again = Camera(id="later")
    outlet.watch(again)
    assert outlet._streams["later"].topics.id == f"{ID}-2"


def test_the_server_keeps_its_id_in_the_folder_of_the_flags(tmp_path: Path) -> None:
    nobody = SimpleNamespace(port=9)
    first, second = outlet_for(nobody), outlet_for(nobody)  # type: ignore[arg-type]
    assert first._server == second._server == (tmp_path / "mqtt-server-id").read_text()
    (tmp_path / "mqtt-server-id").unlink()
    assert outlet_for(nobody)._server != first._server  # type: ignore[arg-type]


@pytest.mark.parametrize("payload", [b"[" * 50_000, b"[" * 100_000, b"[]", b"\xff"])
def test_a_foreign_message_on_the_topic_of_a_state_is_ignored(payload: bytes) -> None:
    outlet = outlet_for(SimpleNamespace(port=9))  # type: ignore[arg-type]
    outlet._recall("deepfake-monitor/x/state", payload)
    assert outlet._remembered == set()
