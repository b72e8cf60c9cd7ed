"""What belongs to an archive: paths, folders, manifests, stores."""

import os
import re
from pathlib import Path

import fsspec
import pytest
from support.clips import video

from monitor.errors import SourceNotFoundError, SourceUnavailableError, UsageError
from monitor.fleet.archive_sources import ArchiveSource, list_archive, read_manifest


def names(addresses: list[str], manifests: list[Path] | None = None) -> list[str]:
    return [source.address for source in list_archive(addresses, manifests or [])[0]]


def test_a_folder_is_searched_and_each_file_listed_once(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    file = video(tmp_path / "deep" / "a.mp4", frames=2)
    (tmp_path / "notes.txt").write_text("nothing to see")
    found, left_out = list_archive([str(tmp_path), str(file)])
    assert [source.address for source in found] == [str(file)]
    assert found[0].size == file.stat().st_size
    assert [item.path.name for item in left_out] == ["notes.txt"]


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    video(tmp_path / "a.mp4", frames=2)
    assert names(["a.mp4", "absent.mp4"]) == [str(tmp_path / "a.mp4"), str(tmp_path / "absent.mp4")]


def test_a_manifest_has_one_address_a_line(tmp_path: Path) -> None:
    manifest = tmp_path / "list.txt"
    manifest.write_text("# my archive\n\nclips/a, b.mp4\n  s3://bucket/c.mp4\ndemo:\n/d.mp4\n")
    wanted = [str(tmp_path / "clips" / "a, b.mp4"), "s3://bucket/c.mp4", "demo:", "/d.mp4"]
    assert read_manifest(manifest) == wanted


def test_a_csv_has_its_addresses_in_the_first_column(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text('\ufeffURL,desk\n"/a, b.mp4",news\n/c.mp4,sport\n', encoding="utf-8")
    assert read_manifest(manifest) == ["/a, b.mp4", "/c.mp4"]
    assert names([f"@{manifest}"]) == names([], [manifest]) == ["/a, b.mp4", "/c.mp4"]


def test_wrong_input_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no source is named"):
        list_archive([])
    with pytest.raises(SourceUnavailableError, match=r"manifest .*absent\.txt cannot be read: No such file"):
        list_archive([f"@{tmp_path}/absent.txt"])
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceUnavailableError, match="is no UTF-8 text"):
        list_archive([f"@{tmp_path}/binary.txt"])


def test_a_store_lists_videos_and_leaves_out_earlier_results() -> None:
    memory = fsspec.filesystem("memory")
    for name in ("deep/a.mp4", "b.MOV", "notes.txt", ".hidden.mp4"):
        memory.pipe_file(f"/archive-list/{name}", b"content")
    for name in ("report.json", "timeline.csv", "annotated.mp4"):
        memory.pipe_file(f"/archive-list/a-1/{name}", b"content")
    found, _ = list_archive(["memory://archive-list"])
    assert [source.address for source in found] == [
        *("memory:///archive-list/b.MOV", "memory:///archive-list/deep/a.mp4")
    ] or {source.address for source in found} == {"memory:///archive-list/b.MOV", "memory:///archive-list/deep/a.mp4"}
    assert {source.size for source in found} == {7}
    assert names(["memory://archive-list/notes.txt"]), "a file that is named is taken"
    with pytest.raises(SourceNotFoundError, match="holds no video or image"):
        list_archive(["memory://archive-list-without"])


def test_the_key_is_the_same_in_every_run_and_safe_as_a_name() -> None:
    one, other = ArchiveSource("/a/talk.mp4", size=1), ArchiveSource("/b/talk.mp4")
    assert one.key == ArchiveSource("/a/talk.mp4", size=2, version="later").key
    assert one.key != other.key
    assert re.fullmatch(r"talk-[0-9a-f]{12}", one.key)
    odd = ArchiveSource(f"s3://bucket/Füße {'x' * 300}/../we/ird?*name.mp4").key
    assert re.fullmatch(r"[\w.-]+", odd)
    assert not odd.startswith(".")
    assert ArchiveSource("demo:").key.startswith("source-")


def test_a_changed_file_is_another_version(tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(b"one")
    (source,) = list_archive([str(file)])[0]
    assert source.look_again() == source
    os.utime(file, ns=(1, 1))
    assert source.look_again() != source
    file.unlink()
    with pytest.raises(SourceNotFoundError, match=r"a\.mp4 does not exist"):
        source.look_again()
    with pytest.raises(SourceNotFoundError, match="does not exist"):
        ArchiveSource("memory://nowhere/a.mp4").look_again()


def test_a_secret_in_an_address_is_masked() -> None:
    source = ArchiveSource("http://me:hunter2@host/a.mp4?token=hunter2")
    assert "hunter2" not in source.name
