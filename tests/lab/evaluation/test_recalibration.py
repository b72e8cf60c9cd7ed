from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from support.face_shards import face, pair_rows, write_faces
from support.outcomes import damage

from monitor.analysis.pipeline import Engines
from monitor.classifiers import engines_dir
from monitor.errors import DatasetError, OutputError
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.evaluation.crops import crop_outcomes
from monitor.lab.evaluation.recalibration import (
    CalibrationFit,
    LabelledScores,
    _frames,
    measured,
    of_crops,
    of_feedback,
    out_of_fold,
    publish,
)
from monitor.media.video_writer import VideoWriter
from monitor.settings import Settings
from monitor.types import Calibration, ClassifierScores, Scores


def sample(n: int = 400, *, gain: float = 3.0) -> LabelledScores:
    """Logits that are ``gain`` times the true log-odds, two rows a group."""
    random = np.random.default_rng(5)
    odds = random.normal(0, 1.5, n)
    labels = (random.random(n) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    return LabelledScores(gain * odds, labels, np.arange(n) // 2, "made", 0)


class TestFit:
    def test_overconfident_logits_are_tamed_out_of_fold(self) -> None:
        made = sample()
        before, after = measured(made.logits, made, at=0.5), measured(out_of_fold(made), made, at=0.5)
        assert after["ece"].value < 0.5 * before["ece"].value
        assert after["nll"].value < before["nll"].value
        assert after["brier"].low < after["brier"].value < after["brier"].high
        assert np.polyfit(made.logits, out_of_fold(made), 1)[0] == pytest.approx(1 / 3, rel=0.2)

    def test_no_row_is_judged_by_a_fit_that_saw_its_group(self) -> None:
        made = sample(60)
        changed = made.labels.copy()
        changed[:2] = 1 - changed[:2]  # the first group's labels
        other = LabelledScores(made.logits, changed, made.groups, "made", 0)
        assert out_of_fold(other)[:2].tolist() == out_of_fold(made)[:2].tolist()
        assert out_of_fold(other)[2:].tolist() != out_of_fold(made)[2:].tolist()

    def test_too_few_groups_are_one_sentence(self) -> None:
        two = LabelledScores(np.array([1.0, -1.0]), np.array([1, 0]), np.array([0, 1]), "two faces", 0)
        with pytest.raises(DatasetError, match="two faces: its groups are too few"):
            out_of_fold(two)


class TestScores:
    def test_crops_give_the_logits_of_evaluation(self, tmp_path: Path, engines: Engines, settings: Settings) -> None:
        faces = FaceSet.open(write_faces(tmp_path / "faces", pair_rows(3, split="val")))
        found = of_crops(faces, engines=engines, settings=settings)
        outcomes = crop_outcomes(faces, engines=engines, settings=settings.verdict)
        assert found.logits.tolist() == [one.logit for one in outcomes]
        assert (found.labels.tolist(), len(set(found.groups.tolist()))) == ([0, 1] * 3, 3)
        assert (found.material, found.left_out) == ("faces, split val", 0)

    def test_a_damaged_crop_is_named_not_dropped(self, tmp_path: Path, engines: Engines, settings: Settings) -> None:
        folder = write_faces(tmp_path / "faces", pair_rows(3, split="val"))
        damage(folder / "val-00.tar")
        found = of_crops(FaceSet.open(folder), engines=engines, settings=settings)
        assert (len(found.labels), found.left_out, len(found.failures)) == (5, 0, 1)
        assert "val0r" in found.failures[0]

    def test_a_flagged_box_names_the_face(self, tmp_path: Path, engines: Engines, settings: Settings) -> None:
        canvas = np.full((400, 900, 3), 120, np.uint8)
        canvas[88:312, 88:312], canvas[60:340, 500:780] = face(0), face(1, size=280)
        for name in ("both", "largest", "nobody"):
            cv2.imwrite(str(tmp_path / f"{name}.png"), canvas[..., ::-1] if name != "nobody" else canvas * 0)
        rows = ("both.png,real,100,90,300,320,1", "both.png,fake,550,90,750,320,2", "largest.png,fake,,,,,")
        rows += ("nobody.png,real,,,,,", "both.png,real,0,330,60,399,7")
        (tmp_path / "feedback.csv").write_text("path,label,x1,y1,x2,y2,track_id\n" + "\n".join(rows), encoding="utf-8")

        class Place:
            """Scores a face with the x of its centre."""

            def score(self, pixels, tracked, qualities, *, rows):
                assert pixels.shape == (400, 900, 3)
                (box,) = tracked.faces.boxes
                x, nothing = (box[[0]] + box[[2]]) / 2, np.zeros((1, 1, 1), np.float32)
                part = ClassifierScores("place", logits=x, log_odds=x)
                return Scores(tracked.track_ids, x, nothing, box[None], qualities.weights, parts=(part,))

        stand_in = SimpleNamespace(faces=engines.faces, scorer=Place())
        found = of_feedback(tmp_path, engines=stand_in, settings=settings)  # type: ignore[arg-type]
        assert found.logits.tolist() == pytest.approx([200, 640, 640], abs=25)
        assert found.labels.tolist() == [0, 1, 1]
        assert found.groups[0] == found.groups[1] != found.groups[2]
        assert found.left_out == 2  # nobody, and a box that holds no face

    def test_a_clip_is_scored_inside_its_flagged_span(
        self, tmp_path: Path, engines: Engines, settings: Settings
    ) -> None:
        cv2.imwrite(str(tmp_path / "still.png"), np.zeros((200, 300, 3), np.uint8))
        with VideoWriter(tmp_path / "clip.mp4", fps=10) as video:
            for index in range(40):
                video.write(np.full((96, 128, 3), 6 * index, np.uint8), index / 10)
        seen = [frame.mean() for frame in _frames(tmp_path / "clip.mp4", start=1.0, end=2.0, settings=settings)]
        assert len(seen) == 5
        assert seen == pytest.approx([6 * index for index in (10, 12, 14, 16, 18)], abs=6)
        assert len(_frames(tmp_path / "clip.mp4", start=0.0, end=np.inf, settings=settings)) == 5
        assert len(_frames(tmp_path / "still.png", start=0.0, end=np.inf, settings=settings)) == 1


class TestCards:
    def test_nothing_is_left_behind_where_nothing_can_be_written(self, tmp_path: Path) -> None:
        weights = engines_dir() / "inception_resnet_v1.safetensors"
        (tmp_path / "file").write_bytes(b"in the way")
        made = sample(40)
        fit = CalibrationFit(
            Calibration(1.0, 0.0), 96, figures={"before": measured(made.logits, made, at=0.5)}, sample=made
        )
        with pytest.raises(OutputError, match="cannot be written"):
            publish(weights, fit, folder=tmp_path / "file" / "new")
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
