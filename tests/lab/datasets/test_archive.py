from pathlib import Path

import pytest
from support.dataset_trees import archive

from monitor.errors import DatasetError
from monitor.lab.datasets.archive import TarArchive, inside_archive, open_archive


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_plain_and_compressed_archives_of_any_name(tmp_path: Path, mode: str) -> None:
    path = archive(tmp_path / "1.tar.gz", {"./1/10.png": b"ten", "./1/2.png": b"two", "other/x.png": b"x"}, mode=mode)
    opened = TarArchive(path)
    assert opened.names == ["other/x.png", "1/2.png", "1/10.png"]
    assert opened.below("1") == ["1/2.png", "1/10.png"]
    assert opened.below("1/10.png") == ["1/10.png"]
    assert opened.read("1/10.png") == b"ten"
    assert opened.read("1/2.png") == b"two"


def test_a_path_into_an_archive_is_told_from_a_plain_one(tmp_path: Path) -> None:
    path = archive(tmp_path / "a" / "s.tar", {"x/y.png": b"y"})
    assert inside_archive(path / "x" / "y.png") == (path, "x/y.png")
    assert inside_archive(tmp_path / "a" / "y.png") is None
    assert inside_archive(tmp_path / "absent.tar" / "y.png") is None
    assert open_archive(path) is open_archive(path)


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        TarArchive(tmp_path / "absent.tar")
    (tmp_path / "no.tar").write_bytes(b"hello" * 300)
    with pytest.raises(DatasetError, match="no complete tar archive"):
        TarArchive(tmp_path / "no.tar")
    whole = archive(tmp_path / "w.tar.gz", {"a.png": bytes(range(256)) * 200}, mode="w:gz")
    whole.write_bytes(whole.read_bytes()[:200])
    with pytest.raises(DatasetError, match="no complete tar archive"):
        TarArchive(whole)
    with pytest.raises(DatasetError, match=r"holds no file b\.png"):
        TarArchive(archive(tmp_path / "x.tar", {"a.png": b"a"})).read("b.png")
