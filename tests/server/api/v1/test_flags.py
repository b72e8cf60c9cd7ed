"""``/flags``"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from starlette.testclient import TestClient
from support.api_client import api_client
from support.events import analyse_frame
from support.flagging import BEGIN, flag
from support.observations import frame, observation

from monitor.flags.recorder import FlagRequest
from monitor.server.auth.user import Role
from monitor.server.broadcaster import Broadcaster
from monitor.server.service import MonitorService
from monitor.types import Flag, Label, Opinion, Origin


@pytest.fixture
def flags(api: MonitorService) -> list[Flag]:
    """Five flags, the newest first."""
    changes: list[dict[str, Any]] = [
        {},
        {"label": Label.LIKELY_FAKE, "origin": Origin.AUTOMATIC, "reporter": ""},
        {"source": "talk.mp4"},
        {},
        {},
    ]
    added = [
        api.archive.add(flag(number, **change), {"frame.jpg": b"picture"}) for number, change in enumerate(changes)
    ]
    reviewed = api.archive.store.review(added[3].id, actor="ada", opinion=Opinion.REAL)
    return [added[4], reviewed, *reversed(added[:3])]


@dataclass
class Tuned:
    """A stream whose frames come from the test; it keeps what is flagged."""

    id: str = "door"
    name: str = "Door"
    broadcaster: Broadcaster = field(default_factory=Broadcaster)
    marks: list[FlagRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.flag_recorder = self

    def flag(self, mark: FlagRequest) -> Flag:
        self.marks.append(mark)
        return flag(9, reporter=mark.reporter, note=mark.note, category=mark.category)

    def stop(self) -> None: ...


@pytest.fixture
def stream(api: MonitorService) -> Iterator[Tuned]:
    stream = Tuned()
    api._streams[stream.id] = stream  # type: ignore[assignment]
    yield stream
    del api._streams[stream.id]


def ids(client: TestClient, query: str) -> list[str]:
    answer = client.get(f"/flags?{query}")
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def test_a_flag_is_sent_as_the_record_that_its_hash_covers(api: MonitorService, flags: list[Flag]) -> None:
    client = api_client(api, Role.VIEWER)
    answer = client.get(f"/flags/{flags[0].id}")
    assert Flag.of_record(answer.json()) == flags[0]
    assert answer.headers["etag"] == f'"{flags[0].sha256}"'
    again = client.get(f"/flags/{flags[0].id}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    absent = client.get("/flags/none")
    assert (absent.status_code, absent.json()["type"]) == (404, "urn:deepfake-monitor:flag-not-found")


def test_pages_hold_every_flag_once_also_if_flags_are_added_and_deleted(api: MonitorService, flags: list[Flag]) -> None:
    client = api_client(api, Role.VIEWER)
    first = client.get("/flags?limit=2").json()
    api.archive.add(flag(7), {"frame.jpg": b"new"})
    api.archive.delete(flags[1].id, actor="ada")  # the last one of the first page
    second = client.get("/flags", params={"limit": 2, "cursor": first["next"]}).json()
    third = client.get("/flags", params={"limit": 2, "cursor": second["next"]}).json()
    found = [item["id"] for page in (first, second, third) for item in page["items"]]
    assert found == [one.id for one in flags]
    assert third["next"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("label=LIKELY_FAKE", [1]),
        ("origin=automatic", [1]),
        ("opinion=real", [3]),
        ("reviewed=true", [3]),
        ("reviewed=false", [4, 2, 1, 0]),
        ("source=talk.mp4", [2]),
        ("since=2026-11-24T12:03:00Z", [4, 3]),
        ("until=2026-11-24T13:01:00%2B01:00", [0]),
        ("source=absent", []),
    ],
)
def test_flags_are_filtered(api: MonitorService, flags: list[Flag], query: str, found: list[int]) -> None:
    assert [int(one[-8:], 16) for one in ids(api_client(api, Role.VIEWER), query)] == found


@pytest.mark.parametrize(
    "query",
    [
        "label=GREEN",
        "since=2026-11-24T12:03:00",
        "since=0001-01-01T00:00:00%2B23:59",
        "limit=0",
        "cursor=WzFd",
        "cursor=WyJub3ciLCJ4Il0",
        "cursor=%00",
    ],
)
def test_a_wrong_query_is_a_problem(api: MonitorService, query: str) -> None:
    answer = api_client(api, Role.VIEWER).get(f"/flags?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_judgement_is_stored_in_the_history_under_the_name_of_the_key(api: MonitorService, flags: list[Flag]) -> None:
    client = api_client(api, Role.REVIEWER)
    body = {"opinion": "fake", "category": "lip sync", "note": "the mouth"}
    answer = client.patch(f"/flags/{flags[0].id}", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert {name: found[name] for name in body} == body
    assert found["reviewed_by"] == "key robot"
    assert api.archive.store.events(flags[0].id)[-1].actor == "key robot"
    assert answer.headers["etag"] == f'"{api.archive.store.get(flags[0].id).sha256}"'
    kept = client.patch(f"/flags/{flags[0].id}", json={"note": "the eyes"}).json()
    assert (kept["opinion"], kept["note"]) == ("fake", "the eyes")


def test_a_judgement_of_a_changed_flag_is_refused(api: MonitorService, flags: list[Flag]) -> None:
    client = api_client(api, Role.ADMIN)
    path, seen = f"/flags/{flags[0].id}", {"If-Match": f'"{flags[0].sha256}"'}
    assert client.patch(path, json={"opinion": "fake"}, headers=seen).status_code == 200
    assert client.patch(path, json={"opinion": "real"}, headers=seen).status_code == 412
    assert client.delete(path, headers=seen).status_code == 412
    assert client.patch(path, json={"opinion": "real"}, headers={"If-Match": "*"}).status_code == 200
    assert api.archive.store.get(flags[0].id).opinion is Opinion.REAL


@pytest.mark.parametrize(
    "body", [{}, {"opinion": "maybe"}, {"colour": "red"}, {"note": "x" * 2001}, {"note": "a\0b"}, {"category": 1}, []]
)
def test_a_wrong_judgement_changes_nothing(api: MonitorService, flags: list[Flag], body: object) -> None:
    answer = api_client(api, Role.REVIEWER).patch(f"/flags/{flags[0].id}", json=body)
    assert answer.status_code == 422, answer.text
    assert api.archive.store.get(flags[0].id) == flags[0]


def test_an_administrator_deletes_a_flag(api: MonitorService, flags: list[Flag]) -> None:
    path = f"/flags/{flags[0].id}"
    assert api_client(api, Role.REVIEWER).delete(path).status_code == 403
    client = api_client(api, Role.ADMIN)
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 404
    assert not api.archive.files.folder(flags[0].id).exists()
    assert ("flag deleted", flags[0].id) in [(line.action, line.what) for line in api.audit.last(5)]


def test_the_newest_picture_of_a_stream_is_flagged(api: MonitorService, stream: Tuned) -> None:
    client = api_client(api, Role.REVIEWER)
    body = {"stream": "door", "note": "look"}
    assert client.post("/flags", json={**body, "stream": "gate"}).status_code == 404
    early = client.post("/flags", json=body)
    assert (early.status_code, "no picture yet" in early.json()["detail"]) == (409, True)
    analyse_frame(stream.broadcaster, frame(np.zeros((48, 64, 3), np.uint8), 0.4, 10), observation(index=10))
    answer = client.post("/flags", json=body)
    assert (answer.status_code, answer.headers["location"]) == (201, f"flags/{flag(9).id}"), answer.text
    (mark,) = stream.marks
    assert (mark.frame_index, mark.media_time, mark.track_id) == (10, 0.4, None)
    assert (mark.reporter, mark.note) == ("key robot", "look")
    absent = client.post("/flags", json={**body, "track_id": 99})
    assert (absent.status_code, "face 99" in absent.json()["detail"]) == (409, True)


def test_a_file_of_a_flag_is_sent_in_ranges(api: MonitorService, flags: list[Flag]) -> None:
    client = api_client(api, Role.VIEWER)
    path = f"/flags/{flags[0].id}/files"
    assert client.get(f"{path}/frame.jpg").content == b"picture"
    tag = client.get(f"{path}/frame.jpg").headers["etag"]
    assert client.get(f"{path}/frame.jpg", headers={"If-None-Match": tag}).status_code == 304
    part = client.get(f"{path}/frame.jpg", headers={"Range": "bytes=3-", "If-Range": tag})
    assert (part.status_code, part.content) == (206, b"ture")
    assert client.get(f"{path}/clip.mp4").status_code == 404
    assert client.get(f"{path}/..%2F..%2Fflags.db").status_code == 404


def test_flags_are_exported_as_a_bundle(api: MonitorService, flags: list[Flag], tmp_path: Path) -> None:
    client = api_client(api, Role.REVIEWER)
    chosen = [flags[0].id, flags[2].id]
    answer = client.post("/flags/export", json={"ids": [*chosen, chosen[0]]})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    names = ZipFile(BytesIO(answer.content)).namelist()
    assert {f"flags/{one}/flag.json" for one in chosen} <= set(names)
    assert client.post("/flags/export", json={"ids": [BEGIN.isoformat()]}).status_code == 404
    assert client.post("/flags/export", json={"ids": []}).status_code == 422
    assert api.audit.last(1)[0].action == "exported"


def test_a_change_that_cannot_be_audited_is_not_made(
    api: MonitorService, flags: list[Flag], stream: Tuned, break_audit: Callable[[], None]
) -> None:
    client = api_client(api)
    analyse_frame(stream.broadcaster, frame(np.zeros((48, 64, 3), np.uint8), 0.4, 10), observation(index=10))
    break_audit()
    path = f"/flags/{flags[0].id}"
    assert client.post("/flags", json={"stream": "door"}).status_code == 503
    assert client.patch(path, json={"opinion": "fake"}).status_code == 503
    assert client.delete(path).status_code == 503
    assert stream.marks == []
    assert api.archive.store.get(flags[0].id) == flags[0]
