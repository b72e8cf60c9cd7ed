import asyncio
from pathlib import Path

import pytest

from monitor.client.upload_source import CHUNK, UploadSource
from monitor.errors import SourceNotFoundError

CONTENT = b"x" * (2 * CHUNK + 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(CONTENT)
    return path


async def collect(source: UploadSource) -> bytes:
    return b"".join([chunk async for chunk in source.read_async()])


def test_each_iteration_reads_the_whole_file_and_reports_its_progress(path: Path) -> None:
    progress: list[tuple[int, int]] = []
    source = UploadSource.open(path, lambda sent, total: progress.append((sent, total)))
    assert b"".join(source.read()) == b"".join(source.read()) == asyncio.run(collect(source)) == CONTENT
    assert progress == 3 * [(CHUNK, len(CONTENT)), (2 * CHUNK, len(CONTENT)), (len(CONTENT), len(CONTENT))]


def test_a_file_that_grows_keeps_its_stated_length(path: Path) -> None:
    source = UploadSource.open(path, lambda *_: None)
    path.write_bytes(CONTENT + b"more")
    assert b"".join(source.read()) == asyncio.run(collect(source)) == CONTENT


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.mp4"):
        with pytest.raises(SourceNotFoundError, match="no such file"):
            UploadSource.open(path, lambda *_: None)
