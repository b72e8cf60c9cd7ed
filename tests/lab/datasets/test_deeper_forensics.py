from pathlib import Path

import pytest
from support.dataset_trees import by_id, text, tree

from monitor.errors import DatasetError
from monitor.lab.datasets.deeper_forensics import REALS, read_deeper_forensics


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tree(
        tmp_path,
        "manipulated_videos/end_to_end/000_M101.mp4",
        "manipulated_videos/end_to_end/001_W022.mp4",
        "manipulated_videos/end_to_end_random_level/000_M101.mp4",
        "source_videos/M101/BlendShape/camera_front/left.mp4",
        f"{REALS}/000.mp4",
        f"{REALS}/001.mp4",
    )
    text(tmp_path / "lists" / "splits" / "train.txt", "000_M101.mp4")
    text(tmp_path / "lists" / "splits" / "val.txt", "001_W022.mp4")
    text(tmp_path / "lists" / "splits" / "test.txt")
    return tmp_path


def test_source_videos_are_not_the_real_class(root: Path) -> None:
    records = by_id(read_deeper_forensics(root))
    assert not any("source_videos" in video_id for video_id in records)
    reals = {video_id for video_id, record in records.items() if record.label == 0}
    assert reals == {f"{REALS}/000", f"{REALS}/001"}


def test_variants_stay_apart_and_share_split_group_and_original(root: Path) -> None:
    records = by_id(read_deeper_forensics(root))
    plain = records["manipulated_videos/end_to_end/000_M101"]
    worse = records["manipulated_videos/end_to_end_random_level/000_M101"]
    assert (plain.method, worse.method) == ("end_to_end", "end_to_end_random_level")
    assert plain.split == worse.split == "train"
    assert plain.group == worse.group == records[f"{REALS}/000"].group
    assert plain.original == f"{REALS}/000"
    assert plain.identities == ("ffpp:000", "deeperforensics:M101"), "a target is the same person as in FF++"


def test_the_first_line_of_a_list_counts_and_a_real_follows_its_fakes(root: Path) -> None:
    records = by_id(read_deeper_forensics(root))
    assert records["manipulated_videos/end_to_end/001_W022"].split == "val"
    assert records[f"{REALS}/001"].split == "val"


def test_without_reals_it_is_said(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path in (root / REALS).glob("*.mp4"):
        path.unlink()
    assert {record.label for record in read_deeper_forensics(root)} == {1}
    assert "every one of the 3 records is fake" in caplog.text


def test_a_listed_fake_that_is_missing_is_named(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    text(root / "lists" / "splits" / "test.txt", "002_M004.mp4")
    read_deeper_forensics(root)
    assert "002_M004.mp4" in caplog.text


@pytest.mark.parametrize(
    ("line", "says"), [("000_M101.mp4", "belongs to train already"), ("name", "no <target>_<source>")]
)
def test_wrong_lists_are_refused(root: Path, line: str, says: str) -> None:
    text(root / "lists" / "splits" / "test.txt", line)
    with pytest.raises(DatasetError, match=says):
        read_deeper_forensics(root)


def test_lists_and_fakes_must_be_there(root: Path) -> None:
    for path in (root / "manipulated_videos").rglob("*.mp4"):
        path.unlink()
    with pytest.raises(DatasetError, match="expected manipulated_videos"):
        read_deeper_forensics(root)
    (root / "lists" / "splits" / "val.txt").unlink()
    with pytest.raises(DatasetError, match=r"val\.txt is missing"):
        read_deeper_forensics(root)
