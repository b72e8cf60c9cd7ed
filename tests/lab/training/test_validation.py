from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.face_shards import pair_rows, write_faces

from monitor.classifiers.crops import cut_squares
from monitor.errors import DatasetError
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.training.experiment import Crops, Data, Experiment, ValidationSchedule
from monitor.lab.training.validation import ValidationLogits
from monitor.lab.training.validation import Validator as Judge


class Brightness(torch.nn.Module):
    """A classifier whose logit is the mean of the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((1, 2, 3))[:, None] + self.anchor


def test_logits_are_those_of_the_crops_that_the_live_path_cuts(
    roots: list[Path], experiment: Callable[..., Experiment]
) -> None:
    plan = experiment(crops=Crops(scale=(0.5, 0.7), side=0.6, centre=0.1))
    (judged,) = Judge(plan, roots=roots).judge(Brightness(), size=48)
    faces = FaceSet.open(roots[0] / "pairs", splits={"val"})
    assert judged.name == "pairs"
    assert judged.labels.tolist() == [row.label for row in faces.rows]
    for row, logit in enumerate(judged.logits.tolist()):
        square = faces.square(224, side=0.6, centre=0.1)
        crop = cut_squares(faces.pixels(row), square, size=48)[0]
        assert logit == pytest.approx((crop.astype(np.float32).mean() - 127.5) / 128, abs=1e-4)


def test_self_blended_copies_of_the_reals_are_judged_the_same_each_time(
    roots: list[Path], experiment: Callable[..., Experiment]
) -> None:
    judge = Judge(experiment(), roots=roots)
    one, again = (judge.judge_self_blended(Brightness(), size=48) for _ in range(2))
    assert one.labels.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(one.logits, again.logits)
    assert np.abs(one.logits[:3] - one.logits[3:]).max() > 0


def test_a_limit_keeps_whole_groups_and_always_the_same(
    roots: list[Path], experiment: Callable[..., Experiment]
) -> None:
    plan = experiment(validation=ValidationSchedule(limit=4))
    (judged,) = Judge(plan, roots=roots).judge(Brightness(), size=48)
    (again,) = Judge(plan, roots=roots).judge(Brightness(), size=48)
    assert sorted(judged.labels.tolist()) == [0, 0, 1, 1]
    np.testing.assert_array_equal(judged.logits, again.logits)


def test_sets_may_be_named(roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    write_faces(tmp_path / "other", pair_rows(1, split="val"))
    plan = experiment(validation=ValidationSchedule(sets=("other", "pairs")))
    judged = Judge(plan, roots=[*roots, tmp_path]).judge(Brightness(), size=48)
    assert [one.name for one in judged] == ["other", "pairs"]


def test_a_set_without_validation_faces_is_one_sentence(
    roots: list[Path], experiment: Callable[..., Experiment]
) -> None:
    with pytest.raises(DatasetError, match="holds no crop of split val: its index has train"):
        Judge(experiment(validation=ValidationSchedule(sets=("reals",))), roots=roots)
    only_reals = experiment(data=(Data("reals", pseudo_fakes=1.0),))
    with pytest.raises(DatasetError, match=r"validation\.sets"):
        Judge(only_reals, roots=roots)


@pytest.mark.parametrize(("label", "missing"), [("0", "fake"), ("1", "real")])
def test_one_class_only_is_said_at_the_start(
    experiment: Callable[..., Experiment], tmp_path: Path, label: str, missing: str
) -> None:
    write_faces(tmp_path / "pairs", [row for row in pair_rows(2, split="val") if row["label"] == label])
    with pytest.raises(DatasetError, match=f"has no {missing} face in split val: validation needs both"):
        Judge(experiment(), roots=[tmp_path])


def test_a_damaged_crop_is_said_at_the_start(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    shard = write_faces(tmp_path / "pairs", pair_rows(2, split="val")) / "val-00.tar"
    content = bytearray(shard.read_bytes())
    content[512:912] = bytes(400)
    shard.write_bytes(content)
    with pytest.raises(DatasetError, match=r"crop val0r in .* is damaged"):
        Judge(experiment(), roots=[tmp_path])


def test_one_class_has_no_auc() -> None:
    assert np.isnan(ValidationLogits("reals", np.zeros(3, np.float32), np.zeros(3, np.int64)).auc)
    assert ValidationLogits("both", np.array([0, 1, 2], np.float32), np.array([0, 1, 1])).auc == 1.0
