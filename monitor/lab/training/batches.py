"""Turns stored pairs into batches: crops, pseudo-fakes and degradations, on any device.

A batch is a pure function of the step. Both halves of a pair get the same square, mirroring, covering and degradation,
so that they differ in the manipulation alone.
"""

from dataclasses import asdict, dataclass

import torch

from monitor.lab.fakes.autoencoders import Autoencoders
from monitor.lab.fakes.blends import pseudo_fakes
from monitor.lab.fakes.coverings import Covering
from monitor.lab.fakes.degradations import Degradation, flip
from monitor.lab.fakes.jitter import Jitter, draw_squares, recrop, recrop_landmarks
from monitor.lab.training.experiment import Experiment
from monitor.lab.training.pairs import STORED_SIZE, PairBatch


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """2 P pictures, the real halves first."""

    images: torch.Tensor  # (2 P, 3, S, S) float32, normalised for the network
    labels: torch.Tensor  # (2 P,) float32, 1 = fake


def generator(device: torch.device, *seed: int) -> torch.Generator:
    """A generator seeded by all numbers of ``seed``; its draws do not depend on the order of calls."""
    mixed = 0x9E3779B97F4A7C15
    for number in seed:
        mixed = (mixed ^ (number + 0x7F4A7C15)) * 0xBF58476D1CE4E5B9 % 2**64
        mixed ^= mixed >> 31
    return torch.Generator(device).manual_seed(mixed % 2**63)


@torch.no_grad()
def augmented(
    pairs: PairBatch,
    experiment: Experiment,
    *,
    size: int,
    seed: tuple[int, ...],
    autoencoders: Autoencoders | None = None,
) -> Batch:
    """The network's input for these pairs.

    Args:
        pairs: on the device used for the computation.
        experiment: crops, kinds of pseudo-fakes, coverings, strength of degradation, normalisation.
        size: S, pixels.
        seed: of all random draws.
        autoencoders: of the neural pseudo-fakes.
    """
    device, count = pairs.real.device, len(pairs.pseudo)
    rng = generator(device, *seed)
    crops = experiment.crops
    jitter = Jitter(scale=crops.scale, shift=crops.shift, centre=crops.centre)
    squares = draw_squares(pairs.side, pairs.centre, stored=STORED_SIZE, jitter=jitter, generator=rng)
    real, fake = (recrop(half, squares, size=size) for half in (pairs.real, pairs.fake))
    landmarks = recrop_landmarks(pairs.landmarks, squares, size=size)
    mirrored = torch.rand(count, generator=rng, device=device) < 0.5
    fake, _ = flip(fake, landmarks, rows=mirrored)
    real, landmarks = flip(real, landmarks, rows=mirrored)
    made = pairs.pseudo.nonzero().squeeze(1)
    if len(made):
        shares = asdict(experiment.fakes)
        blended = pseudo_fakes(real, landmarks, generator=rng, shares=shares, rows=made, autoencoders=autoencoders)
        fake[made] = blended.images
    if experiment.covered > 0 or experiment.grey > 0:
        covering = Covering.draw(landmarks, size=size, generator=rng, covered=experiment.covered, grey=experiment.grey)
        real, fake = covering.apply(real), covering.apply(fake)
    if experiment.degradation > 0:
        degradation = Degradation.draw(count, size=size, generator=rng, strength=experiment.degradation)
        real, fake = degradation.apply(real), degradation.apply(fake)
    return Batch(
        images=normalised(torch.cat((real, fake)), experiment),
        labels=torch.cat((torch.zeros(count, device=device), torch.ones(count, device=device))),
    )


def normalised(images: torch.Tensor, experiment: Experiment) -> torch.Tensor:
    """Pictures (N, 3, S, S) in [0, 1], rounded to bytes like crops of the live path, then normalised.

    Without rounding, fine detail would separate computed pictures from stored ones.
    """
    mean, std = experiment.normalisation
    return ((images * 255).round() - mean) / std
