"""Failures of a real server on loopback, for both clients."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.failing_server import Asked, Reply, failing_server
from support.remote import QUICK

from monitor.client import AsyncClient, Client
from monitor.errors import AccessDeniedError, OutputError, RemoteError, ServerUnavailableError

ANALYSIS = {"id": "1", "name": "a", "created_at": "2026-11-24T12:00:00Z", "state": "done"}
DONE = json.dumps(ANALYSIS | {"progress": None, "label": None, "why": ""}).encode()
FILE = bytes(range(256)) * 4096  # one megabyte
PROBLEM = {"Content-Type": "application/problem+json"}


class Blocking:
    """The asynchronous client behind the methods of the blocking one, so that both pass the same tests."""

    def __init__(self, server: str, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = AsyncClient(server, **options)

    def __enter__(self) -> "Blocking":
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            found = getattr(self._client, name)(*arguments, **options)
            return self._iterate(found) if hasattr(found, "__anext__") else self._loop.run_until_complete(found)

        return call

    def _iterate(self, items: Any) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._loop.run_until_complete(anext(items))
                except StopAsyncIteration:
                    return
        finally:
            self._loop.run_until_complete(items.aclose())


@pytest.fixture(params=[Client, Blocking])
def connect(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """Opens a client of either kind."""

    def open_client(url: str) -> Any:
        return request.param(url, key="dfm_1_hidden", retries=QUICK, timeout=5.0)

    return open_client


def test_a_busy_server_and_lost_connections_are_overcome(connect: Callable[[str], Any]) -> None:
    busy = [Reply(status, b"{}") for status in (503, 502, 429)]
    with failing_server([*busy, Reply(sent=-1), Reply(200, DONE)]) as server, connect(server.url) as client:
        assert client.analysis("1").state == "done"
        assert [asked.path for asked in server.asked] == 5 * ["/api/v1/analyses/1"]
        assert {asked.headers["authorization"] for asked in server.asked} == {"Bearer dfm_1_hidden"}


def test_the_client_gives_up_with_the_sentence_of_the_server(connect: Callable[[str], Any]) -> None:
    reply = Reply(503, b'{"detail": "the database does not answer: ask again"}', PROBLEM)
    with failing_server(5 * [reply]) as server, connect(server.url) as client:
        with pytest.raises(ServerUnavailableError, match="the database does not answer"):
            client.analysis("1")
        assert len(server.asked) == 5
    with connect(server.url) as client, pytest.raises(ServerUnavailableError, match=r"does not answer.*is it running"):
        client.analysis("1")


def test_what_would_be_done_twice_is_not_repeated(connect: Callable[[str], Any]) -> None:
    with failing_server([Reply(sent=-1)]) as server, connect(server.url) as client:
        with pytest.raises(ServerUnavailableError):
            client.create_flag("door")
        assert len(server.asked) == 1


def test_an_upload_is_repeated_from_its_beginning_with_the_same_key(
    connect: Callable[[str], Any], tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(FILE)
    progress: list[int] = []
    with failing_server([Reply(503), Reply(sent=-1), Reply(202, DONE)]) as server, connect(server.url) as client:
        client.upload(tmp_path / "a.mp4", on_progress=lambda sent, _: progress.append(sent))
        assert [asked.body == FILE for asked in server.asked] == 3 * [True]
        assert len({asked.headers["idempotency-key"] for asked in server.asked}) == 1
        assert server.asked[0].path == "/api/v1/analyses?name=a.mp4"
        assert server.asked[0].headers["content-length"] == str(len(FILE))
    assert progress.count(len(FILE)) == 3


def test_two_uploads_have_two_keys(connect: Callable[[str], Any], tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    with failing_server([Reply(202, DONE), Reply(202, DONE)]) as server, connect(server.url) as client:
        for _ in range(2):
            client.upload(tmp_path / "a.mp4")
        assert len({asked.headers["idempotency-key"] for asked in server.asked}) == 2


def test_a_broken_download_is_resumed(connect: Callable[[str], Any], tmp_path: Path) -> None:
    def serve(asked: Asked) -> Reply:
        begin = int(asked.headers.get("range", "bytes=0-")[6:-1])
        status = 206 if "range" in asked.headers else 200
        return Reply(status, FILE[begin:], {"ETag": '"1"'}, sent=None if begin else 300_000)

    with failing_server(serve) as server, connect(server.url) as client:
        client.download_result("1", "a.mp4", tmp_path / "out" / "a.mp4")
        assert [asked.headers.get("if-range") for asked in server.asked] == [None, '"1"']
    assert (tmp_path / "out" / "a.mp4").read_bytes() == FILE


def test_a_refused_or_hopeless_download_leaves_nothing(connect: Callable[[str], Any], tmp_path: Path) -> None:
    def serve(asked: Asked) -> Reply:
        if asked.method == "GET":
            return Reply(403, b'{"detail": "no"}', PROBLEM)
        return Reply(200, FILE, {}, sent=10)

    with failing_server(serve) as server, connect(server.url) as client:
        with pytest.raises(AccessDeniedError, match="no"):
            client.download_flag_file("1", "clip.mp4", tmp_path / "clip.mp4")
        with pytest.raises(ServerUnavailableError):
            client.export_flags(["1"], tmp_path / "flags.zip")
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError):
            client.download_flag_file("1", "clip.mp4", tmp_path / "file" / "clip.mp4")


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b'{"id": 1}'])
def test_another_program_at_the_address_is_one_sentence(connect: Callable[[str], Any], body: bytes) -> None:
    with failing_server([Reply(200, body)]) as server, connect(server.url) as client:
        with pytest.raises(RemoteError, match="check the address, or update this program") as told:
            client.analysis("1")
        assert "\n" not in str(told.value)


def test_events_continue_after_the_last_one(connect: Callable[[str], Any]) -> None:
    def event(number: int) -> bytes:
        return f'id: {number}\nevent: hint_raised\ndata: {{"n": {number}}}\n\n'.encode()

    kind = {"Content-Type": "text/event-stream"}
    replies = [
        Reply(200, event(1) + event(2) + b"id: 3\nevent: hint_raised\n", kind),
        Reply(503, b"{}"),
        Reply(sent=-1),
        Reply(200, b"retry: 3\n: connected\n\n" + event(3), kind),
    ]
    with failing_server(replies) as server, connect(server.url) as client:
        events = client.events(types=["hint_raised"], streams=["a", "b"], last_event_id="0")
        assert [next(events).content["n"] for _ in range(3)] == [1, 2, 3]
        assert [asked.headers.get("last-event-id") for asked in server.asked] == ["0", "2", "2", "2"]
        assert server.asked[0].path == "/api/v1/events?types=hint_raised&streams=a%2Cb"
        events.close()


def test_events_of_a_quiet_server_do_not_end(connect: Callable[[str], Any]) -> None:
    replies = [*7 * [Reply(200, b": connected\n\n")], Reply(200, b'event: hint_raised\ndata: {"n": 1}\n\n')]
    with failing_server(replies) as server, connect(server.url) as client:
        events = client.events()
        assert next(events).content == {"n": 1}
        assert len(server.asked) == 8, "each connection with a line renews the attempts"
        events.close()


def test_events_end_with_one_sentence(connect: Callable[[str], Any]) -> None:
    replies = [Reply(200, b"data: nothing\n\n"), *5 * [Reply(200)]]
    with failing_server(replies) as server, connect(server.url) as client:
        with pytest.raises(RemoteError, match="check the address"):
            next(client.events())
        with pytest.raises(ServerUnavailableError, match="closed the connection"):
            next(client.events())
        assert len(server.asked) == 6
