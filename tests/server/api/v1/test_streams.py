"""``/streams``"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from support.api_client import api_client
from support.events import analyse_frame
from support.observations import Face, frame, observation
from support.waiting import until

from monitor.analysis.pipeline import Engines
from monitor.errors import EngineError
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService
from monitor.settings import Settings
from monitor.types import Label

URL = "rtsp://ada:hush@127.0.0.1:9/live"
BOX = (4.0, 4.0, 30.0, 30.0)


@pytest.fixture(autouse=True)
def _no_engines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every stream fails at once: frames come from the test."""

    def none(settings: Settings, **_: object) -> Engines:
        raise EngineError("none today")

    monkeypatch.setattr(Engines, "load", none)
    return


def test_a_source_is_added_renamed_paused_and_removed(api: MonitorService) -> None:
    client = api_client(api, name="desk")
    added = client.post("/streams", json={"url": URL, "name": "Door"})
    assert added.status_code == 201
    found = added.json()
    assert (found["name"], found["address"]) == ("Door", "rtsp://ada:***@127.0.0.1:9/live")
    assert "hush" not in added.text
    one = added.headers["location"]
    assert one == f"streams/{found['id']}", "relative, so it is true below the path of a proxy"
    assert [stream["id"] for stream in client.get("/streams").json()["items"]] == [found["id"]]
    assert client.patch(f"/{one}", json={"name": "Gate"}).json()["name"] == "Gate"
    client.patch(f"/{one}", json={"paused": True})
    until(lambda: client.get(f"/{one}").json()["state"] == "paused")
    client.patch(f"/{one}", json={"paused": False})
    until(lambda: client.get(f"/{one}").json()["state"] in ("failed", "reconnecting"))
    assert "none today" in client.get(f"/{one}").json()["reason"]
    assert client.delete(f"/{one}").status_code == 204
    assert client.get(f"/{one}").status_code == 404
    assert api.streams == ()
    lines = client.get("/audit").json()["items"]
    assert [line["action"] for line in lines[::-1]] == [
        *("source added", "source renamed", "source paused", "source resumed", "source removed")
    ]
    assert {line["person"] for line in lines} == {"key desk"}
    assert not [line for line in lines if "hush" in line["what"]]


def test_an_added_source_is_saved_over_restarts(api: MonitorService) -> None:
    api_client(api).post("/streams", json={"url": URL, "name": "Door"})
    assert "Door" in (api.archive.folder / "sources.json").read_text()


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ({"url": "/etc/passwd"}, 422, "may not be opened from a browser"),
        ({"url": "http://169.254.169.254/latest"}, 422, "link-local"),
        ({"url": "rtsp://[::1"}, 422, "brackets"),
        ({"url": "\0"}, 422, "no address has"),
        ({"url": ""}, 422, "at least 1 character"),
        ({"url": "demo:", "colour": 1}, 422, "no such field"),
        ([], 422, "valid"),
    ],
)
def test_a_wrong_source_is_refused(api: MonitorService, body: object, status: int, why: str) -> None:
    answer = api_client(api).post("/streams", json=body)
    assert answer.status_code == status
    assert why in answer.json()["detail"]
    assert api.streams == ()


def test_the_same_source_twice_is_a_conflict(api: MonitorService) -> None:
    client = api_client(api)
    client.post("/streams", json={"url": URL})
    answer = client.post("/streams", json={"url": URL})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:deepfake-monitor:conflict")
    assert "hush" not in answer.text


def test_the_state_has_the_faces_and_the_picture_of_the_newest_frame(api: MonitorService) -> None:
    stream = api.add(URL, trusted=True)
    client = api_client(api, Role.VIEWER)
    picture = f"/streams/{stream.id}/picture"
    until(lambda: stream.status.state == "failed" or stream.status.attempt)
    assert client.get(picture).status_code == 404, "no picture yet"
    assert client.get(f"/streams/{stream.id}").json()["label"] is None
    faces = Face(BOX, 1, Label.SUSPICIOUS, 0.8, log_odds=2.0), Face(BOX, 2, log_odds=-2.0)
    pixels = np.full((48, 64, 3), 90, np.uint8)
    for observer in (stream.broadcaster, stream.metrics, stream.verdict_log):
        analyse_frame(observer, frame(pixels, 0.5), observation(faces, media_time=0.5))
    found = client.get(f"/streams/{stream.id}").json()
    assert found["label"] == "SUSPICIOUS"
    assert found["faces"] == {"NOT_ENOUGH_EVIDENCE": 0, "LIKELY_REAL": 1, "SUSPICIOUS": 1, "LIKELY_FAKE": 0}
    answer = client.get(picture)
    assert answer.headers["content-type"] == "image/jpeg"
    shown = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (48, 64, 3)
    assert abs(int(shown.mean()) - 90) <= 2
    again = client.get(picture, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    analyse_frame(stream.broadcaster, frame(pixels, 1.0, 1), observation(faces, media_time=1.0))
    assert client.get(picture, headers={"If-None-Match": answer.headers["etag"]}).status_code == 200


def test_pages_of_streams_together_hold_each_stream_once(api: MonitorService) -> None:
    for number in range(5):
        api.add(f"rtsp://127.0.0.1:9/{number}", trusted=True)
    client = api_client(api, Role.VIEWER)
    found, cursor = [], ""
    while cursor is not None:
        answer = client.get("/streams", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        assert len(answer["items"]) <= 2
        found += [stream["id"] for stream in answer["items"]]
        cursor = answer["next"]
    assert sorted(found) == found == sorted(stream.id for stream in api.streams)
    foreign = client.get("/audit", params={"cursor": "WzFd"})
    assert foreign.status_code == 403
    assert client.get("/streams", params={"cursor": "WzFd"}).status_code == 422, "the cursor of another list"


def test_a_change_that_cannot_be_audited_is_not_made(api: MonitorService, break_audit: Callable[[], None]) -> None:
    client = api_client(api)
    one = client.post("/streams", json={"url": URL, "name": "Door"}).headers["location"]
    break_audit()
    assert client.post("/streams", json={"url": "rtsp://127.0.0.1:9/other"}).status_code == 503
    assert client.patch(f"/{one}", json={"name": "Gate"}).status_code == 503
    assert client.delete(f"/{one}").status_code == 503
    assert [stream["name"] for stream in client.get("/streams").json()["items"]] == ["Door"]
