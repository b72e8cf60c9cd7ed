"""``/events``, through a real server on loopback."""

import collections
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.testclient import WebSocketDenialResponse
from support.api_client import api_client, api_server, key_for
from support.observations import EVENTS
from support.waiting import until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from monitor.server.api.v1 import events as module
from monitor.server.auth.user import Role
from monitor.server.notify.event_feed import USUAL_TYPES, EventFeed
from monitor.server.service import MonitorService
from monitor.types.events import StreamStateChanged

DOOR = SimpleNamespace(id="door")
STATE = next(event for event in EVENTS if isinstance(event, StreamStateChanged))
SECONDS = 60.0  # that a busy machine may take


@pytest.fixture
def url(api: MonitorService) -> Iterator[str]:
    with api_server() as url:
        yield url


@pytest.fixture
def feed(api: MonitorService) -> EventFeed:
    return module.find_feed()


def publish(feed: EventFeed, count: int = 1, **changes: Any) -> None:
    observer = feed.watch(DOOR)  # type: ignore[arg-type]
    event = StreamStateChanged(
        **{"stream": "cam", "connection": 1, "at": STATE.at, "state": "live", "reason": ""} | changes
    )
    for _ in range(count):
        observer(event)


class Listener:
    """Reads server-sent events as the standard describes them."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()
        self.comments: list[str] = []

    def next(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        for line in self._lines:
            if line == "" and "data" in fields:
                return fields
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments.append(value)
            elif line:
                fields[name] = value
        raise EOFError


@contextmanager
def listening(url: str, headers: dict[str, str], query: str = "") -> Iterator[Listener]:
    with (
        httpx.Client(timeout=SECONDS) as client,
        client.stream("GET", f"{url}/events{query}", headers=headers) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        yield Listener(answer)


def test_every_usual_event_arrives_with_its_type_and_id(api: MonitorService, url: str, feed: EventFeed) -> None:
    with listening(url, key_for(api, Role.VIEWER, scopes=["events"])) as listener:
        until(lambda: feed.readers)
        observer = feed.watch(DOOR)  # type: ignore[arg-type]
        for event in EVENTS:
            observer(event)
        found = [listener.next() for _ in USUAL_TYPES]
    assert [one["event"] for one in found] == [event.type for event in EVENTS if event.type in USUAL_TYPES]
    for one in found:
        content = json.loads(one["data"])
        assert (content["type"], content["id"], content["stream_id"]) == (one["event"], one["id"], "door")
    until(lambda: feed.readers == 0)


def test_a_client_that_connects_again_continues(api: MonitorService, url: str, feed: EventFeed) -> None:
    key = key_for(api, Role.VIEWER)
    with listening(url, key) as listener:
        until(lambda: feed.readers)
        publish(feed)
        last = listener.next()["id"]
    publish(feed, 3)
    with listening(url, key | {"Last-Event-ID": last}) as listener:
        found = [listener.next()["id"] for _ in range(3)]
    assert [int(one.partition("-")[2]) for one in found] == [2, 3, 4]
    with listening(url, key, f"?after={found[1]}") as listener:
        assert listener.next()["id"] == found[2]
    with listening(url, key | {"Last-Event-ID": "0000-9"}) as listener:
        lost = listener.next()
    assert lost["event"] == "events_lost"
    assert json.loads(lost["data"]) == {"type": "events_lost", "count": None}


def test_a_silent_connection_has_a_heartbeat_and_ends_with_its_key(
    api: MonitorService, url: str, feed: EventFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)
    with listening(url, key_for(api, Role.VIEWER)) as listener:
        until(lambda: feed.readers)
        publish(feed)
        listener.next()
        (key,) = api.api_keys.all()
        api.api_keys.remove(key.id)
        with pytest.raises(EOFError):
            listener.next()
    assert "heartbeat" in listener.comments or "connected" in listener.comments
    until(lambda: feed.readers == 0)


def test_a_client_that_does_not_read_loses_events_but_no_memory_of_the_server(
    api: MonitorService, url: str, feed: EventFeed
) -> None:
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    key = key_for(api, Role.VIEWER)["Authorization"]
    with socket.create_connection((host, int(port)), timeout=SECONDS) as slow:
        slow.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: {key}\r\n\r\n".encode())
        until(lambda: feed.readers)
        (reader,) = feed._readers
        long = "x" * 20_000
        for _ in range(1500):  # 30 MB: more than all sockets hold
            publish(feed, reason=long)
            assert len(reader._waiting) <= api.settings.api.event_queue
        assert until(lambda: reader._lost or 0) > 100
        received = b""
        while b"events_lost" not in received:
            received = received[-20:] + slow.recv(1 << 20)
    publish(feed)
    until(lambda: feed.readers == 0)


def test_there_are_never_too_many_clients(api: MonitorService, url: str, feed: EventFeed) -> None:
    feed._max_readers = 1
    key = key_for(api, Role.VIEWER)
    with listening(url, key):
        until(lambda: feed.readers)
        answer = httpx.get(f"{url}/events", headers=key, timeout=SECONDS)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert answer.headers["content-type"] == "application/problem+json"


def test_the_end_of_the_server_ends_the_connections(api: MonitorService, url: str, feed: EventFeed) -> None:
    with listening(url, key_for(api, Role.VIEWER)) as listener:
        until(lambda: feed.readers)
        feed.close()
        with pytest.raises(EOFError):
            listener.next()


def test_a_websocket_receives_the_same_events(api: MonitorService, url: str, feed: EventFeed) -> None:
    address = f"{url.replace('http', 'ws')}/events/ws"
    key = key_for(api, Role.VIEWER, scopes=["events"])
    with connect(f"{address}?types=stream_state_changed", additional_headers=key, open_timeout=SECONDS) as websocket:
        until(lambda: feed.readers)
        observer = feed.watch(DOOR)  # type: ignore[arg-type]
        for event in EVENTS:
            observer(event)
        publish(feed, state="paused")
        found = [json.loads(websocket.recv(SECONDS)) for _ in range(2)]
        websocket.send("whatever a client says means nothing")
    assert [one["state"] for one in found] == ["reconnecting", "paused"]
    until(lambda: feed.readers == 0)
    with connect(f"{address}?after={found[0]['id']}", additional_headers=key, open_timeout=SECONDS) as websocket:
        assert json.loads(websocket.recv(SECONDS))["type"] == "stream_closed"
        feed.close()
        with pytest.raises(ConnectionClosed) as ended:
            collections.deque(iter(websocket.recv, None), maxlen=0)
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1001


def test_a_websocket_ends_with_its_key(
    api: MonitorService, url: str, feed: EventFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)
    key = key_for(api, Role.VIEWER)
    with connect(f"{url.replace('http', 'ws')}/events/ws", additional_headers=key, open_timeout=SECONDS) as websocket:
        until(lambda: feed.readers)
        (one,) = api.api_keys.all()
        api.api_keys.remove(one.id)
        with pytest.raises(ConnectionClosed) as ended:
            websocket.recv(SECONDS)
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1008


def test_a_wrong_handshake_is_refused_with_its_status(api: MonitorService, url: str) -> None:
    address = f"{url.replace('http', 'ws')}/events/ws"
    key = key_for(api, Role.VIEWER)
    for query, headers, status in [
        ("", {}, 401),
        ("?types=gossip", key, 422),
        ("?after=x", key, 422),
        (f"?streams={'x' * 3000}", key, 422),
        ("", key_for(api, Role.ADMIN, scopes=["streams"]), 403),
    ]:
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{address}{query}", additional_headers=headers, open_timeout=SECONDS)
        assert refused.value.response.status_code == status
        assert refused.value.response.headers["content-type"] == "application/problem+json"


def test_a_server_without_a_feed_says_so(api: MonitorService) -> None:
    api.outlets = ()
    assert api_client(api).get("/events").status_code == 503
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        api_client(api).websocket_connect("ws://127.0.0.1/api/v1/events/ws"),
    ):
        pass
    assert refused.value.status_code == 503
