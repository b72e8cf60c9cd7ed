"""The routes beside the pages."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect
from support.events import analyse_frame
from support.flagging import clip, flag
from support.footage import posed
from support.frame_messages import unpack
from support.observations import frame, observation
from support.visitors import token_of

from monitor.analysis.pipeline import Engines
from monitor.flags.bundle import verify
from monitor.server import service as stations
from monitor.server.broadcaster import Broadcaster
from monitor.server.frame_messages import ENDED, NOT_ALLOWED
from monitor.server.service import MonitorService
from monitor.server.uploads import JOB_FILE, UploadState
from monitor.settings import DashboardSettings, EvidenceSettings, Settings

CLIP = clip(tuple(number / 10 for number in range(41)))  # some kilobytes
FILE = f"/monitor/flags/{flag(0).id}/clip.mp4"


@dataclass
class Tuned:
    """A stream whose frames come from the test."""

    id: str = "door"
    broadcaster: Broadcaster = field(default_factory=Broadcaster)

    def feed(self, index: int) -> None:
        analyse_frame(
            self.broadcaster, frame(np.zeros((48, 64, 3), np.uint8), index * 0.04, index), observation(index=index)
        )

    def stop(self) -> None:
        self.broadcaster.end("the source was removed")


@pytest.fixture
def monitor_service(tmp_path: Path, settings: Settings) -> Iterator[MonitorService]:
    """A service with two flags and their files; uploads of at most one megabyte."""
    ours = settings.model_copy(
        update={
            "evidence": EvidenceSettings(folder=tmp_path / "kept"),
            "dashboard": DashboardSettings(max_upload_megabytes=1),
        }
    )
    monitor_service = MonitorService.open(ours)
    archive = monitor_service.archive
    for number in range(2):
        one = flag(number)
        files = {"frame.jpg": _jpeg(), "clip.mp4": CLIP}
        archive.store.add(replace(one, exhibits=archive.files.create(one.id, files)), actor="ada")
    stations.install(monitor_service)
    yield monitor_service
    stations.install(None)
    monitor_service.close()


@pytest.fixture
def token(monitor_service: MonitorService) -> dict[str, str]:
    return {"token": token_of(monitor_service)}


def _jpeg() -> bytes:
    return cv2.imencode(".jpg", np.full((60, 80, 3), 90, np.uint8))[1].tobytes()


def _png() -> bytes:
    return cv2.imencode(".png", posed((160, 120, 120), width=320, height=240)[..., ::-1])[1].tobytes()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", FILE),
        ("GET", "/monitor/analyses/any/report.json"),
        ("GET", f"/monitor/export?ids={flag(0).id}"),
        ("PUT", "/monitor/upload?name=a.png"),
    ],
)
def test_requests_without_a_token_or_from_a_foreign_site_are_refused(
    client: TestClient, token: dict[str, str], method: str, path: str
) -> None:
    joined = f"{path}&" if "?" in path else f"{path}?"
    for url, headers in [
        (path, {}),
        (f"{joined}token=guessed", {}),
        (f"{joined}token={token['token']}", {"Origin": "http://evil.example"}),
        (f"{joined}token={token['token']}", {"Origin": "http://testserver:81"}),
        (f"{joined}token={token['token']}", {"Origin": "null"}),
    ]:
        answer = client.request(method, url, headers=headers)
        assert answer.status_code == 403, (url, headers)
        assert "not allowed" in answer.json()["error"]
        assert "access-control-allow-origin" not in answer.headers


def test_a_page_with_a_token_is_answered(client: TestClient, token: dict[str, str]) -> None:
    answer = client.get(FILE, params=token, headers={"Origin": "http://testserver"})
    assert (answer.status_code, answer.content) == (200, CLIP)
    assert answer.headers["content-type"] == "video/mp4"


def test_a_refused_upload_leaves_nothing(client: TestClient, monitor_service: MonitorService) -> None:
    assert client.put("/monitor/upload?name=a.png", content=_png()).status_code == 403
    assert monitor_service.analyses.all == []


def test_a_clip_supports_byte_ranges(client: TestClient, token: dict[str, str]) -> None:
    answer = client.get(FILE, params=token, headers={"Range": "bytes=1000-1999"})
    assert (answer.status_code, answer.content) == (206, CLIP[1000:2000])
    assert answer.headers["content-range"] == f"bytes 1000-1999/{len(CLIP)}"


@pytest.mark.parametrize("path", [FILE, "/monitor/flags/none/clip.mp4", "/monitor/export"])
def test_answers_forbid_caching_and_scripts(client: TestClient, token: dict[str, str], path: str) -> None:
    for params in (token, {}):
        headers = client.get(path, params=params).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "private, no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    "path",
    [
        f"/monitor/flags/{flag(0).id}/stray.txt",
        "/monitor/flags/none/clip.mp4",
        f"/monitor/flags/{flag(0).id}/..%2F..%2Fflags.db",
        f"/monitor/flags/{flag(0).id}/%2e%2e%2f%2e%2e%2fflags.db",
        f"/monitor/flags/{flag(0).id}/..%5C..%5Cflags.db",
        f"/monitor/flags/{flag(0).id}/%2e%2e",
        f"/monitor/flags/..%2F{flag(0).id}/clip.mp4",
        "/monitor/flags/%2e%2e/flags.db",
        "/monitor/analyses/none/report.json",
        "/monitor/analyses/%2e%2e/report.json",
        "/monitor/analyses/%2e/report.json",
    ],
)
def test_only_listed_files_are_sent(
    client: TestClient, monitor_service: MonitorService, token: dict[str, str], path: str
) -> None:
    (monitor_service.archive.files.folder(flag(0).id) / "stray.txt").write_text("not ours to give")
    for folder in (monitor_service.archive.folder, monitor_service.archive.folder / "analyses"):
        (folder / "results" / "private").mkdir(parents=True)
        (folder / "results" / "private" / "report.json").write_text("{}")
    assert client.get(path, params=token).status_code == 404


def test_a_missing_listed_file_is_an_error(
    client: TestClient, monitor_service: MonitorService, token: dict[str, str]
) -> None:
    (monitor_service.archive.files.folder(flag(0).id) / "clip.mp4").unlink()
    answer = client.get(FILE, params=token)
    assert (answer.status_code, answer.json()["error"]) == (404, "the file no longer exists")


def test_an_export_is_a_valid_bundle(
    client: TestClient, monitor_service: MonitorService, token: dict[str, str], tmp_path: Path
) -> None:
    ids = [flag(1).id, flag(0).id]
    answer = client.get("/monitor/export", params={**token, "ids": ",".join(ids), "actor": "bob"})
    assert answer.status_code == 200
    assert 'filename="flags.zip"' in answer.headers["content-disposition"]
    (tmp_path / "got.zip").write_bytes(answer.content)
    found = verify(tmp_path / "got.zip")
    assert found.faults == ()
    assert sorted(found.flags) == sorted(ids)
    last = monitor_service.archive.store.events(ids[0])[-1]
    assert (last.action, last.actor) == ("exported", "bob")


def test_an_export_of_a_missing_flag_is_refused(client: TestClient, token: dict[str, str]) -> None:
    answer = client.get("/monitor/export", params={**token, "ids": f"{flag(0).id},none"})
    assert answer.status_code == 404
    assert "none" in answer.json()["error"]


def test_an_upload_is_analysed_and_its_results_are_sent(
    client: TestClient, monitor_service: MonitorService, token: dict[str, str], engines: Engines
) -> None:
    monitor_service._engines, content = engines, _png()
    answer = client.put("/monitor/upload", params={**token, "name": "me.png"}, content=content)
    assert answer.status_code == 200
    said = answer.json()
    assert said["bytes"] == len(content)
    deadline = time.monotonic() + 60
    while not (analysis := monitor_service.analyses.get(said["id"])) or not analysis.state.over:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (analysis.name, analysis.state) == ("me.png", UploadState.DONE)
    report = client.get(f"/monitor/analyses/{said['id']}/report.json", params=token)
    assert len(report.json()["tracks"]) == 1
    assert "content-disposition" not in report.headers
    saved = client.get(f"/monitor/analyses/{said['id']}/report.json", params=token | {"saved": "1"})
    assert saved.headers["content-disposition"] == 'attachment; filename="report.json"'
    (moment,) = client.get(f"/monitor/analyses/{said['id']}/key-frames.json", params=token).json()
    picture = client.get(f"/monitor/analyses/{said['id']}/{moment['file']}", params=token)
    assert picture.headers["content-type"] == "image/jpeg"
    page = client.get(f"/monitor/analyses/{said['id']}/report.html", params=token)
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>me.png</h1>" in page.text
    assert "data:image/jpeg;base64," in page.text
    for hidden in (JOB_FILE, "upload.png", "..%2F..%2Fjob.json"):
        assert client.get(f"/monitor/analyses/{said['id']}/{hidden}", params=token).status_code == 404


def test_too_large_an_upload_is_refused_and_nothing_is_left(
    client: TestClient, monitor_service: MonitorService, token: dict[str, str]
) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(5):
            yield b"\0" * 300_000

    for content in (b"\0" * 1_000_001, pieces()):  # pieces: of a length that is not told
        answer = client.put("/monitor/upload", params={**token, "name": "a.mp4"}, content=content)
        assert answer.status_code == 400
        assert "larger than 1 MB" in answer.json()["error"]
    left_nothing(monitor_service)


def left_nothing(monitor_service: MonitorService) -> None:
    assert monitor_service.analyses.all == []
    folder = monitor_service.archive.folder / "analyses"
    assert not folder.is_dir() or list(folder.iterdir()) == []


def test_a_text_is_refused_with_a_sentence(
    client: TestClient, monitor_service: MonitorService, token: dict[str, str]
) -> None:
    text = b"Dear diary, today I saw no faces at all.\n" * 40
    answer = client.put("/monitor/upload", params={**token, "name": "diary.txt"}, content=text)
    assert answer.status_code == 400
    said = answer.json()["error"]
    assert "diary.txt" in said, "as the person calls it"
    assert str(monitor_service.archive.folder) not in said
    left_nothing(monitor_service)


def test_an_upload_is_put_and_nothing_else(client: TestClient, token: dict[str, str]) -> None:
    assert client.post("/monitor/upload", params=token, content=b"x").status_code == 405


@pytest.fixture
def tuned(monitor_service: MonitorService) -> Tuned:
    tuned = Tuned()
    streams: dict[str, Any] = monitor_service._streams
    streams["door"] = tuned
    return tuned


@contextmanager
def viewed(client: TestClient, token: dict[str, str], **headers: str) -> Iterator[WebSocketTestSession]:
    with client.websocket_connect(f"/monitor/live/door?token={token['token']}", headers=headers) as socket:
        try:
            yield socket
        finally:
            socket.close()
            alone()  # the session would cut short what the route does at its end


def alone() -> None:
    """Waits until the last viewer has disconnected."""
    stream = stations.current().stream("door")
    deadline = time.monotonic() + 5
    while stream is not None and stream.broadcaster.viewers:
        assert time.monotonic() < deadline, "the route is still at it"
        time.sleep(0.01)


def number(message: bytes) -> int:
    return unpack(message)[0]["frame"]


def closed(socket: WebSocketTestSession) -> tuple[int, str]:
    with pytest.raises(WebSocketDisconnect) as end:
        socket.receive_bytes()
    return end.value.code, end.value.reason


@pytest.mark.parametrize(
    ("token", "headers"),
    [({"token": "guessed"}, {}), ({"token": ""}, {}), (None, {"Origin": "http://evil.example"})],
)
def test_a_viewer_without_access_is_refused(
    client: TestClient,
    monitor_service: MonitorService,
    tuned: Tuned,
    token: dict[str, str] | None,
    headers: dict[str, str],
) -> None:
    tuned.feed(0)
    with viewed(client, token or {"token": token_of(monitor_service)}, **headers) as socket:
        assert closed(socket)[0] == NOT_ALLOWED == 4401
    assert tuned.broadcaster.viewers == 0


def test_a_missing_stream_closes_the_connection_with_a_reason(client: TestClient, token: dict[str, str]) -> None:
    with viewed(client, token) as socket:
        assert closed(socket) == (ENDED, "the source was removed")


def test_at_most_two_frames_are_unacknowledged(client: TestClient, tuned: Tuned, token: dict[str, str]) -> None:
    tuned.feed(0)
    with viewed(client, token, Origin="http://testserver") as socket:
        assert number(socket.receive_bytes()) == 0
        assert tuned.broadcaster.viewers == 1
        tuned.feed(1)
        assert number(socket.receive_bytes()) == 1
        for index in (2, 3, 4):
            tuned.feed(index)
            time.sleep(0.1)
        socket.send_json({"ack": 3, "connection": 1, "shown": True})  # was never sent
        socket.send_json({"ack": 0, "connection": 1, "shown": True})
        assert number(socket.receive_bytes()) == 4, "what lay between was skipped, not queued up"
        tuned.feed(5)
        time.sleep(0.1)
        tuned.feed(6)
        socket.send_json({"ack": 1, "connection": 1, "shown": False})
        assert number(socket.receive_bytes()) == 6
        viewer = tuned.broadcaster.viewer_of(token["token"])
        assert viewer is not None
        assert viewer.fps * 5 == pytest.approx(1), "one was drawn, one skipped"
    assert tuned.broadcaster.viewers == 0


def test_a_state_without_frames_is_sent_as_text(client: TestClient, tuned: Tuned, token: dict[str, str]) -> None:
    tuned.broadcaster.show_state("connecting", "preparing a network")
    with viewed(client, token) as socket:
        assert socket.receive_json() == {"state": "connecting", "reason": "preparing a network"}
        tuned.feed(0)
        assert number(socket.receive_bytes()) == 0
        tuned.broadcaster.show_state("paused")
        assert socket.receive_json() == {"state": "paused", "reason": ""}


def test_the_end_closes_the_connection_with_a_reason(client: TestClient, tuned: Tuned, token: dict[str, str]) -> None:
    with viewed(client, token) as socket:
        tuned.feed(0)
        assert number(socket.receive_bytes()) == 0
        tuned.stop()
        assert closed(socket) == (ENDED, "the source was removed")


def test_the_end_reaches_a_viewer_with_unacknowledged_frames(
    client: TestClient, tuned: Tuned, token: dict[str, str]
) -> None:
    with viewed(client, token) as socket:
        for index in (0, 1):
            tuned.feed(index)
            socket.receive_bytes()
        tuned.stop()
        alone()
        assert closed(socket) == (ENDED, "the source was removed")


@pytest.mark.parametrize("text", ["no json", "[]", '{"other": 1}', "7", '{"ack": [], "connection": {}, "shown": 1}'])
def test_an_invalid_message_closes_the_connection(
    client: TestClient, tuned: Tuned, token: dict[str, str], text: str
) -> None:
    with viewed(client, token) as socket:
        tuned.feed(0)
        socket.receive_bytes()
        socket.send_text(text)
        alone()
