"""The API in the real server: beside Streamlit's pages, below a path, with the events of the demo stream."""

import json
import signal
from collections.abc import Iterator

import httpx
import pytest
from support.dashboard_server import Dashboard
from support.waiting import until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    dashboard = Dashboard(tmp_path_factory.mktemp("server") / "evidence", base_path="faces")
    dashboard.start()
    try:
        yield f"{dashboard.url}/faces"
    finally:
        dashboard.end(signal.SIGTERM)


def test_pages_and_api_lie_side_by_side(server: str) -> None:
    page = httpx.get(f"{server}/system", follow_redirects=True, timeout=60)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert httpx.get(f"{server}/healthz").text == "ok\n"
    for base in (server, server.removesuffix("/faces")):
        assert httpx.get(f"{base}/api/v1/openapi.json", timeout=60).json()["info"]["title"] == "deepfake-monitor"
        (stream,) = httpx.get(f"{base}/api/v1/streams", timeout=60).json()["items"]
        assert (stream["name"], stream["address"]) == ("Demo", "demo:")
        refused = httpx.get(f"{base}/api/v1/nothing", timeout=60)
        assert (refused.status_code, refused.json()["status"]) == (404, 404)
    assert httpx.get(f"{server}/api/v1/docs", timeout=60).headers["content-type"].startswith("text/html")


def test_a_page_of_another_site_is_refused_as_before(server: str) -> None:
    foreign = {"Origin": "http://evil.example"}
    answer = httpx.get(f"{server}/api/v1/streams", headers=foreign, timeout=60)
    assert answer.status_code == 403
    for path in ("monitor/upload", "monitor/export"):
        method = "PUT" if path.endswith("upload") else "GET"
        answer = httpx.request(method, f"{server}/{path}", headers=foreign, timeout=60)
        assert (answer.status_code, answer.json().keys()) == (403, {"error"}), "the pages' own routes are unchanged"
        assert "access-control-allow-origin" not in answer.headers


def test_verdicts_and_pictures_of_the_demo_arrive(server: str) -> None:
    api = httpx.Client(base_url=f"{server}/api/v1", timeout=120)
    (stream,) = api.get("/streams").json()["items"]
    found = until(lambda: api.get(f"/streams/{stream['id']}/verdicts").json()["items"], seconds=150.0)
    assert found[0].keys() >= {"at", "track_id", "label", "probability"}
    picture = api.get(f"/streams/{stream['id']}/picture")
    assert picture.content.startswith(b"\xff\xd8")
    assert api.get("/model").json()["cards"][0]["weights_sha256"]
    assert api.get("/system").json()["engine"]["name"]
    with api.stream("GET", "/events", params={"types": "frame_analysed"}) as answer:
        line = next(line for line in answer.iter_lines() if line.startswith("data: "))
    event = json.loads(line.removeprefix("data: "))
    assert (event["type"], event["stream_id"]) == ("frame_analysed", stream["id"])
    api.close()
