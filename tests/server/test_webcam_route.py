"""A browser's own camera, from its WebSocket to a stream."""

import secrets
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect
from support.visitors import token_of

from monitor.analysis.pipeline import Engines
from monitor.flags.recorder import FlagRequest
from monitor.media.sources import demo_faces
from monitor.media.sources.push import REFUSED
from monitor.runtime import StreamState
from monitor.server import service as stations
from monitor.server.auth.user import Role
from monitor.server.frame_messages import ENDED, NOT_ALLOWED
from monitor.server.service import MOST_CHANNELS, MonitorService
from monitor.server.stream import camera_id
from monitor.settings import EvidenceSettings, Settings
from monitor.system import jpeg
from monitor.types import ClipState

KEY = secrets.token_urlsafe(18)
PICTURE = jpeg.encode(demo_faces()[0], quality=90)


@pytest.fixture
def station(tmp_path: Path, settings: Settings, engines: Engines) -> Iterator[MonitorService]:
    evidence = EvidenceSettings(folder=tmp_path / "kept", pre_roll=0.5, post_roll=0.3)
    source = settings.source.model_copy(update={"read_timeout": 0.5})
    station = MonitorService.open(settings.model_copy(update={"evidence": evidence, "source": source}))
    station._engines = engines
    stations.install(station)
    yield station
    stations.install(None)
    station.close()


@contextmanager
def shown(
    client: TestClient, station: MonitorService, *, key: str = KEY, role: Role = Role.REVIEWER, **headers: str
) -> Iterator[WebSocketTestSession]:
    token = token_of(station, role, name="ada")
    with client.websocket_connect(f"/monitor/camera/{key}?token={token}&name=eve", headers=headers) as socket:
        yield socket


def send(socket: WebSocketTestSession, content: bytes = PICTURE, *, at: float | None = None) -> dict[str, Any]:
    """Sends a picture; returns the acknowledgement."""
    socket.send_bytes(struct.pack(">d", 1000 * (time.time() if at is None else at)) + content)
    return socket.receive_json()


def until(holds: Callable[[], Any], socket: WebSocketTestSession | None = None) -> Any:
    """Waits for a true value while sending pictures; returns the value."""
    deadline = time.monotonic() + 30
    while not (found := holds()):
        assert time.monotonic() < deadline
        if socket is not None:
            send(socket)
        time.sleep(0.03)
    return found


def closed(socket: WebSocketTestSession) -> tuple[int, str]:
    with pytest.raises(WebSocketDisconnect) as end:
        list(iter(socket.receive_json, None))
    return end.value.code, end.value.reason


def test_a_camera_is_monitored_and_its_flag_has_a_clip(client: TestClient, station: MonitorService) -> None:
    with shown(client, station, Origin="http://testserver") as socket:
        assert send(socket) == {"ack": 1}
        (channel,) = station.channels
        assert (channel.id, channel.name) == (camera_id(KEY), "Camera of ada"), (
            "who is signed in, whatever is asked for"
        )
        assert KEY not in channel.id
        now = until(lambda: channel.hub.now and channel.hub.now["faces"] and channel.hub.now, socket)
        assert channel.status.state is StreamState.LIVE
        flag = channel.flagger.flag(FlagRequest(connection=1, media_time=now["time"], frame_index=now["frame"]))
        assert (flag.source, flag.source_kind) == ("Camera of ada", "webcam")
        until(lambda: station.archive.store.get(flag.id).clip is ClipState.KEPT, socket)
    assert [entry.action for entry in station.audit.last(5)] == ["source added"]


def test_an_invalid_picture_is_acknowledged_and_counted(client: TestClient, station: MonitorService) -> None:
    with shown(client, station) as socket:
        (channel,) = until(lambda: station.channels)
        until(lambda: channel.status.state is StreamState.LIVE, socket)
        for message in (b"", b"short", struct.pack(">d", 1.0), struct.pack(">d", 1.0) + b"<html>"):
            socket.send_bytes(message)
            assert "refused" in socket.receive_json()
        assert "no time" in send(socket, at=float("nan"))["refused"]
        socket.send_text('{"a": 1}')
        assert "refused" in socket.receive_json()
        assert "refused" not in send(socket)
        assert channel.status.stats is not None
        assert channel.status.stats.lost[REFUSED] == 6


@pytest.mark.parametrize(
    ("key", "role", "headers"),
    [
        (KEY, Role.VIEWER, {}),
        (KEY, Role.REVIEWER, {"Origin": "http://evil.example"}),
        ("short", Role.REVIEWER, {}),
        ("a" * 65, Role.REVIEWER, {}),
    ],
    ids=["a viewer", "another site's page", "a short key", "a long key"],
)
def test_a_camera_without_access_is_refused(
    client: TestClient, station: MonitorService, key: str, role: Role, headers: dict[str, str]
) -> None:
    with shown(client, station, key=key, role=role, **headers) as socket:
        assert closed(socket)[0] == NOT_ALLOWED
    with client.websocket_connect(f"/monitor/camera/{KEY}?token=guessed") as socket:
        assert closed(socket)[0] == NOT_ALLOWED
    assert station.channels == ()


def test_removing_a_camera_closes_its_connection(client: TestClient, station: MonitorService) -> None:
    with shown(client, station) as socket:
        send(socket)
        station.remove(camera_id(KEY))
        assert closed(socket) == (ENDED, "the source was removed")
    assert station.channels == ()


def test_signing_out_closes_the_camera(client: TestClient, station: MonitorService) -> None:
    token = token_of(station, Role.REVIEWER, name="ada")
    with client.websocket_connect(f"/monitor/camera/{KEY}?token={token}") as socket:
        send(socket)
        station.sessions.end(token)
        assert closed(socket)[0] == NOT_ALLOWED


def test_a_camera_survives_a_short_break_but_not_a_long_one(
    client: TestClient, station: MonitorService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stations, "CAMERA_GRACE", 3.0)
    with shown(client, station) as socket:
        (channel,) = until(lambda: station.channels)
        until(lambda: channel.status.state is StreamState.LIVE, socket)
    until(lambda: channel.status.state is StreamState.RECONNECTING)
    assert "is the page with the camera still open?" in channel.status.reason
    with shown(client, station) as socket:
        until(lambda: channel.status.state is StreamState.LIVE, socket)
        assert station.channels == (channel,)
        assert channel.status.connection == 2
        end = time.monotonic() + 3.1
        until(lambda: time.monotonic() > end, socket)
        assert station.channels == (channel,), "the first connection's end ends nothing"
    until(lambda: not station.channels)
    assert channel.hub.over == "the camera's browser has disconnected"


def test_too_many_cameras_are_refused_with_a_reason(client: TestClient, station: MonitorService) -> None:
    for number in range(MOST_CHANNELS):
        station._channels[str(number)] = _Dummy(str(number))  # type: ignore[assignment]
    with shown(client, station) as socket:
        code, why = closed(socket)
    assert code == ENDED
    assert "remove one first" in why


class _Dummy:
    def __init__(self, channel_id: str) -> None:
        self.id = channel_id

    def stop(self) -> None:
        pass
