from pathlib import Path

import httpx
import pytest

from monitor.client.partial_file import PartialFile
from monitor.errors import OutputError


def answer(status: int, etag: str = "") -> httpx.Response:
    return httpx.Response(status, headers={"ETag": etag} if etag else {})


def test_a_file_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "clip.mp4"
    with PartialFile(path) as file:
        file.begin(answer(200))
        file.add(b"abc")
        assert not path.exists()
    assert path.read_bytes() == b"abc"
    assert list(path.parent.iterdir()) == [path]


def test_a_lost_connection_resumes_the_same_version(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with PartialFile(path) as file:
        assert "Range" not in file.headers
        file.begin(answer(200, '"1"'))
        file.add(b"abc")
        assert (file.headers["Range"], file.headers["If-Range"]) == ("bytes=3-", '"1"')
        file.begin(answer(206, '"1"'))
        file.add(b"def")
        file.begin(answer(200, 'W/"2"'))  # another version: from the beginning
        file.add(b"xyz")
        assert "Range" not in file.headers, "a weak ETag does not name bytes"
    assert path.read_bytes() == b"xyz"


def test_an_error_leaves_nothing_and_keeps_an_older_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"old")

    def fail() -> None:
        with PartialFile(path) as file:
            file.add(b"new")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        PartialFile(tmp_path / "file" / "clip.mp4").__enter__()
