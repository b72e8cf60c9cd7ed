import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.face_shards import pair_rows, write_faces

from monitor.classifiers.architectures import vit
from monitor.errors import CheckpointError, DatasetError, ExperimentError, OutputError, UsageError
from monitor.lab.training.checkpoint import _MAGIC, NEWEST
from monitor.lab.training.experiment import (
    Crops,
    Data,
    Experiment,
    Optimizer,
    Stage,
    ValidationSchedule,
    read_experiment,
)
from monitor.lab.training.trainer import Progress, Trainer, best_weights
from monitor.system.files import alone_in


@pytest.fixture(autouse=True)
def _shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ViT with two of its twelve blocks: steps, checkpoints and weights of a sixth of the size."""
    whole = vit.body

    def body(*, dropout: float = 0.0) -> torch.nn.Module:
        network = whole(dropout=dropout)
        network.blocks = network.blocks[:2]
        return network

    monkeypatch.setattr(vit, "body", body)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainer.averaged.network.state_dict().items()}


def trained(experiment: Experiment, roots: list[Path], out: Path) -> Trainer:
    trainer = Trainer(experiment, roots=roots, out=out, device="cpu", threads=1)
    trainer.run()
    return trainer


def assert_same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_a_training_ends_with_weights_validations_and_a_checkpoint(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    trainer = trained(experiment(), roots, tmp_path)
    progress = trainer.progress
    assert trainer.done
    assert (progress.step, progress.images) == (8, 32)
    assert [(row["images"], row["size"]) for row in progress.history] == [(12.0, 80.0), (24.0, 96.0), (32.0, 96.0)]
    assert all(0 <= row["auc_pairs"] <= 1 and 0 <= row["auc_self_blended"] <= 1 for row in progress.history)
    best = max(progress.history, key=lambda row: row["auc_pairs"])
    assert (progress.best, progress.best_images) == (best["auc_pairs"], best["images"])
    kept = load_file(best_weights(tmp_path, progress))
    if progress.best_images == 32:
        assert_same(kept, weights(trainer))
    assert list(tmp_path.glob("best-*")) == [best_weights(tmp_path, progress)], "older ones are gone"
    assert (tmp_path / NEWEST).exists()
    assert progress.hardware == "CPU, 1 threads, fp32"


@pytest.mark.parametrize("changes", [{}, {"optimizer": Optimizer(sam_radius=0.05)}, {"precision": "bf16"}])
def test_stopped_at_any_step_and_resumed_the_weights_are_the_same(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path, changes: dict[str, object]
) -> None:
    validation = ValidationSchedule(every_images=8)
    plan = experiment(stages=(Stage(80, 8, 4), Stage(96, 12, 4)), validation=validation, **changes)
    undisturbed = trained(plan, roots, tmp_path / "undisturbed")
    for stop_after in (1, 3):
        resumed = Trainer(plan, roots=roots, out=tmp_path / "stopped", device="cpu", threads=1)
        resumed.run(on_step=lambda progress, _loss, stop=stop_after: progress.step < stop)
        assert resumed.progress.step == stop_after
    resumed = trained(plan, roots, tmp_path / "stopped")
    assert_same(weights(resumed), weights(undisturbed))
    without_time = [
        [{name: value for name, value in row.items() if name != "hours"} for row in one.progress.history]
        for one in (resumed, undisturbed)
    ]
    assert without_time[0] == without_time[1]
    best = [best_weights(tmp_path / name, resumed.progress).read_bytes() for name in ("stopped", "undisturbed")]
    assert best[0] == best[1]


_ENDLESS = """
import sys
from pathlib import Path
import monitor.lab.training.trainer as t
from monitor.lab.training.experiment import read_experiment

t.CHECKPOINT_SECONDS = 0.0
toml, root, out = map(Path, sys.argv[1:])
trainer = t.Trainer(read_experiment(toml), roots=[root], out=out, device="cpu", threads=1)
trainer.run(on_step=lambda progress, loss: print(progress.step, flush=True) or True)
"""
_TOML = """
name = "killed"
model = "meso4"
precision = "fp32"
[[data]]
name = "pairs"
pseudo_fakes = 0.5
[[stages]]
size = 256
images = 24
batch = 4
[validation]
every_images = 16
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_killed_in_the_middle_and_resumed_the_weights_are_the_same(roots: list[Path], tmp_path: Path) -> None:
    """A checkpoint at every step and SIGKILL whenever it comes: bit for bit the same."""
    toml = tmp_path / "killed.toml"
    toml.write_text(_TOML)
    command = [sys.executable, "-c", _ENDLESS, str(toml), str(roots[0])]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    plan = read_experiment(toml)
    trained(plan, roots, tmp_path / "undisturbed")
    with subprocess.Popen([*command, str(tmp_path / "out")], env=environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert any(line.strip() == "3" for line in run.stdout), "it ended before it could be killed"
        run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL
    assert (tmp_path / "out" / NEWEST).exists()
    trained(plan, roots, tmp_path / "out")
    ours, theirs = (state_in(tmp_path / name) for name in ("out", "undisturbed"))
    for part in ("network", "averaged", "optimizer"):
        assert_same(flat(ours[part]), flat(theirs[part]))
    assert ours["progress"]["step"] == 6


def state_in(folder: Path) -> dict[str, Any]:
    """A checkpoint, whatever experiment it belongs to."""
    return torch.load(io.BytesIO((folder / NEWEST).read_bytes()[len(_MAGIC) + 32 :]), weights_only=True)


def flat(tree: object, prefix: str = "") -> dict[str, torch.Tensor]:
    """Every tensor of a nested state by its path."""
    if isinstance(tree, torch.Tensor):
        return {prefix: tree}
    if isinstance(tree, dict):
        return {name: value for key, item in tree.items() for name, value in flat(item, f"{prefix}/{key}").items()}
    return {}


def test_time_is_up_after_the_step_at_hand(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    trainer = Trainer(experiment(), roots=roots, out=tmp_path, device="cpu", threads=1)
    trainer.run(minutes=0.0)
    assert trainer.progress.step == 1
    assert state_in(tmp_path)["progress"]["step"] == 1


def test_another_experiment_does_not_go_on_from_its_checkpoint(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    Trainer(experiment(), roots=roots, out=tmp_path, device="cpu", threads=1).run(minutes=0.0)
    for change in ({"model": "meso4", "stages": (Stage(256, 8, 4),)}, {"seed": 9}, {"crops": Crops(shift=0.2)}):
        with pytest.raises(CheckpointError, match="belongs to another experiment"):
            Trainer(experiment(**change), roots=roots, out=tmp_path, device="cpu", threads=1)
    asked_otherwise = replace(experiment(), question="what else?", validation=ValidationSchedule(every_images=8))
    assert Trainer(asked_otherwise, roots=roots, out=tmp_path, device="cpu", threads=1).progress.step == 1


def test_another_precision_does_not_go_on(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = experiment(precision="auto")
    monkeypatch.setattr("monitor.lab.training.trainer.computes_in_bf16", lambda *_: False)
    Trainer(plan, roots=roots, out=tmp_path, device="cpu", threads=1).run(minutes=0.0)
    monkeypatch.setattr("monitor.lab.training.trainer.computes_in_bf16", lambda *_: True)
    with pytest.raises(CheckpointError, match="made in fp32, this machine would go on in bf16"):
        Trainer(plan, roots=roots, out=tmp_path, device="cpu", threads=1)


def test_a_loss_that_is_no_number_stops_before_the_checkpoint(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    plan = experiment(optimizer=Optimizer(lr=1e30, warmup_images=0, clip_norm=1e30))
    trainer = Trainer(plan, roots=roots, out=tmp_path, device="cpu", threads=1)
    with pytest.raises(ExperimentError, match=r"tiny: the loss is no number after \d+ images: lower optimizer\.lr"):
        trainer.run()
    assert not (tmp_path / NEWEST).exists()


def test_a_damaged_crop_stops_the_training_and_is_named(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "sets" / "pairs", pair_rows(2, split="train") + pair_rows(2, split="val"))
    shard = folder / "train-00.tar"
    content = bytearray(shard.read_bytes())
    content[512:912] = bytes(400)
    shard.write_bytes(content)
    trainer = Trainer(
        experiment(data=(Data("pairs"),)), roots=[tmp_path / "sets"], out=tmp_path, device="cpu", threads=1
    )
    with pytest.raises(DatasetError, match=r"crop train0r in .* is damaged"):
        trainer.run()
    assert (tmp_path / NEWEST).exists(), "what was reached is kept"


def test_progress_counts_work_not_rest() -> None:
    assert Progress().seconds == 0.0


def test_other_data_of_the_same_name_do_not_go_on(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    plan = experiment(data=(Data("pairs"),))
    Trainer(plan, roots=roots, out=tmp_path / "out", device="cpu", threads=1).run(minutes=0.0)
    write_faces(tmp_path / "pairs", pair_rows(4, split="train") + pair_rows(3, split="val", start=5))
    with pytest.raises(CheckpointError, match="belongs to another experiment"):
        Trainer(plan, roots=[tmp_path], out=tmp_path / "out", device="cpu", threads=1)


def test_a_new_yardstick_forgets_what_was_best(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = experiment()
    trainer = Trainer(plan, roots=roots, out=tmp_path, device="cpu", threads=1)
    trainer.run(on_step=lambda progress, _loss: progress.step < 3)
    assert trainer.progress.best >= 0
    other = replace(plan, validation=ValidationSchedule(every_images=12, limit=4))
    again = Trainer(other, roots=roots, out=tmp_path, device="cpu", threads=1)
    assert again.progress.best == -1.0
    assert "validation is on other crops" in caplog.text


def test_killed_right_after_a_validation_the_best_weights_are_those_of_the_checkpoint(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = experiment(validation=ValidationSchedule(every_images=4))
    trainer = Trainer(plan, roots=roots, out=tmp_path, device="cpu", threads=1)
    trainer.run(on_step=lambda progress, _loss: progress.step < 1)
    kept = best_weights(tmp_path, trainer.progress).read_bytes()

    def killed(_trainer: Trainer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_save", killed)
    monkeypatch.setattr(
        "monitor.lab.training.validation.ValidationLogits.auc", 0.999
    )  # the next one is better in any case
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    resumed = Trainer(plan, roots=roots, out=tmp_path, device="cpu", threads=1)
    assert resumed.progress.best_images == 4
    assert best_weights(tmp_path, resumed.progress).read_bytes() == kept


def test_crops_narrower_than_what_is_wanted_are_refused(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    wide = experiment(crops=Crops(scale=(0.9, 1.4), side=1.3))
    with pytest.raises(ExperimentError, match=r"holds squares of 0\.85 box heights, the experiment wants 1\.3"):
        Trainer(wide, roots=roots, out=tmp_path, device="cpu", threads=1)


def test_only_one_process_trains_in_a_folder(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    trainer = Trainer(experiment(), roots=roots, out=tmp_path, device="cpu", threads=1)
    with alone_in(tmp_path), pytest.raises(UsageError, match="another process is at work"):
        trainer.run()


def test_a_file_in_the_way_is_one_sentence(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        Trainer(experiment(), roots=roots, out=tmp_path / "out", device="cpu", threads=1).run()
