import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.errors import OutputError
from monitor.flags.file_stores.copies import LocalCopies, StoredVersion

CHANGED = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Remote:
    """A remote file, and the number of times that it was read."""

    def __init__(self, content: bytes) -> None:
        self.content, self.reads = content, 0

    def fetch(self, path: Path) -> None:
        self.reads += 1
        path.write_bytes(self.content)

    def copy(self, copies: LocalCopies, name: str = "clip.mp4") -> Path:
        version = StoredVersion(str(hash(self.content)), len(self.content), CHANGED)
        return copies.get("flag", name, version, fetch=self.fetch)


def age(path: Path, by: timedelta) -> None:
    """Moves the last use of a copy into the past, also that of the system's own clock."""
    past = (datetime.now(UTC) - by).timestamp()
    os.utime(path, (past, CHANGED.timestamp()))


@pytest.fixture(autouse=True)
def _no_ctime(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of the last change of a file's facts cannot be set: the tests set the time of the last use alone."""
    monkeypatch.setattr("monitor.flags.file_stores.copies._used_at", lambda facts: facts.st_atime, raising=True)


def test_a_version_is_read_once_and_a_new_version_again(tmp_path: Path) -> None:
    copies, remote = LocalCopies(tmp_path / "copies"), Remote(b"old")
    first = remote.copy(copies)
    assert (first.read_bytes(), remote.copy(copies), remote.reads) == (b"old", first, 1)
    assert first.stat().st_mtime == CHANGED.timestamp()
    remote.content = b"newer"
    assert remote.copy(copies).read_bytes() == b"newer"
    assert remote.reads == 2


def test_a_failed_read_leaves_no_copy(tmp_path: Path) -> None:
    copies, remote = LocalCopies(tmp_path / "copies"), Remote(b"whole")

    def fail(path: Path) -> None:
        path.write_bytes(b"wh")
        raise OutputError("the store does not answer")

    with pytest.raises(OutputError, match="does not answer"):
        copies.get("flag", "clip.mp4", StoredVersion("1", 5, CHANGED), fetch=fail)
    assert not [path for path in (tmp_path / "copies").rglob("*") if path.is_file()]
    assert remote.copy(copies).read_bytes() == b"whole"


def test_copies_that_were_not_used_for_an_hour_are_deleted(tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path / "copies")
    old, young = Remote(b"old").copy(copies), Remote(b"young").copy(copies)
    age(old, timedelta(hours=2))
    copies.trim()
    assert (old.exists(), young.exists()) == (False, True)
    copies.remove("flag")
    assert not young.exists()


def test_the_oldest_copies_make_room_unless_they_may_be_in_use(tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path / "copies", max_bytes=25)
    paths = [Remote(bytes([number]) * 10).copy(copies) for number in range(2)]
    age(paths[1], timedelta(minutes=45))
    third = Remote(b"x" * 10).copy(copies)
    assert [path.exists() for path in (*paths, third)] == [True, False, True]
    assert Remote(b"y" * 10).copy(copies).exists()
    assert paths[0].exists(), "it was used a moment ago"


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "copies").write_text("in the way")
    copies = LocalCopies(tmp_path / "copies")
    for act in (lambda: Remote(b"x").copy(copies), lambda: copies.new_path("flag", "clip.mp4")):
        with pytest.raises(OutputError, match="cannot be written"):
            act()
