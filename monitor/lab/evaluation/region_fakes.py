"""Fakes with a known manipulated area: real crops, self-blended inside one region of the face.

The regions are mouth, eye band, left half and right half, so that a map which is always high in the centre does not
score well. Images are float32 (N, 3, S, S) in [0, 1], RGB, cut by the crop policy of the classifier's card.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from monitor.classifiers import Classifier
from monitor.classifiers.crops import cut_squares
from monitor.errors import DatasetError
from monitor.lab.datasets.faceset import FaceSet
from monitor.lab.fakes.blends import self_blended
from monitor.lab.fakes.hulls import region_masks

REGIONS: Final = ("mouth", "eyes", "left_half", "right_half")
OPPOSITE: Final = {"mouth": "eyes", "eyes": "mouth", "left_half": "right_half", "right_half": "left_half"}
LEAST_CHANGE = 0.005  # mean absolute difference inside the mask; pairs with less are dropped
_LEAST_COVER = 0.5  # share of its region that a fake's mask must cover
_DRAWS = 8  # attempts per fake to cover and change its region
_PURPOSES = ("crops", "fakes", "maps", "order", "shuffles")  # independent random streams
_LEAST_MASK = 0.1  # blend weights above this share of the mask's peak count as manipulated


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Real crops with the fakes made from them."""

    reals: Tensor  # (N, 3, S, S)
    fakes: Tensor  # (N, 3, S, S), equal to ``reals`` outside the masks
    masks: Tensor  # (N, S, S) 1 where manipulated, else 0
    opposites: Tensor  # (N, S, S) 1 in the opposite region outside the mask
    regions: tuple[str, ...]  # (N,) of REGIONS
    groups: NDArray[np.int64]  # (N,) number of the real crop's group

    def __len__(self) -> int:
        return len(self.reals)

    def __getitem__(self, rows: NDArray[np.intp]) -> "Pairs":
        """A selection of the pairs."""
        chosen = torch.from_numpy(rows)
        return Pairs(
            reals=self.reals[chosen],
            fakes=self.fakes[chosen],
            masks=self.masks[chosen],
            opposites=self.opposites[chosen],
            regions=tuple(self.regions[row] for row in rows.tolist()),
            groups=self.groups[rows],
        )


def make_pairs(faces: FaceSet, classifier: Classifier, *, limit: int, seed: int = 0) -> Pairs:
    """Self-blended fakes of up to ``limit`` real crops; regions take turns.

    Raises:
        DatasetError: the set has no usable real crop.
    """
    rows = [row for row, face in enumerate(faces.rows) if not face.label]
    rows = sorted(np.random.default_rng(stream("crops", seed)).permutation(rows)[:limit].tolist())
    if not rows:
        raise DatasetError(f"{faces.folder} has no real crop, and the fakes of this check are made from real ones")
    reals, landmarks = _cropped(faces, rows, classifier=classifier)
    regions = np.array(REGIONS)[np.arange(len(rows)) % len(REGIONS)]
    fields = region_masks(landmarks, size=classifier.input_size, regions=REGIONS)
    opposed = [OPPOSITE[region] for region in regions.tolist()]
    allowed, opposite = (
        torch.stack([fields[name][row] for row, name in enumerate(chosen)]) for chosen in (regions.tolist(), opposed)
    )
    generator = torch.Generator().manual_seed(stream("fakes", seed))
    fakes, masks = _blended_inside(reals, landmarks, allowed=allowed, generator=generator)
    kept = torch.nonzero(masks.amax((1, 2))).flatten()
    if not len(kept):
        raise DatasetError(
            f"no fake that differs from its original could be made from {len(rows)} real crops of {faces.folder}"
        )
    names = [faces.rows[rows[row]].group for row in kept.tolist()]
    return Pairs(
        reals=reals[kept],
        fakes=fakes[kept],
        masks=masks[kept],
        opposites=opposite[kept, 0] * (1 - masks[kept]),
        regions=tuple(str(regions[row]) for row in kept.tolist()),
        groups=np.unique(names, return_inverse=True)[1].astype(np.int64),
    )


def stream(purpose: str, seed: int, *, number: int = 0) -> int:
    """The 64-bit seed of one purpose (``_PURPOSES``), independent of the others."""
    sequence = np.random.SeedSequence(seed, spawn_key=(_PURPOSES.index(purpose), number))
    return int(sequence.generate_state(1, np.uint64)[0])


def to_images(pixels: NDArray[np.uint8]) -> Tensor:
    """Pictures (N, S, S, 3) uint8 as (N, 3, S, S) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).float() / 255


def _cropped(faces: FaceSet, rows: list[int], *, classifier: Classifier) -> tuple[Tensor, Tensor]:
    """Images (N, 3, S, S), cut by the card's policy, and their landmarks (N, 5, 2)."""
    size, policy = classifier.input_size, classifier.card.crop
    images, landmarks = [], []
    for row in rows:
        pixels = faces.pixels(row)
        (square,) = faces.square(
            pixels.shape[0],
            side=policy.side_over_box_height,
            centre=policy.centre_below_box_centre_over_box_height,
        )
        points = faces.landmarks(row, side=pixels.shape[0])
        images.append(cut_squares(pixels, square[None], size=size)[0])
        landmarks.append((points - square[:2]) * (size / (square[2] - square[0])))
    return to_images(np.stack(images)), torch.from_numpy(np.stack(landmarks).astype(np.float32))


def _softened(masks: Tensor) -> Tensor:
    """Masks with soft edges, a twentieth of the side wide, so that no visible seam gives the fake away."""
    width = masks.shape[-1] // 20 * 2 + 1
    padded = functional.pad(masks, (width // 2,) * 4, "replicate")
    return functional.avg_pool2d(padded, width, stride=1)


def _blended_inside(
    reals: Tensor, landmarks: Tensor, *, allowed: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Self-blended fakes that differ only in or next to ``allowed`` (N, 1, S, S), and their masks (N, S, S) of 0 and 1.

    The drawn hull must cover half of the region and change it. The first of several draws that does so is used;
    if none does, the mask stays empty.
    """
    fakes, masks = reals.clone(), torch.zeros(allowed.shape)
    soft = _softened(allowed)
    for _ in range(_DRAWS):
        blended = self_blended(reals, landmarks, generator=generator)
        images = reals + soft * (blended.images - reals)
        weight = blended.masks * soft
        mask = (weight > _LEAST_MASK * weight.amax((2, 3), keepdim=True)).float()
        covered = (mask * allowed).sum((1, 2, 3)) / allowed.sum((1, 2, 3)).clamp_min(1)
        change = ((images - reals).abs().mean(1, keepdim=True) * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp_min(1)
        good = (covered >= _LEAST_COVER) & (change >= LEAST_CHANGE) & (masks.amax((1, 2, 3)) == 0)
        fakes[good], masks[good] = images[good], mask[good]
    return fakes, masks.squeeze(1)
