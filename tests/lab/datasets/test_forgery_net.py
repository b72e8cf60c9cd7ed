from pathlib import Path

import pytest
from support.dataset_trees import by_id, faceless, text, tree

from monitor.errors import DatasetError
from monitor.lab.datasets.forgery_net import read_forgery_net
from monitor.lab.datasets.record import FakeSpan


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tree(tmp_path, "Training/video/fake/a.mp4", "Training/video/real/r.mp4")
    faceless(tmp_path / "Validation" / "video" / "fake" / "p.mp4", frames=50)
    text(tmp_path / "train_list" / "video_list.txt", "1 fake/a.mp4 0 90 fake 1 2 8", "1 real/r.mp4 0 90 real 0 0 0")
    text(tmp_path / "train_list" / "image_list.txt", "train/x.jpg 1 2 8")
    text(
        tmp_path / "val_list" / "video_list.txt",
        "4 fake/p.mp4 0 10 real 10 15 fake 25 5 real 30 20 fake 1 1 3",
    )
    return tmp_path


def test_the_first_line_counts_and_image_lists_are_passed_over(root: Path) -> None:
    records = by_id(read_forgery_net(root))
    assert set(records) == {"Training/video/fake/a", "Training/video/real/r", "Validation/video/fake/p"}
    fake, real = records["Training/video/fake/a"], records["Training/video/real/r"]
    assert (fake.label, fake.method, fake.split, fake.spans) == (1, "class-8", "train", None)
    assert (real.label, real.method, real.split, real.spans) == (0, "", "train", None)


def test_segments_of_a_partly_fake_video_are_seconds_at_its_own_rate(root: Path) -> None:
    partial = by_id(read_forgery_net(root))["Validation/video/fake/p"]
    assert partial.split == "val"
    assert partial.spans == (FakeSpan(0.4, 1.0), FakeSpan(1.2, 2.0))


def test_missing_and_unreadable_videos_are_named(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree(root, "Validation/video/fake/broken.mp4")
    text(
        root / "val_list" / "video_list.txt",
        "2 fake/broken.mp4 0 10 real 10 15 fake 1 1 3",
        "1 fake/gone.mp4 0 10 fake 1 1 3",
    )
    found = read_forgery_net(root)
    assert len(found) == 2
    assert [(one.video_id, one.label, one.split) for one in found.missing] == [
        ("Validation/video/fake/broken", 1, "val"),
        ("fake/gone", 1, "val"),
    ]
    said = "2 of 4 listed files are missing or impossible to open, the first is Validation/video/fake/broken.mp4"
    assert said in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        "2 fake/a.mp4 0 90 fake 1 2 8",
        "1 fake/a.mp4 0 90 fake 1 2",
        "1 fake/a.mp4 0 90 maybe 1 2 8",
        "x fake/a.mp4 0 90 fake 1 2 8",
        "1 fake/a.mp4 0 90 real 1 2 8",
        "1 fake/a.mp4 0 90 fake 0 0 0",
        "1 ../a.mp4 0 90 fake 1 2 8",
        "1 /a.mp4 0 90 fake 1 2 8",
        f"1 {'n' * 5000} 0 90 fake 1 2 8",
        f"2 fake/a.mp4 0 9 real {'9' * 400} 9 fake 1 2 8",
        "2 fake/a.mp4 0 9 real 9 0 fake 1 2 8",
    ],
)
def test_malformed_or_contradictory_lines_are_refused(root: Path, line: str) -> None:
    text(root / "train_list" / "video_list.txt", line)
    with pytest.raises(DatasetError, match=r"video_list\.txt, line 1"):
        read_forgery_net(root)


def test_no_list_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="lists with 'video' in their names"):
        read_forgery_net(tree(tmp_path, "Training/video/a.mp4"))
