"""Notifications with a real receiver: what people get, when, and what the log says if they do not."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import SecretStr
from support.events import AT, STREAM
from support.flagging import flag
from support.notification_receiver import NotificationReceiver, receiving
from support.observations import Face, change, frame, observation, verdict
from support.waiting import until

from monitor.errors import UsageError
from monitor.server.notify import CountingOutlet, OutletContext
from monitor.server.notify.notices import NoticeMessage
from monitor.server.notify.notification_targets import MAX_WAITING, NotificationTarget
from monitor.server.notify.notifications import NotificationOutlet, open_outlet, open_targets
from monitor.settings import DashboardSettings, EvidenceSettings, NotificationSettings, ServiceSettings, Settings
from monitor.system.logs import write_log
from monitor.types import Label, Origin
from monitor.types.events import Event, FlagCommitted, FrameAnalysed, LabelChanged, StreamStateChanged

SECRET = "hush-hush"  # noqa: S105 - a test's own
PIXELS = np.full((720, 1280, 3), 90, np.uint8)
CAMERA = SimpleNamespace(id="1a", name="Door", address="rtsp://cam")
YARD = SimpleNamespace(id="2b", name="rtsp://ada:hush@yard/live", address="rtsp://ada:***@yard/live")
MESSAGE = NoticeMessage("title", "body")


class Clocks:
    """Both clocks of an outlet, set by the test."""

    def __init__(self) -> None:
        self.utc, self.monotonic = datetime(2026, 11, 30, 12, tzinfo=UTC), 0.0

    def wait(self, **span: float) -> None:
        self.utc += timedelta(**span)
        self.monotonic += timedelta(**span).total_seconds()


@pytest.fixture
def receiver() -> Iterator[NotificationReceiver]:
    with receiving() as receiver:
        yield receiver


@contextmanager
def opened(
    receiver: NotificationReceiver, folder: Path, clocks: Clocks | None = None, **settings: Any
) -> Iterator[NotificationOutlet]:
    ours = NotificationSettings(targets=[SecretStr(f"json://ada:{SECRET}@{receiver.address}/{SECRET}")], **settings)
    clocks = clocks or Clocks()
    outlet = NotificationOutlet(
        ours,
        open_targets(ours),
        url="https://example.org",
        flag_files=folder / "files",
        now=lambda: clocks.utc,
        clock=lambda: clocks.monotonic,
    )
    outlet.start()
    try:
        yield outlet
    finally:
        outlet.close()


def analysed(*faces: Face) -> Event:
    return FrameAnalysed(stream=STREAM, connection=1, at=AT, frame=frame(PIXELS), observation=observation(faces))


def changed(label: Label = Label.LIKELY_FAKE, track: int = 1) -> Event:
    return LabelChanged(
        stream=STREAM, connection=1, at=AT, change=change(track, label), verdict=verdict(track, label, 0.93)
    )


def state(name: str, reason: str = "") -> Event:
    return StreamStateChanged(stream=STREAM, connection=1, at=AT, state=name, reason=reason)


def committed(**changes: Any) -> Event:
    return FlagCommitted(stream=STREAM, connection=1, at=AT, flag=replace(flag(), **changes))


def test_without_targets_there_is_no_outlet() -> None:
    assert open_outlet(OutletContext(settings=Settings(), database=SimpleNamespace())) is None  # type: ignore[arg-type]


def test_the_settings_open_the_outlet(receiver: NotificationReceiver, tmp_path: Path) -> None:
    settings = Settings(
        notifications=NotificationSettings(targets=[SecretStr(f"json://{receiver.address}")]),
        dashboard=DashboardSettings(public_url="https://example.org/faces/"),
        evidence=EvidenceSettings(folder=tmp_path),
    )
    outlet = open_outlet(OutletContext(settings=settings, database=SimpleNamespace()))  # type: ignore[arg-type]
    assert isinstance(outlet, NotificationOutlet)
    assert isinstance(outlet, CountingOutlet)
    outlet.start()
    outlet.watch(CAMERA)(changed())
    until(lambda: receiver.received)
    outlet.close()
    assert receiver.received[0]["message"].endswith("https://example.org/faces")


def test_a_likely_fake_face_is_reported_with_its_picture(receiver: NotificationReceiver, tmp_path: Path) -> None:
    with opened(receiver, tmp_path) as outlet:
        observer = outlet.watch(CAMERA)
        observer(analysed(Face((300.0, 100.0, 500.0, 350.0), label=Label.LIKELY_FAKE, probability=0.93)))
        observer(changed())
        until(lambda: receiver.received)
        until(lambda: next(iter(outlet.counts())).delivered)
    message = receiver.received[0]
    assert (message["title"], message["type"]) == ("Door: face 1 is likely fake", "failure")
    assert "Face 1 in Door is likely fake, P(fake) 93 %." in message["message"]
    picture = cv2.imdecode(np.frombuffer(receiver.picture() or b"", np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (540, 960, 3)
    assert picture.std() > 5, "boxes and labels on a grey frame"


def test_pictures_can_be_forbidden(receiver: NotificationReceiver, tmp_path: Path) -> None:
    with opened(receiver, tmp_path, pictures=False) as outlet:
        observer = outlet.watch(CAMERA)
        observer(analysed(Face((300.0, 100.0, 500.0, 350.0))))
        observer(changed())
        until(lambda: receiver.received)
    assert receiver.picture() is None


def test_a_flag_is_reported_with_its_own_picture(receiver: NotificationReceiver, tmp_path: Path) -> None:
    event = committed(reporter="ada", note="see rtsp://ada:hush@cam", origin=Origin.PERSON)
    folder = tmp_path / "files" / event.flag.id  # type: ignore[union-attr]
    folder.mkdir(parents=True)
    (folder / "overlay.jpg").write_bytes(b"a jpeg")
    with opened(receiver, tmp_path) as outlet:
        outlet.watch(CAMERA)(event)
        until(lambda: receiver.received)
    assert receiver.titles == ["Door: a moment was flagged"]
    assert "Note: see rtsp://ada:***@cam" in receiver.received[0]["message"]
    assert receiver.picture() == b"a jpeg"


def test_only_the_chosen_events_are_reported(receiver: NotificationReceiver, tmp_path: Path) -> None:
    with opened(receiver, tmp_path, events=("likely_fake",), cooldown=0, lost_after=0) as outlet:
        observer = outlet.watch(CAMERA)
        for event in (changed(Label.SUSPICIOUS), committed(), state("reconnecting"), state("live")):
            observer(event)
        observer(changed(Label.LIKELY_REAL))
        observer(changed(Label.LIKELY_FAKE))
        until(lambda: receiver.received)
    assert receiver.titles == ["Door: face 1 is likely fake"]


def test_a_loss_and_the_return_are_reported_once(receiver: NotificationReceiver, tmp_path: Path) -> None:
    with opened(receiver, tmp_path, cooldown=0, lost_after=0) as outlet:
        observer = outlet.watch(YARD)
        for event in (
            state("live"),
            state("reconnecting", "rtsp://ada:hush@yard: no answer"),
            state("reconnecting", "rtsp://ada:hush@yard: another reason"),
            state("live"),
        ):
            observer(event)
        until(lambda: len(receiver.received) == 2)
    name = "rtsp://ada:***@yard/live"
    assert receiver.titles == [f"{name}: no picture", f"{name}: the picture is back"]
    assert "hush" not in str(receiver.received)


def test_a_short_loss_is_no_message(receiver: NotificationReceiver, tmp_path: Path) -> None:
    clocks = Clocks()
    with opened(receiver, tmp_path, clocks, cooldown=0, lost_after=10) as outlet:
        observer = outlet.watch(CAMERA)
        observer(state("reconnecting", "a moment"))
        clocks.wait(seconds=9)
        observer(state("live"))
        clocks.wait(seconds=60)
        observer(state("reconnecting", "for long"))
        observer(state("reconnecting", "another reason"))
        clocks.wait(seconds=10)
        until(lambda: receiver.received)
        observer(state("live"))
        until(lambda: len(receiver.received) == 2)
    assert receiver.titles == ["Door: no picture", "Door: the picture is back"]
    assert "Door sends no picture: for long." in receiver.received[0]["message"]


@pytest.mark.parametrize("end", ["paused", "ended"])
def test_a_loss_that_a_person_ends_is_no_message(receiver: NotificationReceiver, tmp_path: Path, end: str) -> None:
    clocks = Clocks()
    with opened(receiver, tmp_path, clocks, cooldown=0, lost_after=10) as outlet:
        observer = outlet.watch(CAMERA)
        observer(state("reconnecting", "a moment"))
        observer(state(end))
        clocks.wait(seconds=60)
        observer(state("failed"))
        until(lambda: receiver.received)
    assert "a moment" not in str(receiver.received)


def test_a_failure_for_good_is_a_message_at_once(receiver: NotificationReceiver, tmp_path: Path) -> None:
    with opened(receiver, tmp_path, lost_after=3600) as outlet:
        observer = outlet.watch(CAMERA)
        observer(state("reconnecting", "a moment"))
        observer(state("failed", "the file is gone"))
        until(lambda: receiver.received)
    assert "Door sends no picture: the file is gone." in receiver.received[0]["message"]
    assert "does not try again" in receiver.received[0]["message"]


def test_a_flood_is_one_message_and_one_digest(receiver: NotificationReceiver, tmp_path: Path) -> None:
    clocks = Clocks()
    with opened(receiver, tmp_path, clocks, cooldown=300, digest_minutes=15) as outlet:
        observer = outlet.watch(CAMERA)
        for track in range(60):
            observer(analysed(Face((300.0, 100.0, 500.0, 350.0), track=track)))
            observer(changed(track=track))
        until(lambda: outlet._policy.held == 59)
        assert len(receiver.received) <= 1
        clocks.wait(minutes=15)
        until(lambda: len(receiver.received) == 2)
    assert receiver.titles == ["Door: face 0 is likely fake", "59 events in 1 source"]
    assert "likely fake 59 times. Worst: face 1" in receiver.received[1]["message"]
    assert receiver.picture() is not None


def test_the_digest_of_a_night_comes_in_the_morning(receiver: NotificationReceiver, tmp_path: Path) -> None:
    clocks = Clocks()
    clocks.utc = clocks.utc.replace(hour=23)
    with opened(receiver, tmp_path, clocks, quiet_hours="22:00-07:00") as outlet:
        outlet.watch(CAMERA)(changed())
        outlet.watch(YARD)(changed(Label.SUSPICIOUS))
        until(lambda: outlet._policy.held == 2)
        assert outlet.waiting >= 2
        clocks.wait(hours=7, minutes=59)
        time.sleep(1.5)  # a real one: the outlet looks each second
        assert receiver.received == []
        clocks.wait(minutes=1)
        until(lambda: receiver.received)
    assert receiver.titles == ["2 events in 2 sources"]


def test_a_service_that_is_down_for_a_moment_gets_the_message(receiver: NotificationReceiver) -> None:
    receiver.status = 503
    target = NotificationTarget(SecretStr(f"json://{receiver.address}"), number=1, retry_waits=(0.5, 30.0))
    target.start()
    target.submit(MESSAGE)
    until(lambda: receiver.requests)
    receiver.status = 200
    until(lambda: receiver.received)
    target.close(timeout=5)
    assert target.counts == {"sent": 1, "failed": 0, "dropped": 0}


def test_a_failure_is_one_sentence_without_secrets(
    receiver: NotificationReceiver, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    receiver.status = 403
    address = f"json://ada:{SECRET}@{receiver.address}/{SECRET}/path?token={SECRET}"
    target = NotificationTarget(SecretStr(address), number=2, retry_waits=(0.0, 0.0))
    with write_log(ServiceSettings(log_level="debug"), folder=tmp_path) as log:
        target.deliver(MESSAGE)
    assert receiver.requests == 3
    assert "did not take a message" in log.read_text()
    assert SECRET not in log.read_text(), "also of libraries, at the level debug"
    ours = [record for record in caplog.records if record.name.startswith("monitor")]
    assert len(ours) == 1
    assert ours[0].getMessage() == (
        "the notification target 2 (JSON) did not take a message in 3 attempts (Failed to send JSON POST notification: "
        "error=403): check its address in notifications.targets with `deepfake-monitor notifications test`"
    )
    assert not [record for record in caplog.records if record.name == "apprise"]
    assert target.counts["failed"] == 1


def test_nobody_at_the_address_is_a_failure_too(caplog: pytest.LogCaptureFixture) -> None:
    target = NotificationTarget(SecretStr(f"json://ada:{SECRET}@127.0.0.1:9/{SECRET}"), number=1, retry_waits=())
    target.deliver(MESSAGE)
    assert "target 1 (JSON) did not take a message in 1 attempts" in caplog.text
    assert SECRET not in caplog.text


def test_parts_of_the_address_are_masked_in_reasons() -> None:
    target = NotificationTarget(SecretStr("json://ada:p%40ssw0rd@host:8080/T0KEN12345/x?key=abcdef"), number=1)
    text = target._without_secrets("p@ssw0rd p%40ssw0rd T0KEN12345 abcdef\nhttps://ada:other@elsewhere/a.")
    assert text == "p@*** p%*** *** *** https://ada:***@elsewhere/a"


def test_a_slow_service_never_blocks_the_stream_or_another_service(tmp_path: Path) -> None:
    with receiving() as slow, receiving() as fast:
        slow.delay = 2.0
        settings = NotificationSettings(
            targets=[SecretStr(f"json://{one.address}") for one in (slow, fast)], cooldown=0
        )
        outlet = NotificationOutlet(settings, open_targets(settings), url="", flag_files=tmp_path)
        outlet.start()
        observer = outlet.watch(CAMERA)
        began = time.monotonic()
        for _ in range(MAX_WAITING + 20):
            observer(changed())
            until(lambda: not outlet._worker.waiting)  # type: ignore[union-attr]
        assert time.monotonic() - began < 30
        until(lambda: len(fast.received) == MAX_WAITING + 20)
        assert next(iter(outlet.counts())).lost >= 10, "the queue of the slow one is bounded"
        began = time.monotonic()
        outlet.close()
        assert time.monotonic() - began < 4


def test_an_address_that_apprise_does_not_know_is_one_sentence_without_it() -> None:
    settings = NotificationSettings(targets=[SecretStr("json://127.0.0.1"), SecretStr(f"nope://{SECRET}")])
    with pytest.raises(UsageError) as caught:
        open_targets(settings)
    assert str(caught.value) == (
        "notifications.targets: Apprise does not understand address 2 (nope://...): see https://appriseit.com/services"
    )
    assert SECRET not in repr(settings) + str(settings.model_dump(mode="json"))
