"""``/analyses``"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
from starlette.testclient import TestClient
from support.api_client import api_client
from support.footage import posed
from support.waiting import until
from support.web_server import web_server

from monitor.analysis.pipeline import Engines
from monitor.errors import StoreError
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService
from monitor.server.uploads import Upload, UploadState

FILE = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def png() -> bytes:
    """A picture with one face."""
    return bytes(cv2.imencode(".png", posed((160, 120, 120), width=320, height=240)[..., ::-1])[1])


@pytest.fixture
def analysing(api: MonitorService, engines: Engines) -> MonitorService:
    """The service with its engines loaded."""
    api._engines = engines
    return api


@pytest.fixture
def idle(api: MonitorService) -> Iterator[MonitorService]:
    """The service; its analyses wait."""
    api.analyses._worker.do(lambda: api.analyses._closing.wait(60) and None)
    yield api
    api.analyses._closing.set()


def upload(client: TestClient, content: bytes, *, name: str = "me.png", **headers: str) -> Any:
    return client.post("/analyses", params={"name": name}, content=content, headers=FILE | headers)


def test_an_upload_is_analysed(analysing: MonitorService, png: bytes) -> None:
    client = api_client(analysing, Role.REVIEWER)
    answer = upload(client, png)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"analyses/{answer.json()['id']}"
    path = f"/{answer.headers['location']}"
    found = until(lambda: (one := client.get(path).json())["state"] == "done" and one)
    assert (found["name"], found["why"], found["error"], found["progress"]) == ("me.png", "", None, None)
    report = client.get(f"{path}/report")
    assert report.json()["verdict"]["label"] == found["label"]
    assert report.json()["source"]["name"] == "me.png"
    assert client.get(f"{path}/report", headers={"If-None-Match": report.headers["etag"]}).status_code == 304
    files = {item["name"]: item["bytes"] for item in client.get(f"{path}/files").json()["items"]}
    assert {"report.json", "timeline.csv"} <= files.keys()
    assert len(client.get(f"{path}/files/timeline.csv").content) == files["timeline.csv"]
    part = client.get(f"{path}/files/report.json", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, report.content[:4])
    assert "<html" in client.get(f"{path}/files/report.html").text
    assert client.get(f"{path}/files/absent").status_code == 404
    assert client.post(f"{path}/cancel", json={}).status_code == 409
    assert [(line.action, line.person, line.what) for line in analysing.audit.last(1)] == [
        ("uploaded", "key robot", "me.png")
    ]
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_a_file_without_a_picture_is_refused_with_the_kind_of_the_error(api: MonitorService) -> None:
    answer = upload(api_client(api, Role.REVIEWER), b"diary", name="diary.txt")
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:deepfake-monitor:source-unreadable"
    assert "diary.txt" in answer.json()["detail"]
    assert api.analyses.all == []


def test_a_body_of_another_type_is_refused(api: MonitorService) -> None:
    client = api_client(api, Role.ADMIN)
    assert client.post("/analyses", content=b"<a/>", headers={"Content-Type": "text/xml"}).status_code == 415
    for body in (b"", b"{", b"[]", b"{}", b'{"url": ""}', b'{"url": 3}', b'{"url": "http://x/a.mp4", "b": 1}'):
        answer = client.post("/analyses", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, body
        assert answer.json()["errors"]
    long = json.dumps({"url": "http://x/" + "a" * 70_000})
    assert client.post("/analyses", content=long, headers={"Content-Type": "application/json"}).status_code == 413


def test_an_administrator_names_an_address(analysing: MonitorService, png: bytes, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "me.png").write_bytes(png)
    client = api_client(analysing, Role.ADMIN)
    with web_server(tmp_path / "web") as web:
        url = f"{web.url}/me.png?token=hidden"
        refused = api_client(analysing, Role.REVIEWER).post("/analyses", json={"url": url})
        assert (refused.status_code, "upload the file" in refused.json()["detail"]) == (403, True)
        answer = client.post("/analyses", json={"url": url})
        assert answer.status_code == 202, answer.text
        path = f"/{answer.headers['location']}"
        assert until(lambda: (one := client.get(path).json())["state"] == "done" and one)["name"] == "me.png"
        gone = client.post("/analyses", json={"url": f"{web.url}/absent.png"})
        failed = until(lambda: (one := client.get(f"/{gone.headers['location']}").json())["state"] == "failed" and one)
    assert failed["error"] == "urn:deepfake-monitor:source-not-found"
    report = client.get(f"/{gone.headers['location']}/report")
    assert (report.status_code, "404" in report.json()["detail"]) == (409, True)
    assert not any("hidden" in line.what for line in analysing.audit.last(10))


@pytest.mark.parametrize("url", ["rtsp://127.0.0.1/live", "/etc/passwd", "http://169.254.169.254/a.mp4", "demo:"])
def test_an_address_that_is_not_allowed_or_no_file_is_refused(api: MonitorService, url: str) -> None:
    answer = api_client(api, Role.ADMIN).post("/analyses", json={"url": url})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:deepfake-monitor:usage"), answer.text
    assert api.analyses.all == []


def test_a_repeated_request_is_done_once(idle: MonitorService, png: bytes) -> None:
    client = api_client(idle, Role.REVIEWER)
    first = upload(client, png, **{"Idempotency-Key": "one"})
    again = upload(client, png, **{"Idempotency-Key": "one"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.headers["location"] == again.headers["location"]
    assert len(idle.analyses.all) == 1
    for answer in (
        upload(client, png + b"x", **{"Idempotency-Key": "one"}),
        upload(client, png, name="you.png", **{"Idempotency-Key": "one"}),
    ):
        assert (answer.status_code, "another request" in answer.json()["detail"]) == (422, True)
    other = upload(api_client(idle, Role.REVIEWER, name="other"), png, **{"Idempotency-Key": "one"})
    assert other.headers["location"] != first.headers["location"], "keys belong to their API key"
    assert upload(client, png, **{"Idempotency-Key": "x" * 201}).status_code == 422
    client.delete(f"/{first.headers['location']}")
    anew = upload(client, png, **{"Idempotency-Key": "one"})
    assert (anew.status_code, anew.headers["location"] != first.headers["location"]) == (202, True)


def test_a_failed_request_may_be_repeated_with_its_key(
    idle: MonitorService, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = api_client(idle, Role.REVIEWER)

    def full(*_: object, **__: object) -> None:
        raise StoreError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(idle.idempotency_keys, "remember", full)
        assert upload(client, png, **{"Idempotency-Key": "one"}).status_code == 503
    assert idle.analyses.all == []
    assert upload(client, png, **{"Idempotency-Key": "one"}).status_code == 202


def test_a_key_that_is_in_use_is_a_conflict(idle: MonitorService, png: bytes) -> None:
    client = api_client(idle, Role.REVIEWER)
    (key,) = idle.api_keys.all()
    with idle.idempotency_keys.claim(key.id, "one"):
        refused = upload(client, png, **{"Idempotency-Key": "one"})
    assert (refused.status_code, refused.headers["retry-after"]) == (409, "5"), "the client repeats it"


def test_a_queued_analysis_is_cancelled_once(idle: MonitorService, png: bytes) -> None:
    client = api_client(idle, Role.REVIEWER)
    path = f"/{upload(client, png).headers['location']}"
    assert client.get(path).json()["state"] == "queued"
    waiting = client.get(f"{path}/report")
    assert (waiting.status_code, "wait until it is done" in waiting.json()["detail"]) == (409, True)
    for _ in range(2):
        answer = client.post(f"{path}/cancel", json={})
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert api_client(idle, Role.VIEWER).post(f"{path}/cancel", json={}).status_code == 403


def test_pages_hold_every_analysis_once_also_if_one_is_deleted(api: MonitorService) -> None:
    for number in range(5):
        one = Upload(f"2026112{number}T000000-0", f"{number}.mp4", "2026-11-24T00:00:00.000+00:00", UploadState.DONE)
        api.analyses._uploads[one.id] = one
    client = api_client(api, Role.VIEWER)
    first = client.get("/analyses?limit=2").json()
    del api.analyses._uploads[first["items"][-1]["id"]]
    second = client.get("/analyses", params={"limit": 2, "cursor": first["next"]}).json()
    third = client.get("/analyses", params={"limit": 2, "cursor": second["next"]}).json()
    names = [item["name"] for page in (first, second, third) for item in page["items"]]
    assert (names, third["next"]) == (["4.mp4", "3.mp4", "2.mp4", "1.mp4", "0.mp4"], None)
