import csv
import io
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from support.footage import portrait
from typer.testing import CliRunner, Result

from monitor.cli.lab.sheet import sheet
from monitor.errors import DatasetError, OutputError


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Three crops of the portrait, all real."""
    folder = tmp_path / "shards"
    folder.mkdir()
    with tarfile.open(folder / "val-00.tar", "w") as shard, (folder / "index.csv").open("w", newline="") as index:
        writer = csv.writer(index)
        writer.writerow(("name", "label", "split", "shard"))
        for number in range(3):
            face = np.ascontiguousarray(portrait()[64 - number : 162, 175 : 273 + number])
            stored = cv2.imencode(".jpg", cv2.cvtColor(face, cv2.COLOR_RGB2BGR))[1].tobytes()
            member = tarfile.TarInfo(f"face{number}.jpg")
            member.size = len(stored)
            shard.addfile(member, io.BytesIO(stored))
            writer.writerow((f"face{number}", 0, "val", "val-00.tar"))
    return folder


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(sheet)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_it_writes_one_picture_and_says_where(shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "look.png"
    said = run(shards, "--out", out, "--rows", "2", "--size", "64")
    assert said.exit_code == 0, said.output
    picture = cv2.imread(str(out))
    assert picture is not None
    assert picture.shape == (22 + 2 * 64, 13 * 64, 3)
    assert [file.name for file in out.parent.iterdir()] == ["look.png"]


def test_a_folder_without_crops_is_one_error(tmp_path: Path) -> None:
    said = run(tmp_path / "absent", "--out", tmp_path / "look.png")
    assert isinstance(said.exception, DatasetError)
    assert not (tmp_path / "look.png").exists()


def test_a_place_that_cannot_be_written_is_one_error(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = run(shards, "--out", tmp_path / "file" / "look.png", "--rows", "2", "--size", "64")
    assert isinstance(said.exception, OutputError)
    assert "choose another place" in str(said.exception)


def test_the_picture_is_never_half_written(shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "taken"
    out.mkdir()
    said = run(shards, "--out", out, "--rows", "2", "--size", "64")
    assert isinstance(said.exception, OutputError)
    assert not (tmp_path / "taken.part").exists()
