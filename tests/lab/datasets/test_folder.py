from pathlib import Path

import pytest
from support.dataset_trees import by_id, tree

from monitor.errors import DatasetError
from monitor.lab.datasets.folder import read_folder
from monitor.lab.datasets.splits import leakage, split_records


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


def test_fakes_of_every_method_share_the_group_of_their_real_video(tmp_path: Path) -> None:
    for number in range(40):
        tree(
            tmp_path, f"real/{number}.mp4", f"fake/A/{number}.mp4", f"fake/B/sub/{number}.mp4", f"real/sub/{number}.mp4"
        )
    splits: dict[str, set[str]] = {}
    for record in split_records(read_folder(tmp_path)):
        splits.setdefault(record.group, set()).add(record.split)
    assert len(splits) == 80
    assert all(len(names) == 1 for names in splits.values())
    assert {record.method for record in read_folder(tmp_path) if record.label} == {"A", "B"}


def test_a_methods_own_pictures_are_many_and_a_video_of_it_is_one_group(tmp_path: Path) -> None:
    for number in range(9):
        tree(tmp_path, f"fake/stylegan/{number}.png", f"fake/swap/v1/{number}.png", f"real/{number}.png")
    groups = {video_id: record.group for video_id, record in by_id(read_folder(tmp_path)).items()}
    assert len({group for video_id, group in groups.items() if "stylegan" in video_id}) == 9
    assert {group for video_id, group in groups.items() if "swap" in video_id} == {"v1"}


def test_names_that_say_something_are_compared_across_splits(tmp_path: Path) -> None:
    tree(tmp_path, "train/real/talk/0.png", "train/real/talk/2.png", "test/real/talk/1.png", "test/real/anna.mp4")
    tree(tmp_path, "train/fake/swap/anna.mp4", "train/real/img_1.png", "test/real/img_1.png")
    found = leakage(read_folder(tmp_path))
    assert [crossing.name.split(":")[1] for crossing in found.groups] == ["anna", "talk"]


class TestWithALabel:
    def test_camera_names_name_nobody(self, tmp_path: Path) -> None:
        tree(tmp_path, "img_0001.jpg", "img_0002.jpg", "IMG_2020_003.jpg", "DSCN0004.jpg", "Screenshot-7.png")
        records = read_folder(tmp_path, label="real")
        assert {record.identities for record in records} == {()}
        assert len({record.group for record in records}) == 5

    def test_a_folder_of_photographs_is_many_groups(self, tmp_path: Path) -> None:
        tree(tmp_path, *(f"utk/part0/{age}_1_0_201701161748{age}.jpg" for age in range(20, 40)))
        assert len({record.group for record in read_folder(tmp_path, label="real")}) == 20

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
