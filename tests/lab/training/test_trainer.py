from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from monitor.errors import CheckpointError, DatasetError, ExperimentError, ModelCardError, UsageError
from monitor.lab.training.checkpoint import NEWEST, load_checkpoint
from monitor.lab.training.experiment import Crops, Data, Experiment, Optimizer, Stage, Validation
from monitor.lab.training.trainer import BEST, Progress, Trainer, computes_in_bf16, initial_network
from monitor.models.weights import export_weights

ROOT = Path(__file__).parents[3]


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
    kept = load_file(tmp_path / BEST)
    if progress.best_images == 32:
        assert_same(kept, weights(trainer))
    assert load_checkpoint(tmp_path, digest=trainer.experiment.digest) is not None


@pytest.mark.parametrize("changes", [{}, {"optimizer": Optimizer(sam_radius=0.05)}, {"precision": "bf16"}])
def test_stopped_at_any_step_and_resumed_the_weights_are_the_same(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path, changes: dict[str, object]
) -> None:
    plan = experiment(**changes)
    undisturbed = trained(plan, roots, tmp_path / "undisturbed")
    for stop_after in (1, 6):
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
    assert (tmp_path / "stopped" / BEST).read_bytes() == (tmp_path / "undisturbed" / BEST).read_bytes()


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
    subprocess.run([*command, str(tmp_path / "undisturbed")], check=True, env=environment, stdout=subprocess.DEVNULL)
    for step in ("2", "4"):
        with subprocess.Popen(
            [*command, str(tmp_path / "out")], env=environment, stdout=subprocess.PIPE, text=True
        ) as run:
            assert run.stdout is not None
            assert any(line.strip() == step for line in run.stdout), "it ended before it could be killed"
            time.sleep(0.05 * int(step))
            run.send_signal(signal.SIGKILL)
        assert run.returncode == -signal.SIGKILL
        assert (tmp_path / "out" / NEWEST).exists()
    subprocess.run([*command, str(tmp_path / "out")], check=True, env=environment, stdout=subprocess.DEVNULL)
    digest = load_experiment_digest(toml)
    ours, theirs = (load_checkpoint(tmp_path / name, digest=digest) for name in ("out", "undisturbed"))
    assert ours is not None
    assert theirs is not None
    for part in ("network", "averaged", "optimizer"):
        assert_same(flat(ours[part]), flat(theirs[part]))
    assert ours["progress"]["step"] == 6


def load_experiment_digest(toml: Path) -> str:
    from monitor.lab.training.experiment import read_experiment

    return read_experiment(toml).digest


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
    assert load_checkpoint(tmp_path, digest=trainer.experiment.digest) is not None


def test_a_mask_head_learns_beside_the_classifier(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    plan = experiment(model="inception_resnet_v1", mask_head=0.5, stages=(Stage(75, 8, 4),), dropout=0.0)
    before = initial_network(plan).state_dict()
    trainer = trained(plan, roots, tmp_path)
    after = weights(trainer)
    heads = [name for name in after if name.startswith("mask_head.")]
    assert heads
    assert all(not torch.equal(before[name], after[name]) for name in heads)


def test_the_weights_at_the_start_are_those_of_the_seed(experiment: Callable[..., Experiment]) -> None:
    one, same, other = (initial_network(experiment(seed=seed)).state_dict() for seed in (1, 1, 2))
    assert_same(one, same)
    assert any(not torch.equal(value, other[name]) for name, value in one.items())


def test_it_starts_from_given_weights(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    start = initial_network(experiment(seed=5)).state_dict()
    export_weights(start, tmp_path / "start.safetensors", dtype="float32")
    network = initial_network(experiment(init=str(tmp_path / "start.safetensors")))
    assert_same(network.state_dict(), start)


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"model": "resnet9"}, UsageError, "unknown model 'resnet9'"),
        ({"stages": (Stage(33, 8, 4),)}, ExperimentError, "vit does not take crops of 33 pixels"),
        ({"mask_head": 1.0}, ExperimentError, "mask_head needs inception_resnet_v1"),
        ({"init": "vggface2"}, ExperimentError, "init = 'vggface2' needs inception_resnet_v1"),
        ({"init": "gone.safetensors"}, ModelCardError, r"gone\.safetensors"),
    ],
)
def test_what_cannot_be_started_is_one_sentence(
    experiment: Callable[..., Experiment], changes: dict[str, object], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        initial_network(experiment(**changes))


def test_weights_of_another_architecture_are_no_start(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    export_weights({"head.weight": torch.zeros(1, 192)}, tmp_path / "other.safetensors")
    with pytest.raises(ExperimentError, match="does not fit vit"):
        initial_network(experiment(init=str(tmp_path / "other.safetensors")))


def test_another_experiment_does_not_go_on_from_its_checkpoint(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    Trainer(experiment(), roots=roots, out=tmp_path, device="cpu", threads=1).run(minutes=0.0)
    for change in ({"model": "meso4", "stages": (Stage(256, 8, 4),)}, {"seed": 9}, {"crops": Crops(shift=0.2)}):
        with pytest.raises(CheckpointError, match="belongs to another experiment"):
            Trainer(experiment(**change), roots=roots, out=tmp_path, device="cpu", threads=1)
    asked_otherwise = replace(experiment(), question="what else?", validation=Validation(every_images=8))
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


def test_precision_is_asked_for_or_the_machines(experiment: Callable[..., Experiment]) -> None:
    cpu = torch.device("cpu")
    assert computes_in_bf16("bf16", cpu)
    assert not computes_in_bf16("fp32", cpu)
    assert computes_in_bf16("auto", cpu) == torch.cpu._is_avx512_bf16_supported()


def test_a_loss_that_is_no_number_stops_before_the_checkpoint(
    roots: list[Path], experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    plan = experiment(optimizer=Optimizer(lr=1e30, warmup_images=0, clip_norm=1e30))
    trainer = Trainer(plan, roots=roots, out=tmp_path, device="cpu", threads=1)
    with pytest.raises(ExperimentError, match=r"tiny: the loss is no number after \d+ images: lower optimizer\.lr"):
        trainer.run()
    assert not (tmp_path / NEWEST).exists()


def test_a_damaged_crop_stops_the_training_and_is_named(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    from face_shards import pair_rows, write_faces

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


def test_progress_counts_work_not_rest() -> None:
    assert Progress().seconds == 0.0
