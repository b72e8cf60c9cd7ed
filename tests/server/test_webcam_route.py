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
from support.waiting import until

from monitor.analysis.pipeline import Engines
from monitor.flags.recorder import FlagRequest
from monitor.media.sources import demo_faces
from monitor.media.sources.push import REFUSED
from monitor.runtime import StreamState
from monitor.server import service as stations
from monitor.server.auth.user import Role
from monitor.server.frame_messages import ENDED, NOT_ALLOWED
from monitor.server.service import MonitorService
from monitor.server.stream import camera_id
from monitor.settings import EvidenceSettings, Settings
from monitor.system import jpeg
from monitor.types import ClipState

KEY = secrets.token_urlsafe(18)
PICTURE = jpeg.encode(demo_faces()[0], quality=90)


@pytest.fixture
def monitor_service(tmp_path: Path, settings: Settings, engines: Engines) -> Iterator[MonitorService]:
    evidence = EvidenceSettings(folder=tmp_path / "kept", pre_roll=0.5, post_roll=0.3)
    source = settings.source.model_copy(update={"read_timeout": 0.5})
    monitor_service = MonitorService.open(settings.model_copy(update={"evidence": evidence, "source": source}))
    monitor_service._engines = engines
    stations.install(monitor_service)
    yield monitor_service
    stations.install(None)
    monitor_service.close()


@contextmanager
def shown(
    client: TestClient, monitor_service: MonitorService, *, key: str = KEY, role: Role = Role.REVIEWER, **headers: str
) -> Iterator[WebSocketTestSession]:
    token = token_of(monitor_service, role, name="ada")
    with client.websocket_connect(f"/monitor/camera/{key}?token={token}&name=eve", headers=headers) as socket:
        yield socket


def send(socket: WebSocketTestSession, content: bytes = PICTURE, *, at: float | None = None) -> dict[str, Any]:
    """Sends a picture; returns the acknowledgement."""
    socket.send_bytes(struct.pack(">d", 1000 * (time.time() if at is None else at)) + content)
    return socket.receive_json()


def send_until(socket: WebSocketTestSession, holds: Callable[[], Any]) -> Any:
    """Sends pictures until a value is true; returns the value."""
    return until(lambda: holds() or (send(socket) and None), seconds=30)


def closed(socket: WebSocketTestSession) -> tuple[int, str]:
    with pytest.raises(WebSocketDisconnect) as end:
        list(iter(socket.receive_json, None))
    return end.value.code, end.value.reason


def test_a_camera_is_monitored_and_its_flag_has_a_clip(client: TestClient, monitor_service: MonitorService) -> None:
    with shown(client, monitor_service, Origin="http://testserver") as socket:
        assert send(socket) == {"ack": 1}
        (stream,) = monitor_service.streams
        assert (stream.id, stream.name) == (camera_id(KEY), "Camera of ada"), "who is signed in, whatever is asked for"
        assert KEY not in stream.id
        now = send_until(
            socket, lambda: stream.broadcaster.now and stream.broadcaster.now["faces"] and stream.broadcaster.now
        )
        assert stream.status.state is StreamState.LIVE
        flag = stream.flag_recorder.flag(FlagRequest(connection=1, media_time=now["time"], frame_index=now["frame"]))
        assert (flag.source, flag.source_kind) == ("Camera of ada", "webcam")
        send_until(socket, lambda: monitor_service.archive.store.get(flag.id).clip is ClipState.KEPT)
    assert [entry.action for entry in monitor_service.audit.last(5)] == ["source added"]


def test_an_invalid_picture_is_acknowledged_and_counted(client: TestClient, monitor_service: MonitorService) -> None:
    with shown(client, monitor_service) as socket:
        (stream,) = until(lambda: monitor_service.streams, seconds=30)
        send_until(socket, lambda: stream.status.state is StreamState.LIVE)
        for message in (b"", b"short", struct.pack(">d", 1.0), struct.pack(">d", 1.0) + b"<html>"):
            socket.send_bytes(message)
            assert "refused" in socket.receive_json()
        assert "no time" in send(socket, at=float("nan"))["refused"]
        socket.send_text('{"a": 1}')
        assert "refused" in socket.receive_json()
        assert "refused" not in send(socket)
        assert stream.status.stats is not None
        assert stream.status.stats.lost[REFUSED] == 6


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
    client: TestClient, monitor_service: MonitorService, key: str, role: Role, headers: dict[str, str]
) -> None:
    with shown(client, monitor_service, key=key, role=role, **headers) as socket:
        assert closed(socket)[0] == NOT_ALLOWED
    with client.websocket_connect(f"/monitor/camera/{KEY}?token=guessed") as socket:
        assert closed(socket)[0] == NOT_ALLOWED
    assert monitor_service.streams == ()


def test_removing_a_camera_closes_its_connection(client: TestClient, monitor_service: MonitorService) -> None:
    with shown(client, monitor_service) as socket:
        send(socket)
        monitor_service.remove(camera_id(KEY))
        assert closed(socket) == (ENDED, "the source was removed")
    assert monitor_service.streams == ()


def test_signing_out_closes_the_camera(client: TestClient, monitor_service: MonitorService) -> None:
    token = token_of(monitor_service, Role.REVIEWER, name="ada")
    with client.websocket_connect(f"/monitor/camera/{KEY}?token={token}") as socket:
        send(socket)
        monitor_service.sessions.end(token)
        assert closed(socket)[0] == NOT_ALLOWED


def test_a_camera_survives_a_short_break_but_not_a_long_one(
    client: TestClient, monitor_service: MonitorService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stations, "CAMERA_GRACE", 3.0)
    with shown(client, monitor_service) as socket:
        (stream,) = until(lambda: monitor_service.streams, seconds=30)
        send_until(socket, lambda: stream.status.state is StreamState.LIVE)
    until(lambda: stream.status.state is StreamState.RECONNECTING, seconds=30)
    assert "is the page with the camera still open?" in stream.status.reason
    with shown(client, monitor_service) as socket:
        send_until(socket, lambda: stream.status.state is StreamState.LIVE)
        assert monitor_service.streams == (stream,)
        assert stream.status.connection == 2
        end = time.monotonic() + 3.1
        send_until(socket, lambda: time.monotonic() > end)
        assert monitor_service.streams == (stream,), "the first connection's end ends nothing"
    until(lambda: not monitor_service.streams, seconds=30)
    assert stream.broadcaster.over == "the camera's browser has disconnected"


def test_too_many_cameras_are_refused_with_a_reason(client: TestClient, monitor_service: MonitorService) -> None:
    for number in range(monitor_service.settings.dashboard.max_sources):
        monitor_service._streams[str(number)] = _Dummy(str(number))  # type: ignore[assignment]
    with shown(client, monitor_service) as socket:
        code, why = closed(socket)
    assert code == ENDED
    assert "remove one first" in why


class _Dummy:
    def __init__(self, stream_id: str) -> None:
        self.id = stream_id

    def stop(self) -> None:
        pass
