import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.face_shards import pair_rows, write_faces
from support.outcomes import damage

from monitor.analysis.pipeline import Engines
from monitor.analysis.scores import Scorer
from monitor.classifiers.crops import crop_faces
from monitor.errors import DatasetError
from monitor.lab.datasets.faceset import FACTS, FaceSet
from monitor.lab.evaluation.crops import CropScorer, crop_outcomes
from monitor.settings import Settings
from monitor.types import Label, Reason


class Brightness:
    """A classifier whose logit is the mean of its input; NaN where that is below ``floor``."""

    name = "scripted"

    def __init__(self, floor: float = -math.inf) -> None:
        self.floor, self.batches = floor, []

    def run(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.batches.append(batch)
        logits = batch.mean(axis=(1, 2, 3))
        return np.where(logits < self.floor, np.nan, logits).astype(np.float32), np.zeros(
            (len(batch), 1, 1), np.float32
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [row | {"shard": "test-00.tar"} for row in pair_rows(20, split="test")]
    return write_faces(tmp_path / "faces", rows, landmarks=True, side=1.0)


def scripted(engines: Engines, engine: Brightness) -> Engines:
    return replace(engines, scorers=(Scorer(engines.classifier, engine),))


def test_every_crop_gets_an_outcome_in_the_order_of_the_set(folder: Path, engines: Engines, settings: Settings) -> None:
    faces, told = FaceSet.open(folder), []
    found = crop_outcomes(faces, engines=engines, settings=settings.verdict, on_done=told.append)
    assert [one.id for one in found] == [row.name for row in faces.rows]
    assert [one.label for one in found] == [0, 1] * 20
    assert found[0].dataset == "faces"
    assert found[0].unit == found[1].unit, "a real crop and its fake are drawn together"
    assert sum(told) == 40
    assert len(told) > 1, "in batches"
    calibration = engines.classifier.card.calibration
    for one in found:
        assert one.probability == pytest.approx(calibration.probability(one.logit))
        assert one.decision in (Label.NOT_ENOUGH_EVIDENCE, *Label)


def test_the_batch_changes_no_logit(folder: Path, engines: Engines, settings: Settings) -> None:
    faces = FaceSet.open(folder)
    scorer = CropScorer(engines.scorer, faces)
    alone = [scorer.logits([faces.pixels(row)])[0] for row in range(4)]
    together = scorer.logits([faces.pixels(row) for row in range(4)])
    np.testing.assert_allclose(together, alone, atol=1e-3)
    assert scorer.logits([]).shape == (0,)


def test_the_square_is_the_one_that_the_live_path_cuts(folder: Path, engines: Engines) -> None:
    faces, card = FaceSet.open(folder), engines.classifier.card
    picture = faces.pixels(0)  # one box height wide, centred .06 below the box's centre
    side = picture.shape[0]
    box = np.array([[0.1 * side, -0.06 * side, 0.9 * side, 0.94 * side]], np.float32)
    live, _ = crop_faces(picture, box, policy=card.crop, size=card.input.size)
    cut = CropScorer(engines.scorer, faces).cut(picture)
    np.testing.assert_allclose(cut.astype(int), live[0].astype(int), atol=1)  # the squares agree to 1e-5 pixels


def test_a_damaged_crop_is_a_failure_and_stops_nothing(folder: Path, engines: Engines, settings: Settings) -> None:
    damage(folder / "test-00.tar")
    faces = FaceSet.open(folder)
    found = crop_outcomes(faces, engines=engines, settings=settings.verdict)
    assert len(found) == 40
    assert [one.failed for one in found] == [True] + [False] * 39
    assert "damaged" in found[0].failure
    assert found[0].probability is None


def test_a_crop_that_is_not_square_is_a_failure(
    folder: Path, engines: Engines, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = FaceSet.open(folder).select(lambda row: row.group == "test0r")
    pixels = faces.pixels
    monkeypatch.setattr(faces, "pixels", lambda row: pixels(row)[:150] if row == 1 else pixels(row))
    first, second = crop_outcomes(faces, engines=engines, settings=settings.verdict)
    assert not first.failed
    assert second.failed
    assert "test0f" in second.failure
    assert "224 x 150 pixels" in second.failure


def test_what_the_engine_cannot_say_is_an_abstention(folder: Path, engines: Engines, settings: Settings) -> None:
    faces = FaceSet.open(folder)
    probe = Brightness()
    logits = [one.logit for one in crop_outcomes(faces, engines=scripted(engines, probe), settings=settings.verdict)]
    assert probe.batches[0].dtype == np.uint8
    floor = float(np.median(logits))
    found = crop_outcomes(faces, engines=scripted(engines, Brightness(floor)), settings=settings.verdict)
    silent = [one for one in found if one.reasons == (Reason.ENGINE_DEGRADED,)]
    assert 10 < len(silent) < 30
    assert all(one.abstained and one.probability is None and one.logit is None for one in silent)


def test_crops_narrower_than_the_weights_expect_are_refused(folder: Path, engines: Engines) -> None:
    facts = {"side_over_box_height": 0.7, "centre_below_box_centre_over_box_height": 0.06}
    (folder / FACTS).write_text(json.dumps(facts))
    with pytest.raises(DatasetError, match=r"squares of 0\.7 box heights, but the weights .* look at 0\.85"):
        CropScorer(engines.scorer, FaceSet.open(folder))
