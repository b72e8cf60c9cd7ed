import json
from pathlib import Path

import pytest
from support.dataset_trees import by_id, text, tree

from monitor.errors import DatasetError
from monitor.lab.datasets.ffpp import read_ffpp


@pytest.fixture
def root(tmp_path: Path) -> Path:
    youtube, actors = "original_sequences/youtube", "original_sequences/actors"
    fakes = "manipulated_sequences"
    tree(
        tmp_path,
        *(f"{youtube}/{c}/videos/{one}.mp4" for c in ("raw", "c23") for one in ("071", "054", "000", "003")),
        f"{actors}/c23/videos/01__walking_outside.mp4",
        *(f"{fakes}/{method}/c23/videos/071_054.mp4" for method in ("Deepfakes", "FaceSwap")),
        f"{fakes}/Deepfakes/c40/videos/000_003.mp4",
        f"{fakes}/Deepfakes/c23/videos/071_000.mp4",
        f"{fakes}/Deepfakes/masks/videos/071_054.mp4",
        f"{fakes}/DeepFakeDetection/c23/videos/01_20__walking_outside__F1Z2ABCD.mp4",
    )
    text(tmp_path / "train.json", json.dumps([["071", "054"]]))
    text(tmp_path / "val.json", json.dumps([["000", "003"]]))
    text(tmp_path / "test.json", "[]")
    return tmp_path


def test_all_compressions_and_both_sources_are_read_and_masks_are_not(root: Path) -> None:
    records = by_id(read_ffpp(root))
    assert len(records) == 8 + 1 + 2 + 1 + 1 + 1
    assert sum(record.label for record in records.values()) == 5
    assert {record.compression for record in records.values()} == {"raw", "c23", "c40"}
    assert not any("masks" in video_id for video_id in records)


def test_methods_with_the_same_file_names_stay_apart(root: Path) -> None:
    records = by_id(read_ffpp(root))
    twins = [record for video_id, record in records.items() if video_id.endswith("c23/videos/071_054")]
    assert {record.method for record in twins} == {"Deepfakes", "FaceSwap"}
    for record in twins:
        assert record.original == "original_sequences/youtube/c23/videos/071"
        assert record.original in records
        assert record.group == records[record.original].group
        assert record.identities == ("ffpp:071", "ffpp:054")


def test_a_fake_belongs_to_a_split_if_both_of_its_ids_do(root: Path) -> None:
    records = by_id(read_ffpp(root))
    fakes = "manipulated_sequences/Deepfakes"
    assert records["original_sequences/youtube/raw/videos/054"].split == "train"
    assert records[f"{fakes}/c23/videos/071_054"].split == "train"
    assert records[f"{fakes}/c40/videos/000_003"].split == "val"
    assert records[f"{fakes}/c23/videos/071_000"].split == "", "its two ids are in different splits"


def test_actors_have_no_published_split_and_share_their_scene(root: Path) -> None:
    records = by_id(read_ffpp(root))
    real = records["original_sequences/actors/c23/videos/01__walking_outside"]
    (fake,) = (record for record in records.values() if record.method == "DeepFakeDetection")
    assert (real.split, fake.split) == ("", "")
    assert fake.original == real.video_id
    assert fake.group == real.group
    assert fake.identities == ("dfd:01", "dfd:20")


def test_split_files_may_lie_in_a_folder_or_be_absent(root: Path) -> None:
    (root / "splits").mkdir()
    for split in ("train", "val", "test"):
        (root / f"{split}.json").rename(root / "splits" / f"{split}.json")
    assert by_id(read_ffpp(root))["original_sequences/youtube/c23/videos/000"].split == "val"
    for split in ("train", "val", "test"):
        (root / "splits" / f"{split}.json").unlink()
    assert {record.split for record in read_ffpp(root)} == {""}


@pytest.mark.parametrize(
    ("split", "content", "says"),
    [
        ("val", '["071", "054"]', "no list of pairs"),
        ("val", '[["071", "003"]]', "belongs to train already"),
        ("test", None, "test.json is missing"),
    ],
)
def test_wrong_split_files_are_refused(root: Path, split: str, content: str | None, says: str) -> None:
    path = root / f"{split}.json"
    path.unlink() if content is None else text(path, content)
    with pytest.raises(DatasetError, match=says):
        read_ffpp(root)


def test_a_strange_name_or_an_empty_tree_is_refused(root: Path, tmp_path: Path) -> None:
    tree(root, "manipulated_sequences/Deepfakes/c23/videos/holiday.mp4")
    with pytest.raises(DatasetError, match="holiday"):
        read_ffpp(root)
    with pytest.raises(DatasetError, match="holds no record"):
        read_ffpp(tree(tmp_path / "empty"))
