import os
import socket
from pathlib import Path

import pytest

from monitor.errors import SourceNotFoundError, SourceUnavailableError
from monitor.media.sources.folder_listing import LeftOut, list_folder, media_files


def fill(folder: Path, *names: str, content: bytes = b"\x00\x01") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in list_folder(folder).files]


def left_out(folder: Path) -> dict[str, LeftOut]:
    return {item.path.relative_to(folder).as_posix(): item for item in list_folder(folder).left_out}


def test_everything_that_may_be_media_is_listed_also_in_subfolders(tmp_path: Path) -> None:
    fill(tmp_path, "IMG_1.HEIC", "raw.264", "x.3g2", "y.qt", "noext", "odd.bin", "10/a.mp4", "2/b/c.JPG")
    assert names(tmp_path) == ["IMG_1.HEIC", "noext", "odd.bin", "raw.264", "x.3g2", "y.qt", "2/b/c.JPG", "10/a.mp4"]
    assert left_out(tmp_path) == {}


def test_files_that_are_no_media_are_left_out_with_the_reason(tmp_path: Path) -> None:
    fill(tmp_path, "notes.txt", "sound.m4a", "old.tar.gz", ".DS_Store", "._a.mp4", ".hidden.mp4", ".git/a.mp4")
    fill(tmp_path, "LICENSE", content="Übung\n".encode() * 2000)
    fill(tmp_path, "results/clip/report.json", "results/clip/timeline.csv", "results/clip/annotated.mp4")
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(tmp_path)  # the path of a socket is short
        listening.bind("socket")
    reasons = {name: item.why for name, item in left_out(tmp_path).items()}
    assert reasons == {
        ".DS_Store": "belongs to the operating system, not to the recordings",
        "._a.mp4": "belongs to the operating system, not to the recordings",
        ".git": "is hidden; name it alone to analyse it",
        ".hidden.mp4": "is hidden; name it alone to analyse it",
        "LICENSE": "is a text",
        "notes.txt": "is no video or image by its name (*.txt)",
        "old.tar.gz": "is no video or image by its name (*.gz)",
        "results/clip": "holds the results of an earlier analysis; name it alone to analyse it",
        "socket": "is not a regular file",
        "sound.m4a": "is no video or image by its name (*.m4a)",
    }
    assert names(tmp_path) == []
    assert not any(item.may_be_media for item in left_out(tmp_path).values())


def test_links_are_followed_once_and_broken_links_may_be_media(tmp_path: Path) -> None:
    fill(tmp_path, "real/a.mp4")
    (tmp_path / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "real")
    (tmp_path / "alias.mp4").symlink_to(tmp_path / "real" / "a.mp4")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    assert names(tmp_path) == ["alias.mp4", "real/a.mp4"]
    found = left_out(tmp_path)
    assert {name: item.may_be_media for name, item in found.items()} == {
        "again": False,
        "gone.mp4": True,
        "itself": True,
        "real/up": False,
    }
    assert "a file that does not exist" in found["gone.mp4"].why
    assert "leads back to itself" in found["itself"].why
    assert found["again"].why == "is a link to a folder that is searched already"


def test_a_subfolder_that_cannot_be_read_may_hold_media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a.mp4", "closed/b.mp4")
    scan = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr("os.scandir", refuse)
    assert names(tmp_path) == ["a.mp4"]
    assert str(left_out(tmp_path)["closed"]) == f"{tmp_path}/closed: no permission to read it; ask its owner"
    assert left_out(tmp_path)["closed"].may_be_media


def test_a_folder_without_media_says_what_was_left_out(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{number}.txt" for number in range(5)))
    with pytest.raises(SourceNotFoundError, match=r"holds no video or image.*5 left out: .*0\.txt: is no video"):
        media_files(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SourceUnavailableError, match=r"can be opened.*gone: is a link"):
        media_files(tmp_path)
