from pathlib import Path

import pytest
from support.clips import video
from support.face_shards import pair_rows, write_faces

from monitor.errors import DatasetError, UsageError
from monitor.lab.evaluation.material import open_material


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_faces(tmp_path / "faces", pair_rows(3, split="val") + pair_rows(4, split="test"))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    for name in ("a", "b", "c"):
        video(tmp_path / "clips" / f"{name}.mp4", frames=3)
    path = tmp_path / "clips" / "manifest.csv"
    path.write_text("path,label,split\na.mp4,real,test\nb.mp4,fake,test\nc.mp4,fake,val\n")
    return path


def test_the_test_split_is_taken_where_there_are_splits(shards: Path, manifest: Path) -> None:
    crops, files = open_material(shards), open_material(manifest)
    assert (crops.kind, crops.name, crops.split, len(crops)) == ("crops", "faces", "test", 8)
    assert (files.kind, files.name, files.split, len(files)) == ("videos", "clips", "test", 2)
    assert files.selection == ""
    assert [record.label for record in files.records or ()] == [0, 1]


def test_another_split_or_everything_may_be_asked_for(shards: Path, manifest: Path) -> None:
    assert len(open_material(shards, split="val")) == 6
    assert len(open_material(shards, split="all")) == 14
    assert len(open_material(manifest, split="all")) == 3
    assert open_material(manifest, split="all").split == ""


def test_without_splits_everything_is_taken(manifest: Path) -> None:
    manifest.write_text("path,label\na.mp4,real\nb.mp4,fake\n")
    assert len(open_material(manifest)) == 2
    with pytest.raises(DatasetError, match="none of its files is assigned"):
        open_material(manifest, split="test")


def test_a_folder_with_a_manifest_is_one(manifest: Path) -> None:
    assert len(open_material(manifest.parent)) == 2
    assert len(open_material(manifest.parent, dataset="manifest")) == 2


def test_a_limit_is_a_draw_that_says_so_and_never_changes(shards: Path) -> None:
    some = open_material(shards, limit=5)
    assert some.selection == "5 of 8 crops, drawn at random"
    names = [row.name for row in some.faces.rows]
    assert names == [row.name for row in open_material(shards, limit=5).faces.rows]
    assert names == sorted(names, key=[row.name for row in open_material(shards).faces.rows].index)
    assert open_material(shards, limit=8).selection == ""


def test_a_data_set_is_read_by_its_reader(tmp_path: Path) -> None:
    for kind in ("real", "fake"):
        (tmp_path / "mine" / kind).mkdir(parents=True)
        video(tmp_path / "mine" / kind / "a.mp4", frames=3)
    assert len(open_material(tmp_path / "mine", dataset="folder")) == 2


def test_what_is_wrong_is_one_sentence(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no split 'train', it has test, val: choose one with --split"):
        open_material(shards, split="train")
    with pytest.raises(DatasetError, match="does not exist"):
        open_material(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="use --dataset"):
        open_material(tmp_path)
    with pytest.raises(UsageError, match="there is no reader"):
        open_material(tmp_path, dataset="abacus")
    only = write_faces(tmp_path / "only", pair_rows(2, split="val"))
    with pytest.raises(UsageError, match=r"no split 'test', it has val"):
        open_material(only)


def test_listed_files_that_are_missing_are_part_of_the_material(manifest: Path) -> None:
    (manifest.parent / "b.mp4").unlink()
    records = open_material(manifest).records or []
    assert [(one.video_id, one.label, one.path.is_file()) for one in records] == [("a", 0, True), ("b", 1, False)]


def test_a_file_with_several_flagged_faces_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    lines = ("path,label,x1,y1,x2,y2", "a.jpg,real,0,0,9,9", "a.jpg,fake,30,0,39,9")
    (tmp_path / "feedback.csv").write_text("\n".join(lines))
    assert [one.label for one in open_material(tmp_path, dataset="feedback").records or ()] == [1]
