from __future__ import annotations

from pathlib import Path

import pytest
from dataset_trees import by_id, tree

from monitor.errors import DatasetError
from monitor.lab.datasets.folder import read_folder


def test_class_folders_hold_videos_and_pictures(tmp_path: Path) -> None:
    tree(tmp_path, "real/a.mp4", "real/b.jpg", "fake/a.mp4", "fake/FaceSwap/c.webm", "fake/notes.txt")
    records = by_id(read_folder(tmp_path))
    assert {video_id: (record.label, record.method) for video_id, record in records.items()} == {
        "real/a": (0, ""),
        "real/b": (0, ""),
        "fake/a": (1, ""),
        "fake/FaceSwap/c": (1, "FaceSwap"),
    }
    assert {record.dataset for record in records.values()} == {tmp_path.name}
    assert records["real/a"].group == records["fake/a"].group, "one name is probably one video"


def test_split_folders_are_a_published_split(tmp_path: Path) -> None:
    tree(tmp_path, "train/real/1.mp4", "train/fake/2.mp4", "Validation/REAL/1.mp4", "test/fake/1.mp4")
    records = by_id(read_folder(tmp_path))
    assert {video_id: record.split for video_id, record in records.items()} == {
        "train/real/1": "train",
        "train/fake/2": "train",
        "Validation/REAL/1": "val",
        "test/fake/1": "test",
    }
    assert len({record.group for record in records.values()}) == 4, "each split numbers its own files"


def test_pictures_in_a_folder_of_their_own_are_one_group(tmp_path: Path) -> None:
    tree(tmp_path, "real/v1/0.png", "real/v1/1.png", "real/v2/0.png", "fake/v1/0.png")
    groups = [(record.label, record.group) for record in read_folder(tmp_path)]
    assert groups == [(1, "v1"), (0, "v1"), (0, "v1"), (0, "v2")]


class TestWithALabel:
    def test_lfw_names_people(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        tree(tmp_path, "AJ_Cook.jpg", "Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0002.jpg", "0001.jpg", "clip_1.mp4")
        records = by_id(read_folder(tmp_path, label="real"))
        assert {record.label for record in records.values()} == {0}
        assert records["AJ_Cook"].identities == ("AJ_Cook",)
        assert records["Ann_Lee/Ann_Lee_0002"].identities == ("Ann_Lee",)
        assert records["Ann_Lee/Ann_Lee_0001"].group == records["Ann_Lee/Ann_Lee_0002"].group
        assert records["0001"].identities == records["clip_1"].identities == ()
        assert caplog.text == "", "one class is what was asked for"

    def test_utkface_names_nobody(self, tmp_path: Path) -> None:
        tree(tmp_path, "100_1_2_20170105174847679.jpg", "26_0_1_20170116.jpg.chip.jpg", "61_1_20170109142408075.jpg")
        assert {record.identities for record in read_folder(tmp_path, label="real")} == {()}

    def test_a_collection_may_be_fake(self, tmp_path: Path) -> None:
        tree(tmp_path, "x.mp4")
        assert [record.label for record in read_folder(tmp_path, label="fake")] == [1]


def test_a_folder_that_says_nothing_asks_for_a_label(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="--label real"):
        read_folder(tree(tmp_path, "a.mp4"))
    (tmp_path / "real").mkdir()
    with pytest.raises(DatasetError, match="holds no record"):
        read_folder(tmp_path)
