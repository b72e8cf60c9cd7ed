"""URLs of stores, and what a person reads when one fails."""

import pytest

from monitor.errors import MonitorError
from monitor.fleet.remote_store import is_store_url, open_filesystem, reason_of


@pytest.mark.parametrize("url", ["s3://bucket/a.mp4", "S3://bucket", "gs://bucket/a", "memory://a"])
def test_a_store_is_known_by_its_scheme(url: str) -> None:
    assert is_store_url(url)


@pytest.mark.parametrize("url", ["a.mp4", "/a/b.mp4", "https://host/a.mp4", "rtsp://cam/live", "demo:", "file:///a"])
def test_the_programs_own_sources_are_no_stores(url: str) -> None:
    assert not is_store_url(url)


def test_a_path_in_a_store() -> None:
    filesystem, path = open_filesystem("memory://bucket/a.mp4")
    assert path == "/bucket/a.mp4"
    assert filesystem.protocol == "memory"


def test_a_store_that_cannot_be_opened_is_a_sentence() -> None:
    with pytest.raises(MonitorError, match=r"^sftp://me:\*\*\*@127\.0\.0\.1") as caught:
        open_filesystem("sftp://me:hunter2@127.0.0.1:1/a")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError("The specified bucket"), "the bucket or the path does not exist"),
        (PermissionError("Access Denied"), "check the credentials in the environment of each node"),
        (RuntimeError("Unable to locate credentials"), "no credentials in the environment of this node"),
        (OSError("two\nlines"), "two lines"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_each_failure_is_one_line(error: Exception, words: str) -> None:
    assert words in reason_of(error)
    assert "\n" not in reason_of(error)
