"""Small autoencoders that re-make a face, for pseudo-fakes with the traces of real decoders.

Face swaps and talking heads draw a face with a decoder, and its upsampling leaves traces: pixel shuffle, transposed
convolution, or nearest neighbour and convolution (Odena et al., "Deconvolution and Checkerboard Artifacts", 2016).
There is one autoencoder for each way. All are fully convolutional, so they work at any size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from monitor.errors import ExperimentError
from monitor.system.files import write_whole

UPSAMPLINGS: Final = ("pixel_shuffle", "transposed", "nearest")
MULTIPLE: Final = 8  # the side of a picture must be divisible by it

_WIDTHS = (16, 32, 64, 96)  # channels at full size, 1/2, 1/4, 1/8
_BOTTLENECKS = {"pixel_shuffle": (3, 32), "transposed": (3, 48), "nearest": (2, 8)}  # halvings, channels
_SMALLEST = 0.55  # of the picture's side: the resolution at which a face may be made
_SHARPENED = 0.5  # share of the groups that are sharpened afterwards


class Autoencoder(nn.Module):
    """Pictures (N, 3, S, S) in [0, 1] through a narrow map of features and back; S is a multiple of ``MULTIPLE``.

    Args:
        upsampling: of ``UPSAMPLINGS``; each has its own bottleneck.
    """

    def __init__(self, upsampling: str) -> None:
        super().__init__()
        halvings, narrow = _BOTTLENECKS[upsampling]
        widths = _WIDTHS[: halvings + 1]
        down: list[nn.Module] = [nn.Conv2d(3, widths[0], 3, padding=1), nn.LeakyReLU(0.1)]
        for wide, wider in pairwise(widths):
            down += [nn.Conv2d(wide, wider, 3, stride=2, padding=1), nn.LeakyReLU(0.1)]
        up: list[nn.Module] = [nn.Conv2d(narrow, widths[-1], 3, padding=1), nn.LeakyReLU(0.1)]
        for wider, wide in pairwise(reversed(widths)):
            up += [*_doubling(upsampling, wider, wide), nn.LeakyReLU(0.1)]
        self.encoder = nn.Sequential(*down, nn.Conv2d(widths[-1], narrow, 3, padding=1))
        self.decoder = nn.Sequential(*up, nn.Conv2d(widths[0], 3, 3, padding=1))

    def forward(self, pictures: Tensor) -> Tensor:
        """The pictures, re-made; not limited to [0, 1]."""
        made: Tensor = self.decoder(self.encoder(pictures - 0.5)) + 0.5
        return made


def _doubling(upsampling: str, wider: int, wide: int) -> list[nn.Module]:
    if upsampling == "pixel_shuffle":
        return [nn.Conv2d(wider, 4 * wide, 3, padding=1), nn.PixelShuffle(2)]
    if upsampling == "transposed":
        return [nn.ConvTranspose2d(wider, wide, 4, stride=2, padding=1)]
    return [nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(wider, wide, 3, padding=1)]


@dataclass(frozen=True, slots=True)
class Autoencoders:
    """One trained autoencoder for each way of upsampling."""

    networks: Mapping[str, Autoencoder]  # by upsampling, in eval mode

    @classmethod
    def load(cls, path: Path, *, device: torch.device) -> "Autoencoders":
        """The autoencoders that ``lab autoencoders`` wrote.

        Raises:
            ExperimentError: the file is missing or holds something else.
        """
        try:
            stored = load_file(path)
            networks = {name: Autoencoder(name) for name in UPSAMPLINGS}
            nn.ModuleDict(networks).load_state_dict(stored)
        except (OSError, safetensors.SafetensorError, RuntimeError) as error:
            why = str(error).splitlines()[0]
            raise ExperimentError(
                f"{path} holds no autoencoders ({why}): train them with deepfake-monitor lab autoencoders"
            ) from None
        return cls(
            {name: network.to(device).eval().requires_grad_(requires_grad=False) for name, network in networks.items()}
        )

    @classmethod
    def named_by(cls, path: str, *, device: torch.device) -> "Autoencoders | None":
        """Those in the file that an experiment names; None if it names none."""
        return cls.load(Path(path), device=device) if path else None

    def save(self, path: Path) -> None:
        """Write the weights to a safetensors file, whole or not at all."""
        state = nn.ModuleDict(self.networks).state_dict()
        write_whole(path, save({name: value.cpu().contiguous() for name, value in state.items()}))

    @torch.no_grad()
    def remade(self, pictures: Tensor, *, generator: torch.Generator) -> Tensor:
        """Every picture, re-made by a random autoencoder at a random resolution, then sharpened or not.

        The pictures of one autoencoder share resolution and sharpening.

        Args:
            pictures: (N, 3, S, S) float32 RGB in [0, 1].
            generator: on the pictures' device.

        Returns:
            (N, 3, S, S) in [0, 1].
        """
        size = pictures.shape[-1]
        device = pictures.device
        drawn = torch.randint(len(self.networks), (len(pictures),), generator=generator, device=device)
        draws = torch.rand(len(self.networks), 3, generator=generator, device=device)
        made = torch.empty_like(pictures)
        for number, network in enumerate(self.networks.values()):
            rows = torch.nonzero(drawn == number)[:, 0]
            if not len(rows):
                continue
            resolution, chance, amount = draws[number].tolist()
            side = MULTIPLE * max(1, round(size * (_SMALLEST + (1 - _SMALLEST) * resolution) / MULTIPLE))
            remade = network(_resized(pictures[rows], side))
            if chance < _SHARPENED:
                remade = remade + (0.3 + 0.9 * amount) * (remade - functional.avg_pool2d(remade, 3, 1, 1))
            made[rows] = _resized(remade, size)
        return made.clamp(0, 1)


def _resized(pictures: Tensor, side: int) -> Tensor:
    if pictures.shape[-1] == side:
        return pictures
    return functional.interpolate(pictures, (side, side), mode="bicubic", antialias=True, align_corners=False)
