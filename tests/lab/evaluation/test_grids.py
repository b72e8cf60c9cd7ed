from pathlib import Path

import cv2
import numpy as np
import pytest
from support.face_shards import face, pair_rows, write_faces
from support.outcomes import damage

from monitor.analysis.pipeline import Engines
from monitor.errors import DatasetError
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.datasets.record import Record
from monitor.lab.evaluation.crops import crop_outcomes
from monitor.lab.evaluation.grids import CLEAN, LEVELS, Grid, crop_grid, spread, spread_records, video_grid
from monitor.settings import Settings


class Dimmed:
    """Darker with every level; level 5 is black. Remembers what it was given."""

    def __init__(self) -> None:
        self.seen: list[tuple[tuple[int, ...], int, int]] = []

    def apply(self, frame: np.ndarray, *, level: int, seed: int) -> np.ndarray:
        self.seen.append((frame.shape, level, seed))
        return (frame * (1 - level / 5)).astype(np.uint8)

    def apply_clip(self, frames: np.ndarray, *, level: int, seed: int) -> np.ndarray:
        return self.apply(frames, level=level, seed=seed)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> FaceSet:
    return FaceSet.open(write_faces(tmp_path_factory.mktemp("faces"), pair_rows(4, split="val"), landmarks=True))


@pytest.fixture(scope="module")
def measured(faces: FaceSet, engines: Engines, settings: Settings) -> tuple[Grid, Dimmed, list[int]]:
    dimmed, done = Dimmed(), []
    found = crop_grid(
        faces, engines=engines, settings=settings, perturbations={"dim": dimmed}, on_done=lambda: done.append(1)
    )
    return found, dimmed, done


class TestCrops:
    def test_the_untouched_cell_is_what_evaluation_says(
        self, measured: tuple, faces: FaceSet, engines: Engines, settings: Settings
    ) -> None:
        found, _, done = measured
        outcomes = crop_outcomes(faces, engines=engines, settings=settings.verdict)
        assert found.cells[CLEAN].scores.tolist() == pytest.approx([one.probability for one in outcomes], abs=1e-6)
        assert found.labels.tolist() == [one.label for one in outcomes]
        assert len(set(found.groups.tolist())) == 4
        assert len(done) == 1 + len(LEVELS)

    def test_stored_crops_are_perturbed_each_with_a_seed_of_its_own(self, measured: tuple) -> None:
        _, dimmed, _ = measured
        assert {shape for shape, _, _ in dimmed.seen} == {(224, 224, 3)}
        assert len({seed for _, _, seed in dimmed.seen}) == 8
        assert sorted({level for _, level, _ in dimmed.seen}) == list(LEVELS)

    def test_a_damaged_crop_is_left_out_of_every_cell(
        self, tmp_path: Path, measured: tuple, engines: Engines, settings: Settings
    ) -> None:
        damaged = write_faces(tmp_path / "faces", pair_rows(4, split="val"), landmarks=True)
        damage(damaged / "val-00.tar")
        found = crop_grid(FaceSet.open(damaged), engines=engines, settings=settings, perturbations={"dim": Dimmed()})
        assert found.labels.tolist() == measured[0].labels.tolist()[1:]
        assert len(found.failures) == 1
        assert "val0r" in found.failures[0]
        for place, judged in found.cells.items():
            assert judged.scores.tolist() == pytest.approx(measured[0].cells[place].scores.tolist()[1:], abs=1e-4)

    def test_one_class_is_refused_before_the_grid(self, faces: FaceSet, engines: Engines, settings: Settings) -> None:
        dimmed = Dimmed()
        reals = faces.select(lambda row: not row.label)
        with pytest.raises(DatasetError, match="4 real and 0 fake"):
            crop_grid(reals, engines=engines, settings=settings, perturbations={"dim": dimmed})
        assert dimmed.seen == []

    def test_the_products_own_gate_abstains_in_the_dark(self, measured: tuple) -> None:
        cells = measured[0].cells
        assert not cells[CLEAN].abstained.any()
        assert cells["dim", 5].abstained.all()
        assert not np.allclose(cells["dim", 3].scores, cells[CLEAN].scores)


def record(folder: Path, name: str, picture: np.ndarray, *, label: int) -> Record:
    path = folder / f"{name}.png"
    cv2.imwrite(str(path), picture[..., ::-1])
    return Record(dataset="made", video_id=name, path=path, label=label, split="", method="", compression="",
                  identities=(), group="", spans=None)  # fmt: skip


class TestVideos:
    def test_the_pipeline_judges_perturbed_files(self, tmp_path: Path, engines: Engines, settings: Settings) -> None:
        canvas = np.full((400, 400, 3), 120, np.uint8)
        canvas[88:312, 88:312] = face(0)
        broken = tmp_path / "broken.png"
        broken.write_bytes(b"no picture")
        records = [
            record(tmp_path, "real", canvas, label=0),
            record(tmp_path, "empty", np.full_like(canvas, 90), label=1),
            Record("made", "broken", broken, 1, "", "", "", (), "", None),
        ]
        dimmed = Dimmed()
        found = video_grid(records, engines=engines, settings=settings, perturbations={"dim": dimmed}, seconds=1.0)
        assert found.labels.tolist() == [0, 1]
        assert len(found.failures) == 1
        assert "broken.png" in found.failures[0]
        clean = found.cells[CLEAN]
        assert np.isfinite(clean.scores).tolist() == [True, False]
        assert clean.abstained.tolist()[1] is True
        assert np.isnan(found.cells["dim", 5].scores).all()
        assert {shape for shape, _, _ in dimmed.seen} == {(1, 400, 400, 3)}

    def test_one_class_is_refused_before_anything_is_analysed(
        self, tmp_path: Path, engines: Engines, settings: Settings
    ) -> None:
        done: list[int] = []
        with pytest.raises(DatasetError, match="0 real and 1 fake"):
            video_grid(
                [record(tmp_path, "empty", np.full((90, 90, 3), 90, np.uint8), label=1)],
                engines=engines, settings=settings, perturbations={}, seconds=1.0, on_done=lambda: done.append(1),
            )  # fmt: skip
        assert done == []

    def test_nothing_readable_is_one_sentence(self, tmp_path: Path, engines: Engines, settings: Settings) -> None:
        with pytest.raises(DatasetError, match="not one of 0 files"):
            video_grid([], engines=engines, settings=settings, perturbations={}, seconds=1.0)


class TestSpread:
    def test_a_part_is_balanced_and_always_the_same(self, faces: FaceSet) -> None:
        part = spread(faces, 4)
        assert sorted(row.label for row in part.rows) == [0, 0, 1, 1]
        assert [row.name for row in part.rows] == [row.name for row in spread(faces, 4).rows]

    def test_too_few_of_one_class_are_made_up_by_the_other(self, faces: FaceSet) -> None:
        few = faces.select(lambda row: row.label == 0 or row.name == "val0f")
        assert sorted(row.label for row in spread(few, 4).rows) == [0, 0, 0, 1]

    def test_sorted_records_give_both_classes(self, tmp_path: Path) -> None:
        records = [Record("made", f"{n:02d}", tmp_path, int(n >= 10), "", "", "", (), "", None) for n in range(20)]
        part = spread_records(records, 4)
        assert [one.label for one in part] == [0, 0, 1, 1]
        assert part == spread_records(records, 4)
        assert spread_records(records, 20) == records

    def test_everything_stays_everything(self, faces: FaceSet) -> None:
        assert spread(faces, None) is faces
        assert spread(faces, 8) is faces
