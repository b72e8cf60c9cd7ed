import sys
from pathlib import Path

import pytest

from monitor.errors import OutputError, UsageError
from monitor.system.files import alone_in, is_system_file, write_whole


def test_text_and_bytes_replace_an_old_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "card.json"
    write_whole(path, "ünë")
    assert path.read_bytes() == "ünë".encode()
    write_whole(path, b"\x00")
    assert path.read_bytes() == b"\x00"
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_keeps_the_old_file_and_leaves_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "card.json"
    write_whole(path, "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("monitor.system.files.os.fsync", full)
    with pytest.raises(OutputError, match=r"card\.json cannot be written \(No space left on device\)"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_while_renaming_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"before")

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_whole(path, b"after")
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("net.safetensors", b"before")]


def test_a_file_in_place_of_the_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        write_whole(tmp_path / "folder" / "card.json", "text")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")
def test_a_folder_is_locked_by_one_process(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with alone_in(folder), pytest.raises(UsageError, match="another process is at work"), alone_in(folder):
        pass
    with alone_in(folder):
        pass


def test_a_folder_that_cannot_be_created_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"), alone_in(tmp_path / "file"):
        pass


def test_files_of_an_operating_system_are_recognised_by_name() -> None:
    for name in (".DS_Store", "__MACOSX", "._clip.mp4", "Thumbs.db", "DESKTOP.INI"):
        assert is_system_file(name), name
    for name in ("clip.mp4", ".hidden", "_a", "thumbs.png"):
        assert not is_system_file(name), name
