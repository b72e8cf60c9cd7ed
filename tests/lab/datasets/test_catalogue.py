import logging
from pathlib import Path

import pytest
from support.dataset_trees import text, tree

from monitor.errors import DatasetError
from monitor.lab.datasets.catalogue import Catalogue, inside, json_of, lines_of, media_below, table_of


def test_ids_are_paths_so_that_methods_do_not_merge(tmp_path: Path) -> None:
    tree(tmp_path, "a/001.mp4", "b/001.mp4")
    catalogue = Catalogue("d", tmp_path)
    for path in media_below(tmp_path):
        catalogue.add(path, 1)
    assert [record.video_id for record in catalogue.finish("videos")] == ["a/001", "b/001"]


def test_files_that_differ_in_their_suffix_keep_it(tmp_path: Path) -> None:
    tree(tmp_path, "x.avi", "x.mp4")
    catalogue = Catalogue("d", tmp_path)
    for path in media_below(tmp_path):
        catalogue.add(path, 0)
    assert [record.video_id for record in catalogue.finish("videos")] == ["x", "x.mp4"]


def test_the_same_file_twice_is_an_error(tmp_path: Path) -> None:
    catalogue = Catalogue("d", tree(tmp_path, "x.mp4"))
    catalogue.add(tmp_path / "x.mp4", 0)
    with pytest.raises(DatasetError, match="listed twice"):
        catalogue.add(tmp_path / "x.mp4", 0)


def test_missing_files_are_counted_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalogue = Catalogue("d", tree(tmp_path, "x.mp4", "y.mp4"))
    for name, label in (("x.mp4", 0), ("gone.mp4", 1), ("gone2.mp4", 1), ("y.mp4", 1)):
        catalogue.add_listed(tmp_path / name, label)
    found = catalogue.finish("videos")
    assert len(found) == 2
    assert [(one.video_id, one.label, one.path) for one in found.missing] == [
        ("gone", 1, tmp_path / "gone.mp4"),
        ("gone2", 1, tmp_path / "gone2.mp4"),
    ]
    assert "2 of 4 listed files are missing, the first is gone.mp4" in caplog.text


def test_one_class_alone_is_told_unless_it_is_meant(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalogue = Catalogue("d", tree(tmp_path, "x.mp4"))
    catalogue.add(tmp_path / "x.mp4", 0)
    with caplog.at_level(logging.WARNING):
        catalogue.finish("videos", one_class=True)
        assert caplog.text == ""
        catalogue.finish("videos")
    assert "every one of the 1 records is real" in caplog.text


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no record of d: expected videos"):
        Catalogue("d", tmp_path).finish("videos")
    catalogue = Catalogue("d", tmp_path)
    catalogue.add_listed(tmp_path / "gone.mp4", 1)
    with pytest.raises(DatasetError, match="none of the 1 listed files is there"):
        catalogue.finish("videos")
    with pytest.raises(DatasetError, match="is not a folder"):
        Catalogue("d", tmp_path / "absent")


def test_hidden_files_and_other_suffixes_are_passed_over(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.MP4", "a/.2.mp4", ".b/3.mp4", "a/4.txt")
    assert media_below(tmp_path) == [tmp_path / "a" / "1.MP4"]


def test_a_table_must_name_its_columns(tmp_path: Path) -> None:
    path = text(tmp_path / "t.csv", "name,label,", "a,1,x")
    assert list(table_of(path, columns=("name", ""))) == [(2, {"name": "a", "label": "1", "": "x"})]
    with pytest.raises(DatasetError, match="no column 'path'"):
        list(table_of(path, columns=("path",)))
    with pytest.raises(DatasetError, match="line 2: more cells than columns"):
        list(table_of(text(tmp_path / "u.csv", "a,b", "1,2,3"), columns=("a",)))


def test_a_list_without_a_header_keeps_its_first_line(tmp_path: Path) -> None:
    path = text(tmp_path / "l.txt", "\ufefffirst", "", "  second ")
    assert list(lines_of(path, holds="names")) == [(1, "first"), (3, "second")]


def test_what_is_missing_or_broken_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="it holds the pairs"):
        json_of(tmp_path / "absent.json", holds="the pairs")
    with pytest.raises(DatasetError, match="not valid JSON"):
        json_of(text(tmp_path / "b.json", "{"), holds="x")
    for hostile in ("[" * 100_000, "1" * 10_000):
        with pytest.raises(DatasetError, match="not valid JSON") as caught:
            json_of(text(tmp_path / "c.json", hostile), holds="x")
        assert len(str(caught.value)) < 400
    (tmp_path / "latin.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DatasetError, match="cannot be read"):
        list(lines_of(tmp_path / "latin.txt", holds="x"))


@pytest.mark.parametrize("name", ["", ".", "/etc/passwd", "../x", "a/../../x", "..\\x", "C:\\x", "C:/x", "a\0b"])
def test_no_list_leads_out_of_its_data_set(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=r"l, line 2: the path .* leads out of the data set"):
        inside(tmp_path, name, "l, line 2")
    assert inside(tmp_path, "a/b: c.mp4", "l") == tmp_path / "a" / "b: c.mp4"
