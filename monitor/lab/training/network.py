"""The network that an experiment starts from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from monitor.classifiers import architecture
from monitor.classifiers.weights import read_weights
from monitor.errors import ExperimentError

if TYPE_CHECKING:
    from monitor.lab.training.experiment import Experiment

_WEIGHTS = 3  # purpose of random numbers


def initial_network(experiment: Experiment) -> torch.nn.Module:
    """The body that an experiment starts from, on the CPU, in train mode; of a frozen one the mask head alone.

    Raises:
        UsageError: the model is unknown.
        ExperimentError: a size or an initialisation does not fit it, or a frozen one has no card.
        ModelError: the initialisation cannot be had.
    """
    model = architecture(experiment.model)
    for stage in experiment.stages:
        if stage.size not in model.INPUT_SIZES:
            msg = f"{experiment.model} does not take crops of {stage.size} pixels (stages.size)"
            raise ExperimentError(msg)
    with torch.random.fork_rng():
        torch.manual_seed(experiment.seed * 10 + _WEIGHTS)
        network = model.body(dropout=experiment.dropout)
        if experiment.mask_head > 0:
            _add_mask_head(network, experiment)
    if experiment.init:
        _initialise(network, experiment)
    network.train()
    if experiment.batch_norm == "frozen":
        _freeze_batch_norm(network)
    if experiment.frozen_stages > 0:
        _freeze_stages(network, experiment)
    if experiment.frozen:
        _freeze(network, experiment)
    return network


def _freeze_batch_norm(network: torch.nn.Module) -> None:
    """Keep the running statistics; on small batches of a new domain their estimates would only add noise."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()


def _freeze_stages(network: torch.nn.Module, experiment: Experiment) -> None:
    layers = dict(network.named_children())
    stages = layers.get("blocks")
    if "conv_stem" not in layers or not isinstance(stages, torch.nn.Sequential):
        msg = f"frozen_stages needs an EfficientNet-Lite, the experiment trains {experiment.model}"
        raise ExperimentError(msg)
    if experiment.frozen_stages > len(stages):
        msg = f"frozen_stages must be from 0 to {len(stages)} for {experiment.model}"
        raise ExperimentError(msg)
    for part in [layers["conv_stem"], layers["bn1"], *list(stages)[: experiment.frozen_stages]]:
        part.requires_grad_(requires_grad=False)


def _add_mask_head(network: torch.nn.Module, experiment: Experiment) -> None:
    from monitor.classifiers.architectures.mask_head import MaskHead

    if experiment.model != "inception_resnet_v1":
        msg = f"mask_head needs inception_resnet_v1, the experiment trains {experiment.model}"
        raise ExperimentError(msg)
    network.add_module("mask_head", MaskHead())


def _freeze(network: torch.nn.Module, experiment: Experiment) -> None:
    card = Path(experiment.init).with_suffix(".json")
    if not card.is_file():
        msg = f"frozen keeps the classifier of {experiment.init} and its model card: {card} is missing"
        raise ExperimentError(msg)
    network.eval().requires_grad_(requires_grad=False)
    network.get_submodule("mask_head").train().requires_grad_(requires_grad=True)


def _initialise(network: torch.nn.Module, experiment: Experiment) -> None:
    if experiment.init == "imagenet":
        from monitor.classifiers.architectures.efficientnet_lite import EfficientNetLite

        known = architecture(experiment.model)
        if not isinstance(known, EfficientNetLite):
            msg = f"init = 'imagenet' needs efficientnet_lite0, 1 or 2, the experiment trains {experiment.model}"
            raise ExperimentError(msg)
        state = known.imagenet_state()
    elif experiment.init == "vggface2":
        from monitor.classifiers.architectures.inception_resnet_v1 import vggface2_state

        if experiment.model != "inception_resnet_v1":
            msg = f"init = 'vggface2' needs inception_resnet_v1, the experiment trains {experiment.model}"
            raise ExperimentError(msg)
        state = vggface2_state()
    else:
        state = read_weights(Path(experiment.init), architecture=experiment.model)
    if experiment.frozen:
        state = {name: value for name, value in state.items() if not name.startswith("mask_head.")}
    try:
        lacking, surplus = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        msg = f"init = {experiment.init!r} does not fit {experiment.model}: {str(error).splitlines()[-1].strip()}"
        raise ExperimentError(msg) from error
    lacking = [name for name in lacking if not name.startswith(("logits.", "mask_head."))]
    if lacking or surplus:
        msg = f"init = {experiment.init!r} does not fit {experiment.model}: {(lacking + surplus)[0]} does not match"
        raise ExperimentError(msg)
