"""The initial network of an experiment."""

from pathlib import Path

import torch

from monitor.classifiers import architecture
from monitor.classifiers.weights import read_weights
from monitor.errors import ExperimentError
from monitor.lab.training.experiment import Experiment

_WEIGHTS = 3  # purpose of random numbers


def initial_network(experiment: Experiment) -> torch.nn.Module:
    """The initial network body of an experiment, on the CPU, in train mode.

    Raises:
        UsageError: the model is unknown.
        ExperimentError: a size or an initialisation does not fit it.
        ModelError: the initial weights are not available.
    """
    model = architecture(experiment.model)
    for stage in experiment.stages:
        if stage.size not in model.INPUT_SIZES:
            raise ExperimentError(f"{experiment.model} does not take crops of {stage.size} pixels (stages.size)")
    with torch.random.fork_rng():
        torch.manual_seed(experiment.seed * 10 + _WEIGHTS)
        network = model.body(dropout=experiment.dropout)
    if experiment.init:
        _initialise(network, experiment)
    network.train()
    if experiment.batch_norm == "frozen":
        _freeze_batch_norm(network)
    if experiment.frozen_stages > 0:
        _freeze_stages(network, experiment)
    return network


def _freeze_batch_norm(network: torch.nn.Module) -> None:
    """Keep the running statistics; small batches would give noisy estimates."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()


def _freeze_stages(network: torch.nn.Module, experiment: Experiment) -> None:
    layers = dict(network.named_children())
    stages = layers.get("blocks")
    if "conv_stem" not in layers or not isinstance(stages, torch.nn.Sequential):
        raise ExperimentError(f"frozen_stages needs an EfficientNet-Lite, the experiment trains {experiment.model}")
    if experiment.frozen_stages > len(stages):
        raise ExperimentError(f"frozen_stages must be from 0 to {len(stages)} for {experiment.model}")
    for part in [layers["conv_stem"], layers["bn1"], *list(stages)[: experiment.frozen_stages]]:
        part.requires_grad_(requires_grad=False)


def _initialise(network: torch.nn.Module, experiment: Experiment) -> None:
    if experiment.init == "imagenet":
        from monitor.classifiers.architectures.efficientnet_lite import EfficientNetLite

        known = architecture(experiment.model)
        if not isinstance(known, EfficientNetLite):
            raise ExperimentError(
                f"init = 'imagenet' needs efficientnet_lite0, 1 or 2, the experiment trains {experiment.model}"
            )
        state = known.imagenet_state()
    elif experiment.init == "vggface2":
        from monitor.classifiers.architectures.inception_resnet_v1 import vggface2_state

        if experiment.model != "inception_resnet_v1":
            raise ExperimentError(
                f"init = 'vggface2' needs inception_resnet_v1, the experiment trains {experiment.model}"
            )
        state = vggface2_state()
    else:
        state = read_weights(Path(experiment.init), architecture=experiment.model)
    try:
        lacking, surplus = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ExperimentError(
            f"init = {experiment.init!r} does not fit {experiment.model}: {str(error).splitlines()[-1].strip()}"
        ) from error
    lacking = [name for name in lacking if not name.startswith("logits.")]
    if lacking or surplus:
        raise ExperimentError(
            f"init = {experiment.init!r} does not fit {experiment.model}: {(lacking + surplus)[0]} does not match"
        )
