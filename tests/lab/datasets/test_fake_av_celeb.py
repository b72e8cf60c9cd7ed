from pathlib import Path

import pytest
from support.dataset_trees import by_id, text, tree

from monitor.errors import DatasetError
from monitor.lab.datasets.fake_av_celeb import LIST, read_fake_av_celeb

HEADER = "source,target1,target2,method,category,type,race,gender,path,"
ROWS = (
    "id00076,-,-,real,A,RealVideo-RealAudio,African,men,00109.mp4,FakeAVCeleb/RealVideo-RealAudio/African/men/id00076",
    "id00166,-,-,real,A,RealVideo-RealAudio,African,men,00109.mp4,FakeAVCeleb/RealVideo-RealAudio/African/men/id00166",
    "id00076,-,-,rtvc,B,RealVideo-FakeAudio,African,men,00109_fake.mp4,"
    "FakeAVCeleb/RealVideo-FakeAudio/African/men/id00076",
    "id00076,id00166,-,faceswap,C,FakeVideo-RealAudio,African,men,00109_0.mp4,"
    "FakeAVCeleb/FakeVideo-RealAudio/African/men/id00076",
    "id00076,id00166,id00166,faceswap-wav2lip,D,FakeVideo-FakeAudio,African,men,00109_1.mp4,"
    "FakeAVCeleb/FakeVideo-FakeAudio/African/men/id00076",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for row in ROWS:
        cells = row.split(",")
        tree(tmp_path, f"{cells[9].removeprefix('FakeAVCeleb/')}/{cells[8]}")
    text(tmp_path / LIST, HEADER, *ROWS)
    return tmp_path


def test_the_column_after_the_trailing_comma_is_the_folder(root: Path) -> None:
    records = by_id(read_fake_av_celeb(root))
    assert list(records)[:2] == [
        "RealVideo-RealAudio/African/men/id00076/00109",
        "RealVideo-RealAudio/African/men/id00166/00109",
    ]
    assert all(record.path.is_file() for record in records.values())


def test_a_real_video_with_a_fake_voice_is_real(root: Path) -> None:
    labels = {video_id.split("/")[0]: record.label for video_id, record in by_id(read_fake_av_celeb(root)).items()}
    assert labels == {
        "RealVideo-RealAudio": 0,
        "RealVideo-FakeAudio": 0,
        "FakeVideo-RealAudio": 1,
        "FakeVideo-FakeAudio": 1,
    }


def test_people_once_each_without_the_dashes_and_the_method_of_fakes(root: Path) -> None:
    records = list(read_fake_av_celeb(root))
    assert [record.method for record in records] == ["", "", "", "faceswap", "faceswap-wav2lip"]
    assert records[0].identities == ("voxceleb2:id00076",)
    assert records[4].identities == ("voxceleb2:id00076", "voxceleb2:id00166")
    assert records[3].group == records[0].group == "id00076"


def test_the_list_may_lie_above_the_folder_that_it_names(root: Path, tmp_path: Path) -> None:
    text(
        root / LIST, HEADER.replace("path,", "path,"), *(row.replace("FakeAVCeleb/", "./FakeAVCeleb/") for row in ROWS)
    )
    assert len(read_fake_av_celeb(root)) == 5


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ((HEADER, ROWS[0].replace("RealVideo-RealAudio,", "Video,")), "type is 'Video'"),
        ((HEADER[:-1], ROWS[0].rpartition(",")[0]), "no column ''"),
        ((HEADER, ROWS[0].replace("FakeAVCeleb/RealVideo-RealAudio/", "/x/")), "line 2: the path .* leads out"),
        ((HEADER, ROWS[0].replace("00109.mp4", "../../../../../r.mp4")), "line 2: the path .* leads out"),
        (ROWS, "no column 'source'"),
    ],
)
def test_wrong_lists_are_refused(root: Path, lines: tuple[str, ...], says: str) -> None:
    text(root / LIST, *lines)
    with pytest.raises(DatasetError, match=says):
        read_fake_av_celeb(root)
