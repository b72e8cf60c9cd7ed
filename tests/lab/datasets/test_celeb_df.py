from pathlib import Path

import pytest
from support.dataset_trees import by_id, text, tree

from monitor.errors import DatasetError
from monitor.lab.datasets.celeb_df import LIST, read_celeb_df


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tree(
        tmp_path,
        "Celeb-real/id0_0000.mp4",
        "Celeb-real/id1_0000.mp4",
        "YouTube-real/00170.mp4",
        "YouTube-real/00000.mp4",
        "Celeb-synthesis/id0_id1_0000.mp4",
        "Celeb-synthesis/id1_id0_0000.mp4",
    )
    text(tmp_path / LIST, "1 YouTube-real/00170.mp4", "1 Celeb-real/id1_0000.mp4", "0 Celeb-synthesis/id1_id0_0000.mp4")
    return tmp_path


def test_in_the_list_one_is_real_and_here_one_is_fake(root: Path) -> None:
    records = by_id(read_celeb_df(root))
    assert {video_id: record.label for video_id, record in records.items()} == {
        "Celeb-real/id0_0000": 0,
        "Celeb-real/id1_0000": 0,
        "YouTube-real/00170": 0,
        "YouTube-real/00000": 0,
        "Celeb-synthesis/id0_id1_0000": 1,
        "Celeb-synthesis/id1_id0_0000": 1,
    }


def test_listed_videos_are_the_test_split_the_first_line_too(root: Path) -> None:
    tested = {record.video_id for record in read_celeb_df(root) if record.split == "test"}
    assert tested == {"YouTube-real/00170", "Celeb-real/id1_0000", "Celeb-synthesis/id1_id0_0000"}


def test_a_fake_shows_two_people_and_belongs_to_its_target(root: Path) -> None:
    records = by_id(read_celeb_df(root))
    fake, real = records["Celeb-synthesis/id0_id1_0000"], records["Celeb-real/id0_0000"]
    assert fake.identities == ("celeb-df-v2:id0", "celeb-df-v2:id1")
    assert fake.group == real.group
    assert fake.original == real.video_id
    assert records["YouTube-real/00170"].identities == ()


def test_videos_may_lie_one_folder_deeper(root: Path) -> None:
    for folder in ("Celeb-real", "YouTube-real", "Celeb-synthesis"):
        deeper = root / folder / "videos"
        deeper.mkdir()
        for path in (root / folder).glob("*.mp4"):
            path.rename(deeper / path.name)
    records = by_id(read_celeb_df(root))
    fake = records["Celeb-synthesis/videos/id1_id0_0000"]
    assert fake.split == "test"
    assert fake.original in records


def test_a_listed_video_that_is_missing_is_named(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "YouTube-real" / "00170.mp4").unlink()
    assert len(read_celeb_df(root)) == 5
    assert "YouTube-real/00170.mp4" in caplog.text


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0 YouTube-real/00170.mp4", "here 1 is real, 0 fake"),
        ("2 YouTube-real/00170.mp4", "expected '<0 or 1>"),
        ("1 Elsewhere/00170.mp4", "expected '<0 or 1>"),
    ],
)
def test_a_list_that_contradicts_the_folders_is_refused(root: Path, line: str, says: str) -> None:
    text(root / LIST, line)
    with pytest.raises(DatasetError, match=says):
        read_celeb_df(root)


def test_the_list_must_be_there_and_names_must_be_the_published_ones(root: Path) -> None:
    tree(root, "Celeb-synthesis/other.mp4")
    with pytest.raises(DatasetError, match=r"other\.mp4"):
        read_celeb_df(root)
    (root / LIST).unlink()
    with pytest.raises(DatasetError, match="the testing videos"):
        read_celeb_df(root)
