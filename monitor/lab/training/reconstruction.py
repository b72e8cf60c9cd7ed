"""Trains the autoencoders of pseudo-fakes to re-make genuine faces."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from monitor.classifiers.architectures.efficientnet_lite import LITE0
from monitor.errors import ExperimentError
from monitor.lab.fakes.autoencoders import UPSAMPLINGS, Autoencoder, Autoencoders
from monitor.lab.fakes.jitter import Jitter, draw_squares, recrop
from monitor.lab.training.batches import generator
from monitor.lab.training.experiment import Data
from monitor.lab.training.pairs import STORED_SIZE, PairBatch, PairLoader, open_streams

SIZE: Final = 128  # pixels a side of a crop
PATCH: Final = 64  # pixels a side of the part of it that is learned: the networks are fully convolutional
BATCH: Final = 16
SAVE_SECONDS: Final = 300.0

_JITTER = Jitter(scale=(0.75, 1.3), shift=0.08, centre=0.06)
_RATE, _WARMUP = 1e-3, 100  # AdamW's rate; steps
_EDGES, _FEATURES = 1.0, 0.05  # weights of the losses beside the mean absolute difference of pixels
_FEATURE_STAGES = 2  # of EfficientNet-Lite0: 1/4 of the picture's side

OnStep = Callable[[int, float], bool]


class FeatureLoss(nn.Module):
    """Mean absolute difference of features of ImageNet's EfficientNet-Lite0 (Johnson et al., ECCV 2016).

    Pixel losses alone blur what they cannot predict.

    Raises:
        ModelError: the package of the ImageNet weights is not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        body = LITE0.body()
        body.load_state_dict(LITE0.imagenet_state())
        layers = dict(body.named_children())
        stages = list(layers["blocks"].children())[:_FEATURE_STAGES]
        self.trunk = (
            nn.Sequential(layers["conv_stem"], layers["bn1"], *stages).eval().requires_grad_(requires_grad=False)
        )

    def forward(self, made: Tensor, wanted: Tensor) -> Tensor:
        """Pictures (N, 3, S, S) in [0, 1] -> mean absolute difference, a scalar."""
        with torch.no_grad():
            target = self.trunk((wanted * 255 - 127) / 128)
        return l1_loss(self.trunk((made * 255 - 127) / 128), target)


def train_autoencoders(
    sets: Sequence[str],
    *,
    roots: Sequence[Path],
    out: Path,
    images: int,
    threads: int | None = None,
    seed: int = 1,
    on_step: OnStep = lambda _images, _loss: True,
) -> Autoencoders:
    """Train one autoencoder for each way of upsampling on the genuine faces of the sets' split "train".

    Args:
        sets: names of the folders with face crops; all get the same share.
        roots: folders that hold the sets.
        out: the safetensors file to write, every five minutes and at the end.
        images: seen by each autoencoder.
        threads: of torch; default: all.
        seed: of weights and draws.
        on_step: called after each step with the images seen and the mean loss; returning False stops.

    Raises:
        DatasetError: a set is missing or damaged, or has no real face.
        ExperimentError: fewer images than one batch.
        ModelError: the ImageNet weights are missing.
    """
    if images < BATCH:
        raise ExperimentError(f"autoencoders are trained on {BATCH} images or more, got {images}")
    if threads:
        torch.set_num_threads(threads)
    streams = open_streams([Data(name, pseudo_fakes=1.0) for name in sets], roots=roots, seed=seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        networks = {name: Autoencoder(name).to(memory_format=torch.channels_last) for name in UPSAMPLINGS}  # type: ignore[call-overload]
    features = FeatureLoss().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW([one for network in networks.values() for one in network.parameters()], lr=_RATE)
    steps = images // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _RATE, total_steps=steps + 1, pct_start=min(0.3, _WARMUP / steps)
    )
    loader = PairLoader(streams)
    saved = time.monotonic()
    try:
        for step, pairs in enumerate(loader.batches((number * BATCH, BATCH) for number in range(steps))):
            loss = _step(networks, _patches(pairs, seed=(seed, step)), features, optimizer)
            schedule.step()
            if time.monotonic() - saved > SAVE_SECONDS:
                Autoencoders(networks).save(out)
                saved = time.monotonic()
            if not on_step((step + 1) * BATCH, loss):
                break
    finally:
        loader.close()
    trained = Autoencoders(networks)
    trained.save(out)
    return trained


def _step(
    networks: dict[str, Autoencoder], pictures: Tensor, features: FeatureLoss, optimizer: torch.optim.Optimizer
) -> float:
    """One step of all networks on the same pictures; their mean loss."""
    optimizer.zero_grad(set_to_none=True)
    total = torch.zeros(())
    for network in networks.values():
        made = network(pictures)
        loss = l1_loss(made, pictures) + _FEATURES * features(made, pictures)
        loss = loss + _EDGES * (
            l1_loss(made.diff(dim=2), pictures.diff(dim=2)) + l1_loss(made.diff(dim=3), pictures.diff(dim=3))
        )
        loss.backward()
        total += loss.detach()
    optimizer.step()
    return float(total) / len(networks)


@torch.no_grad()
def _patches(pairs: PairBatch, *, seed: tuple[int, ...]) -> Tensor:
    """Parts (P, 3, PATCH, PATCH) of random crops of the genuine faces, in [0, 1]; half of them mirrored."""
    rng = generator(pairs.real.device, *seed)
    squares = draw_squares(pairs.side, pairs.centre, stored=STORED_SIZE, jitter=_JITTER, generator=rng)
    corners = torch.rand(len(squares), 2, generator=rng, device=rng.device)
    sides = squares[:, 2:] - squares[:, :2]
    starts = squares[:, :2] + corners * sides * (1 - PATCH / SIZE)
    patches = recrop(pairs.real, torch.cat((starts, starts + sides * (PATCH / SIZE)), dim=1), size=PATCH)
    mirrored = torch.rand(len(patches), generator=rng, device=rng.device) < 0.5
    patches[mirrored] = patches[mirrored].flip(3)
    return patches.contiguous(memory_format=torch.channels_last)
