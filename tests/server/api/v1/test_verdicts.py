"""``/streams/{id}/verdicts``"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from fastapi import Response
from support.api_client import api_client
from support.events import close_stream
from support.observations import Face, frame, observation

from monitor.server.api.caching import answer
from monitor.server.api.v1 import verdicts
from monitor.server.auth.user import Role
from monitor.server.service import MonitorService
from monitor.server.stream import Stream
from monitor.types import Label
from monitor.types.events import FrameAnalysed

BOX = (0.0, 0.0, 9.0, 9.0)
NOW = datetime.now(UTC)


def feed(stream: Stream, seconds_ago: float, probability: float, label: Label = Label.LIKELY_REAL) -> None:
    at = NOW - timedelta(seconds=seconds_ago)
    seen = observation([Face(BOX, 1, label, probability, log_odds=1.0)], media_time=100.0 - seconds_ago)
    picture = frame(np.zeros((9, 9, 3), np.uint8), 100.0 - seconds_ago)
    stream.verdict_log(FrameAnalysed(stream="cam", connection=1, at=at, frame=picture, observation=seen))


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat()


@pytest.fixture
def stream(api: MonitorService) -> Stream:
    stream = api.add("rtsp://127.0.0.1:9/live", trusted=True)
    for seconds_ago, probability in ((50.0, 0.1), (40.0, 0.2), (30.0, 0.3), (20.0, 0.4)):
        feed(stream, seconds_ago, probability)
    feed(stream, 10.0, 0.95, Label.LIKELY_FAKE)
    return stream


def test_the_newest_verdicts_and_the_points_before(api: MonitorService, stream: Stream) -> None:
    found = api_client(api, Role.VIEWER).get(f"/streams/{stream.id}/verdicts").json()
    (verdict,) = found["verdicts"]
    assert (verdict["track_id"], verdict["label"], verdict["probability"]) == (1, "LIKELY_FAKE", 0.95)
    assert (found["connection"], found["media_time"], found["next"]) == (1, 90.0, None)
    assert datetime.fromisoformat(found["at"]) == NOW - timedelta(seconds=10)
    assert [point["probability"] for point in found["items"]] == [0.1, 0.2, 0.3, 0.4, 0.95]
    assert found["items"][0].keys() == {"at", "connection", "media_time", "track_id", "label", "probability"}
    close_stream(stream.verdict_log)
    found = api_client(api, Role.VIEWER).get(f"/streams/{stream.id}/verdicts").json()
    assert (found["verdicts"], found["at"], len(found["items"])) == ([], None, 5)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"since": ago(35)}, [0.3, 0.4, 0.95]),
        ({"until": ago(35)}, [0.1, 0.2]),
        ({"since": ago(45), "until": ago(25)}, [0.2, 0.3]),
        ({"seconds": 3600.0}, [0.1, 0.2, 0.3, 0.4, 0.95]),
        ({"seconds": 0.001}, []),
        ({"limit": 2}, [0.1, 0.2]),
    ],
)
def test_a_span_of_points(api: MonitorService, stream: Stream, query: dict[str, object], expected: list[float]) -> None:
    answer = api_client(api, Role.VIEWER).get(f"/streams/{stream.id}/verdicts", params=query)  # type: ignore[arg-type]
    assert [point["probability"] for point in answer.json()["items"]] == expected


def test_pages_of_points(api: MonitorService, stream: Stream) -> None:
    client = api_client(api, Role.VIEWER)
    found, cursor = [], ""
    while cursor is not None:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = client.get(f"/streams/{stream.id}/verdicts", params=query).json()
        found += [point["probability"] for point in answer["items"]]
        cursor = answer["next"]
    assert found == [0.1, 0.2, 0.3, 0.4, 0.95]


def test_the_answer_is_not_built_on_the_event_loop(
    api: MonitorService, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*args: Any, **options: Any) -> Response:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return answer(*args, **options)

    monkeypatch.setattr(verdicts, "answer", build)
    assert api_client(api, Role.VIEWER).get(f"/streams/{stream.id}/verdicts").status_code == 200


def test_a_time_without_a_zone_is_refused(api: MonitorService, stream: Stream) -> None:
    answer = api_client(api, Role.VIEWER).get(f"/streams/{stream.id}/verdicts", params={"since": "2026-01-01T00:00:00"})
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "since")
