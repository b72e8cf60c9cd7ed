import csv
import io
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.footage import portrait

from monitor.errors import DatasetError, ExperimentError
from monitor.lab import fakes
from monitor.lab.datasets.faceset import COLUMNS, FaceSet
from monitor.lab.fakes.autoencoders import Autoencoders
from monitor.lab.fakes.sheet import contact_sheet

SIZE, HEADING = 48, 22


def face_set(folder: Path, labels: Iterable[int]) -> FaceSet:
    """The portrait's face, once per label, each a bit brighter than the last."""
    folder.mkdir()
    with tarfile.open(folder / "train-00.tar", "w") as shard, (folder / "index.csv").open("w", newline="") as index:
        writer = csv.DictWriter(index, COLUMNS)
        writer.writeheader()
        for number, label in enumerate(labels):
            face = np.clip(portrait()[64:162, 175:273].astype(int) + 8 * number, 0, 255).astype(np.uint8)
            stored = cv2.imencode(".jpg", cv2.cvtColor(face, cv2.COLOR_RGB2BGR))[1].tobytes()
            member = tarfile.TarInfo(f"face{number}.jpg")
            member.size = len(stored)
            shard.addfile(member, io.BytesIO(stored))
            row = {"name": f"face{number}", "label": label, "split": "train", "shard": "train-00.tar"}
            writer.writerow(row)
    return FaceSet.open(folder)


def cell(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    top, left = HEADING + row * SIZE, column * SIZE
    return sheet[top : top + SIZE, left : left + SIZE].astype(int)


def test_nothing_of_this_folder_needs_more_than_a_training_machine_has() -> None:
    modules = [f"monitor.lab.fakes.{path.stem}" for path in Path(fakes.__file__).parent.glob("[a-z]*.py")]
    absent = ("pydantic", "av", "onnxruntime", "typer", "platformdirs")
    script = f"import sys; sys.modules.update(dict.fromkeys({absent})); import {', '.join(modules)}"
    assert len(modules) >= 9
    subprocess.run([sys.executable, "-c", script], check=True)


class TestContactSheet:
    def test_fakes_masks_and_differences_belong_together(self, tmp_path: Path) -> None:
        sheet = contact_sheet(face_set(tmp_path / "set", [0] * 5), rows=3, size=SIZE, seed=2)
        assert sheet.shape == (HEADING + 3 * SIZE, 13 * SIZE, 3)
        for row in range(3):
            real = cell(sheet, row, 0)
            for kind in (1, 4, 7):
                fake, mask, difference = (cell(sheet, row, column) for column in (kind, kind + 1, kind + 2))
                assert mask.max() > 50
                assert np.abs(np.clip(5 * np.abs(fake - real), 0, 255) - difference).max() <= 5
                assert np.abs(fake - real)[mask == 0].max(initial=0) <= 1  # a mask under 1/510 is drawn as 0

    def test_autoencoders_add_the_neural_fakes(self, tmp_path: Path, autoencoders: Autoencoders) -> None:
        faces = face_set(tmp_path / "set", [0] * 5)
        sheet = contact_sheet(faces, rows=3, size=SIZE, seed=2, autoencoders=autoencoders)
        assert sheet.shape == (HEADING + 3 * SIZE, 16 * SIZE, 3)
        assert all(np.abs(cell(sheet, row, 10) - cell(sheet, row, 0)).max() > 5 for row in range(3))

    def test_fake_crops_are_not_used(self, tmp_path: Path) -> None:
        faces = face_set(tmp_path / "set", [0, 1, 1, 0])
        sheet = contact_sheet(faces, rows=10, size=SIZE, seed=0)
        assert sheet.shape[0] == HEADING + 2 * SIZE
        brightness = sorted(cell(sheet, row, 0).mean() for row in range(2))
        assert brightness[1] - brightness[0] > 15  # numbers 0 and 3

    def test_the_same_seed_gives_the_same_sheet(self, tmp_path: Path) -> None:
        faces = face_set(tmp_path / "set", [0] * 4)
        first, again, other = (contact_sheet(faces, rows=2, size=SIZE, seed=seed) for seed in (1, 1, 2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_one_real_crop_is_not_enough(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="has 1 real crops"):
            contact_sheet(face_set(tmp_path / "set", [0, 1]), rows=2, size=SIZE, seed=0)

    @pytest.mark.parametrize(("rows", "size"), [(0, 48), (2, 16)])
    def test_nothing_to_see_is_refused(self, tmp_path: Path, rows: int, size: int) -> None:
        with pytest.raises(ExperimentError, match="at least one row"):
            contact_sheet(face_set(tmp_path / "set", [0, 0]), rows=rows, size=size, seed=0)
