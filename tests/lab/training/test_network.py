from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from monitor.errors import ExperimentError, ModelCardError, UsageError
from monitor.lab.training.experiment import Experiment, Stage
from monitor.lab.training.network import initial_network
from monitor.models.weights import export_weights


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_the_weights_at_the_start_are_those_of_the_seed(experiment: Callable[..., Experiment]) -> None:
    one, again, other = (initial_network(experiment(seed=seed)).state_dict() for seed in (1, 1, 2))
    assert same(one, again)
    assert not same(one, other)


def test_it_starts_from_given_weights(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    start = initial_network(experiment(seed=5)).state_dict()
    export_weights(start, tmp_path / "start.safetensors", dtype="float32")
    network = initial_network(experiment(init=str(tmp_path / "start.safetensors")))
    assert same(network.state_dict(), start)


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


def test_a_frozen_classifier_keeps_its_weights_and_gets_a_new_mask_head(
    experiment: Callable[..., Experiment], tmp_path: Path
) -> None:
    path = tmp_path / "start.safetensors"
    plain = {"model": "inception_resnet_v1", "mask_head": 1.0, "stages": (Stage(75, 8, 4),)}
    start = initial_network(experiment(seed=5, **plain)).state_dict()
    export_weights(start | {"mask_head.of_another_kind": torch.zeros(1)}, path, dtype="float32")
    plan = experiment(frozen=True, init=str(path), **plain)
    with pytest.raises(ExperimentError, match=r"and its model card: .*start\.json is missing"):
        initial_network(plan)
    path.with_suffix(".json").write_text("{}")
    network = initial_network(plan)
    for name, value in network.state_dict().items():
        if not name.startswith("mask_head."):
            assert torch.equal(value, start[name]), name
    assert not torch.equal(network.mask_head.squeeze.weight, start["mask_head.squeeze.weight"])
    learning = {name.split(".")[0] for name, value in network.named_parameters() if value.requires_grad}
    assert learning == {"mask_head"}
    assert {name for name, module in network.named_children() if module.training} == {"mask_head"}


def test_weights_of_another_architecture_are_no_start(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    export_weights({"head.weight": torch.zeros(1, 192)}, tmp_path / "other.safetensors")
    with pytest.raises(ExperimentError, match="does not fit vit"):
        initial_network(experiment(init=str(tmp_path / "other.safetensors")))
