from pathlib import Path

import pytest
from support.dataset_trees import archive, by_id, tree

from monitor.errors import DatasetError
from monitor.lab.datasets.wild_deepfake import read_wild_deepfake


def sequence(number: int, kind: str, name: int, frames: int = 2) -> dict[str, bytes]:
    return {f"./{number}/{kind}/{name}/{frame}.png": b"x" for frame in range(frames)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    archive(tmp_path / "real_train" / "1.tar.gz", {**sequence(1, "real", 3), **sequence(1, "real", 20)}, mode="w:gz")
    archive(tmp_path / "fake_train" / "1.tar.gz", sequence(1, "fake", 3))  # plain, in spite of its name
    archive(tmp_path / "fake_test" / "10.tar.gz", sequence(10, "fake", 0), mode="w:gz")
    archive(tmp_path / "fake_test" / "9.tar.gz", sequence(9, "fake", 0), mode="w:gz")
    return tmp_path


def test_a_record_per_sequence_whatever_the_compression(root: Path) -> None:
    records = by_id(read_wild_deepfake(root))
    assert list(records) == ["real_train/1/3", "real_train/1/20", "fake_train/1/3", "fake_test/9/0", "fake_test/10/0"]
    assert [record.label for record in records.values()] == [0, 0, 1, 1, 1]
    assert [record.split for record in records.values()] == ["train"] * 3 + ["test"] * 2
    assert records["fake_train/1/3"].path == root / "fake_train" / "1.tar.gz" / "1" / "fake" / "3"


def test_sequences_of_a_video_are_one_group_and_numbers_of_other_folders_are_not(root: Path) -> None:
    records = by_id(read_wild_deepfake(root))
    assert records["real_train/1/3"].group == records["real_train/1/20"].group
    assert records["real_train/1/3"].group != records["fake_train/1/3"].group


def test_a_member_that_contradicts_its_folder_is_refused(root: Path) -> None:
    archive(root / "real_test" / "4.tar.gz", sequence(4, "fake", 0))
    with pytest.raises(DatasetError, match="promises only real faces"):
        read_wild_deepfake(root)


def test_damaged_or_absent_archives_are_refused(root: Path, tmp_path: Path) -> None:
    (root / "real_train" / "2.tar.gz").write_bytes(b"no archive")
    with pytest.raises(DatasetError, match="no complete tar archive"):
        read_wild_deepfake(root)
    with pytest.raises(DatasetError, match="holds no record"):
        read_wild_deepfake(tree(tmp_path / "empty"))
