"""Bodies of requests; tests/server/test_routes.py and test_uploads.py send them over HTTP."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from monitor.errors import SourceUnreadableError, StoreError, UsageError
from monitor.server.upload_body import receive_body
from monitor.server.uploads import Uploads
from monitor.settings import DashboardSettings, Settings


@pytest.fixture
def analyses(tmp_path: Path) -> Uploads:
    def load() -> Any:
        raise AssertionError("nothing is analysed here")

    settings = Settings(dashboard=DashboardSettings(max_upload_megabytes=1))
    return Uploads(tmp_path / "analyses", settings=settings, engines=load)


def request(*parts: bytes, length: int | None = None) -> Request:
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        return messages.pop(0)

    headers = [] if length is None else [(b"content-length", str(length).encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def accept(_: str) -> None:
    raise StoreError("the audit log is full")


@pytest.mark.parametrize(
    ("parts", "length", "error"),
    [
        ([b"x" * 600_000] * 2, None, UsageError),
        ([b""], 2_000_000, UsageError),
        ([b"no picture"], None, SourceUnreadableError),
    ],
)
def test_a_bad_body_leaves_nothing(
    analyses: Uploads, tmp_path: Path, parts: list[bytes], length: int | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        asyncio.run(receive_body(request(*parts, length=length), analyses, name="a.mp4", accept=accept))
    assert list((tmp_path / "analyses").glob("*")) == []
    assert analyses.all == []


def test_a_file_without_a_name_is_refused_in_a_whole_sentence(analyses: Uploads) -> None:
    with pytest.raises(SourceUnreadableError, match=r"^the file: holds no video"):
        asyncio.run(receive_body(request(b"no picture"), analyses, name="", accept=accept))


def test_the_file_is_deleted_if_it_is_not_accepted(
    analyses: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyses, "check_readable", lambda path, *, name: None)
    seen: list[bytes] = []
    with pytest.raises(StoreError):
        asyncio.run(receive_body(request(b"ab", b"c"), analyses, name="a.mp4", accept=accept, on_chunk=seen.append))
    assert b"".join(seen) == b"abc"
    assert (list((tmp_path / "analyses").glob("*")), analyses.all) == ([], [])
