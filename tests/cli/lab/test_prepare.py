from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from support.dataset_trees import face, faceless, picture, text
from typer.testing import CliRunner

from monitor.cli import terminal
from monitor.cli.lab.prepare import prepare
from monitor.errors import DatasetError, UsageError
from monitor.lab.datasets.faceset import FaceSet

Lab = Callable[..., str]


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Lab]:
    """The command by itself: what it says on stdout; its errors as they are raised."""
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(prepare)

    def run(*arguments: object) -> str:
        with terminal.console.capture() as captured:
            result = CliRunner().invoke(app, [str(one) for one in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return captured.get()

    return run


def test_a_folder_becomes_shards_and_is_summed_up(lab: Lab, tmp_path: Path) -> None:
    for number in range(5):
        picture(tmp_path / "set" / "real" / f"r{number}.png", face(shift=number))
        picture(tmp_path / "set" / "fake" / "swap" / f"f{number}" / "0.png", face(shift=number) // 2)
    faceless(tmp_path / "set" / "real" / "nobody.mp4")
    said = lab("folder", "set", "--out", "out", "--size", 64, "--split-shares", "0.6,0.2,0.2")
    faces = FaceSet.open(tmp_path / "out")
    assert len(faces) == 10
    assert {row.split for row in faces.rows} == {"train", "val", "test"}
    assert "1 records gave no face" in said
    assert "no group and no identity crosses splits" in said
    assert "swap" in said


def test_a_collection_of_real_faces(lab: Lab, tmp_path: Path) -> None:
    picture(tmp_path / "people" / "Ann_Lee.png")
    lab("folder", "people", "--out", "out", "--label", "real", "--size", 64, "--side", 0.85)
    faces = FaceSet.open(tmp_path / "out")
    assert (faces.rows[0].identity, faces.rows[0].label) == ("Ann_Lee", 0)
    assert faces.side_over_box_height == 0.85


def test_published_splits_are_kept_or_forgotten(lab: Lab, tmp_path: Path) -> None:
    rows = []
    for number in range(4):
        picture(tmp_path / f"{number}.png", face(shift=number))
        rows.append(f"{number}.png,real,test,same" if number < 2 else f"{number}.png,real,train,same")
    text(tmp_path / "manifest.csv", "path,label,split,group", *rows)
    with pytest.raises(DatasetError, match="--resplit"):
        lab("manifest", ".", "--out", "out", "--size", 64)
    lab("manifest", "manifest.csv", "--out", "leaky", "--size", 64, "--allow-leakage")
    assert {row.split for row in FaceSet.open(tmp_path / "leaky").rows} == {"train", "test"}
    lab("manifest", "manifest.csv", "--out", "anew", "--size", 64, "--resplit", "--split-shares", "0,0,1")
    assert {row.split for row in FaceSet.open(tmp_path / "anew").rows} == {"test"}


def test_existing_crops_take_no_other_geometry(lab: Lab, tmp_path: Path) -> None:
    picture(tmp_path / "people" / "Ann_Lee.png")
    lab("folder", "people", "--out", "crops", "--label", "real", "--size", 96)
    lab("shards", "crops", "--out", "again")
    assert FaceSet.open(tmp_path / "again").jpeg(0) == FaceSet.open(tmp_path / "crops").jpeg(0)
    with pytest.raises(UsageError, match="--size 80: the crops in crops exist already, with size 96"):
        lab("shards", "crops", "--out", "other", "--size", 80)


def test_what_makes_no_sense_is_one_sentence(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no reader for 'imagenet'"):
        lab("imagenet", ".", "--out", "out")
    with pytest.raises(UsageError, match="split shares"):
        lab("folder", ".", "--out", "out", "--split-shares", "1,1,1")
    with pytest.raises(DatasetError, match="no folders real/ and fake/"):
        lab("folder", ".", "--out", "out")
    assert not (tmp_path / "out").exists()


def test_val_is_taken_out_of_a_published_train_and_missing_files_are_counted(lab: Lab, tmp_path: Path) -> None:
    rows = []
    for number in range(6):
        picture(tmp_path / f"{number}.png", face(shift=number))
        rows.append(f"{number}.png,{('real', 'fake')[number % 2]},{'test' if number > 3 else 'train'}")
    text(tmp_path / "manifest.csv", "path,label,split", *rows, "gone.png,fake,train")
    said = lab("manifest", ".", "--out", "out", "--size", 64, "--val-from-train", 0.5)
    assert Counter(row.split for row in FaceSet.open(tmp_path / "out").rows) == {"train": 2, "val": 2, "test": 2}
    assert "1 files that the data set lists are missing" in said


def test_a_folder_with_splits_of_its_own_is_compared_file_by_file(lab: Lab, tmp_path: Path) -> None:
    picture(tmp_path / "set" / "train" / "real" / "1.png")
    picture(tmp_path / "set" / "test" / "real" / "2.png")
    with pytest.raises(DatasetError, match="1 file cross splits"):
        lab("folder", "set", "--out", "out", "--size", 64)
    assert "files were not compared" in lab("folder", "set", "--out", "out", "--size", 64, "--no-compare-files")
