import errno
import json
import os
import sys
from pathlib import Path

import pytest
from support.observations import source_info

from monitor.errors import OutputError
from monitor.results.result_folder import OutputFolder, result_name
from monitor.system.files import write_error


def publish(
    parent: Path,
    name: str = "clip",
    *,
    source: str = "a/clip.mp4",
    sha256: str | None = "1",
    live: bool = False,
    **files: str,
) -> Path:
    """Write a result of ``source`` and, for each keyword, a file of that content."""
    with OutputFolder(parent, name) as output:
        origin = {"name": source, "sha256": sha256, "live": live, "synthetic": False}
        (output.working / "report.json").write_text(json.dumps({"source": origin}))
        for stem, content in files.items():
            (output.working / stem).write_text(content)
    assert output.target is not None
    return output.target


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are not text")
def test_a_file_name_that_is_not_unicode_has_a_result_name() -> None:
    info = source_info(path=Path(os.fsdecode(b"clips/caf\xe9.mp4")))
    assert result_name(info) == "caf�"


def test_a_result_appears_when_it_is_whole(tmp_path: Path) -> None:
    with OutputFolder(tmp_path / "out", "clip") as output:
        (output.working / "timeline.csv").write_text("x")
        assert output.working.name.startswith(".")
        assert [path.name.startswith(".") for path in (tmp_path / "out").iterdir()] == [True]
    assert output.target == tmp_path / "out" / "clip"
    assert tree(tmp_path) == ["out", "out/clip", "out/clip/timeline.csv"]


def test_a_failure_leaves_nothing_not_even_the_folders_made_for_it(tmp_path: Path) -> None:
    def fail() -> None:
        with OutputFolder(tmp_path / "new" / "deep", "clip") as output:
            (output.working / "timeline.csv").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert tree(tmp_path) == []


def test_a_failure_keeps_the_folder_that_others_use_meanwhile(tmp_path: Path) -> None:
    first = OutputFolder(tmp_path / "out", "one")
    publish(tmp_path / "out", "two")
    first.abort()
    assert tree(tmp_path / "out") == ["two", "two/report.json"]


def test_the_same_source_replaces_its_earlier_result(tmp_path: Path) -> None:
    publish(tmp_path, **{"timeline.csv": "old", "annotated.mp4": "old"})
    assert publish(tmp_path, **{"timeline.csv": "new"}) == tmp_path / "clip"
    assert tree(tmp_path) == ["clip", "clip/report.json", "clip/timeline.csv"]
    assert (tmp_path / "clip" / "timeline.csv").read_text() == "new"


def test_what_a_person_put_beside_a_result_stays(tmp_path: Path) -> None:
    target = publish(tmp_path)
    (target / "my notes.txt").write_text("precious")
    (target / "stills").mkdir()
    (target / "stills" / "1.png").write_text("precious")
    publish(tmp_path)
    assert tree(target) == ["my notes.txt", "report.json", "stills", "stills/1.png"]


def test_sources_of_the_same_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    assert publish(tmp_path, source="a/clip.mp4").name == "clip"
    assert publish(tmp_path, source="b/clip.mp4").name == "clip-2"
    assert publish(tmp_path, source="a/clip.mp4", sha256="other content").name == "clip-3"
    assert publish(tmp_path, source="b/clip.mp4").name == "clip-2", "again"


def test_a_live_recording_is_never_replaced(tmp_path: Path) -> None:
    names = [publish(tmp_path, "cam", source="rtsp://cam", sha256=None, live=True).name for _ in range(2)]
    assert names == ["cam", "cam-2"]


def test_folders_and_files_of_a_person_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "holiday.jpg").write_text("precious")
    (tmp_path / "clip-2").write_text("precious")
    (tmp_path / "clip-3").mkdir()
    (tmp_path / "clip-3" / "report.json").write_text("{broken")
    assert publish(tmp_path).name == "clip-4"
    assert (tmp_path / "clip" / "holiday.jpg").read_text() == "precious"


def test_two_that_publish_at_once_get_two_names(tmp_path: Path) -> None:
    folders = [OutputFolder(tmp_path, "clip") for _ in range(3)]
    for folder in folders:
        (folder.working / "x").touch()
    assert {folder.publish().name for folder in folders} == {"clip", "clip-2", "clip-3"}


def test_an_earlier_result_survives_when_it_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = publish(tmp_path, **{"timeline.csv": "old"})
    rename = Path.rename

    def refuse(path: Path, to: Path) -> Path:
        if path.suffix == ".partial":
            raise PermissionError(errno.EACCES, "Permission denied")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="no permission"):
        publish(tmp_path, **{"timeline.csv": "new"})
    assert (target / "timeline.csv").read_text() == "old"
    assert tree(tmp_path) == ["clip", "clip/report.json", "clip/timeline.csv"]


def test_a_file_in_the_way_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    for parent in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(OutputError, match="a file of that name is in the way"):
            OutputFolder(parent, "clip")


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "no space left on the disk"),
        (errno.EDQUOT, "no space left on the disk"),
        (errno.EACCES, "no permission to write there"),
        (errno.EROFS, "no permission to write there"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_what_went_wrong_is_said_with_what_to_do(number: int, sentence: str) -> None:
    message = str(write_error(Path("out/x.mp4"), OSError(number, "Input/output error")))
    assert message.startswith(f"{Path('out/x.mp4')} cannot be written: {sentence}")
    assert "choose another output folder" in message
    assert "\n" not in message


def test_a_failure_names_the_place_that_a_person_knows(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path, "my-clip")
    message = str(write_error(output.working / "annotated.mp4", OSError(errno.ENOSPC, "")))
    output.abort()
    assert message.startswith(f"{tmp_path / 'my-clip' / 'annotated.mp4'} cannot be written")


@pytest.mark.parametrize(
    ("name", "path", "kind", "expected"),
    [
        ("clips/talk.final.mp4", "clips/talk.final.mp4", "file", "talk.final"),
        ("клип 1.mp4", "клип 1.mp4", "file", "клип 1"),
        ("rtsp://user:***@cam:554/live?x=1", None, "rtsp", "rtsp-user-@cam-554-live-x=1"),
        ("webcam:0", None, "webcam", "webcam-0"),
        ("demo:", None, "demo", "demo"),
        ("...", "...", "file", "file"),
    ],
)
def test_results_are_named_after_their_source(name: str, path: str | None, kind: str, expected: str) -> None:
    info = source_info(None if path is None else Path(path), name=name, kind=kind)
    assert result_name(info) == expected


def test_a_folder_gives_its_own_name_and_long_names_are_cut(tmp_path: Path) -> None:
    assert result_name(source_info(tmp_path / "my.pictures", kind="folder")) == "my.pictures"
    long = result_name(source_info(Path("é" * 300 + ".mp4")))
    assert long == "é" * 100
    publish(tmp_path, long)
