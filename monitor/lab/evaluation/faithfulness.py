"""Faithfulness of the evidence map, measured on fakes with a known manipulated area.

Fakes are self-blended from real crops inside one region of the face (mouth, eye band, one half). So a map that is
always high in the centre does not score well. Four tests:

- *Energy*: the share of the map's positive part inside the mask, divided by the mask's share of the crop
  (1 = uniform). Baselines are a centred Gaussian, edges and noise. Faces are centred, which favours the Gaussian.
  *Contrast* does not: it is the map's mean in the mask, divided by the sum of that and its mean in the opposite
  region (mouth and eyes, left and right half; 0.5 = no difference).
- *Deletion* (Petsiuk et al., BMVC 2018, with the paired real crop in place of grey): cells of the fake are replaced
  by the real crop's, in order of decreasing evidence. The logit must fall sooner than in random or centre order.
- *Randomisation* (Adebayo et al., NeurIPS 2018): the map must no longer resemble the trained one after the
  parameters are shuffled, from the head downwards. Padding gives all maps of a network a common pattern, even with
  random weights; a map's *own part* is its difference from the mean over all crops.
- *Stability*: the cells must keep their order under JPEG at quality 70 and a shift by one pixel.

Images are float32 (N, 3, S, S) in [0, 1], RGB; maps (N, S, S) or (N, h, w), logit units, positive = fake.
"""

import copy
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import ConstantInputWarning, spearmanr
from torch import Tensor
from torch.nn import functional

from monitor.classifiers import Classifier
from monitor.errors import UsageError
from monitor.lab.evaluation.bootstrap import Estimate, estimate
from monitor.lab.evaluation.region_fakes import REGIONS, Pairs, stream, to_images
from monitor.system import jpeg
from monitor.types import Floats

STEPS: Final = 16  # of a deletion curve
GRID: Final = 8  # cells per side in deletion
RANDOMISED: Final = (0.05, 0.25, 0.5, 1.0)  # share of the parameter tensors shuffled, from the head down
SHUFFLES: Final = 8  # per share; the intervals resample them
LEAST_CELLS = 4  # a smaller map cannot locate anything
_BATCH = 32
_SHUFFLED_PAIRS = 32  # pairs compared after shuffling, at most
_JPEG_QUALITY = 70


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """Logits and maps of N crops."""

    logits: Floats  # (N,)
    maps: Tensor  # (N, h, w) evidence


@dataclass(frozen=True, slots=True, eq=False)
class Faithfulness:
    """Results of the four tests, with 95 % intervals over groups (randomisation: over shuffles)."""

    pairs: int
    noticed: int  # pairs whose fake has the higher logit; deletion uses these
    cells: tuple[int, int]  # of the evidence map
    energy: Mapping[str, Mapping[str, Estimate]]  # region or "all" -> map -> ratio
    contrast: Mapping[str, Estimate]  # map -> mean in the mask / (that + mean in the opposite region)
    no_energy: int  # fakes without any positive evidence, left out of its ratio
    deletion: Mapping[str, Estimate]  # order -> mean excess logit over the real crop; "random - evidence": gain
    curves: Mapping[str, Floats]  # order -> (STEPS + 1,) mean excess logit over the real crop
    randomisation: Mapping[str, Estimate]  # "5 %" shuffled, "5 %, own part" -> rank correlation with the trained map
    stability: Mapping[str, Estimate]  # disturbance -> rank correlation


class Explainer:
    """A classifier's network with its evidence map, on the CPU.

    Raises:
        UsageError: its map has fewer than ``LEAST_CELLS`` cells.
    """

    def __init__(self, classifier: Classifier, *, module: torch.nn.Module | None = None) -> None:
        self.size = classifier.input_size
        self._classifier = classifier
        self._module = (module or classifier.network.build()).eval()
        self.cells = tuple(self(torch.zeros(1, 3, self.size, self.size)).maps.shape[1:])
        if math.prod(self.cells) < LEAST_CELLS:
            raise UsageError(
                f"the evidence map of {classifier.card.id} has {self.cells[0]} x {self.cells[1]} cells at "
                f"{self.size} px, which says nothing about where: use larger crops, --size 160 for example"
            )

    def __call__(self, images: Tensor) -> Explained:
        """Logits and maps of images (N, 3, S, S)."""
        form = self._classifier.card.input
        outputs: list[tuple[Tensor, ...]] = []
        with torch.inference_mode():
            outputs += [self._module((batch * 255 - form.mean) / form.std) for batch in torch.split(images, _BATCH)]
        logits, maps = (torch.cat(parts) for parts in zip(*outputs, strict=True))
        return Explained(logits=logits.numpy(), maps=maps)

    def shuffled(self, share: float, *, seed: int) -> "Explainer":
        """A copy with the last ``share`` of the parameter tensors shuffled, each within itself."""
        module = copy.deepcopy(self._module)
        tensors = list(module.parameters())
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for tensor in tensors[len(tensors) - math.ceil(share * len(tensors)) :]:
                tensor.copy_(tensor.flatten()[torch.randperm(tensor.numel(), generator=generator)].view_as(tensor))
        return Explainer(self._classifier, module=module)


def measure(explain: Explainer, pairs: Pairs, *, seed: int = 0) -> Faithfulness:
    """Run all four tests.

    Args:
        explain: the network.
        pairs: crops of its input size.
        seed: of random maps, orders and shuffles.
    """
    said, real = explain(pairs.fakes), explain(pairs.reals)
    maps = candidate_maps(said, pairs.fakes, seed=stream("maps", seed))
    ratios = {name: energy_ratio(values, pairs.masks) for name, values in maps.items()}
    noticed = np.flatnonzero(said.logits > real.logits)
    curves = _curves(explain, pairs, maps, rows=noticed, baseline=real.logits, seed=stream("order", seed))
    areas = {name: curve.mean(axis=1) for name, curve in curves.items()}
    gains = {f"{other} - evidence": areas[other] - areas["evidence"] for other in ("random", "centre")}
    alike = dict(_stability(explain, said, pairs.fakes))
    unlike = dict(_after_shuffling(explain, pairs, said.maps, seed=seed))
    contrasts = {name: contrast(values, pairs) for name, values in maps.items()}
    return Faithfulness(
        pairs=len(pairs),
        noticed=len(noticed),
        cells=(int(said.maps.shape[1]), int(said.maps.shape[2])),
        energy={"all": means(ratios, groups=pairs.groups)} | dict(_by_region(ratios, pairs)),
        contrast=means(contrasts, groups=pairs.groups),
        no_energy=int(np.isnan(ratios["evidence"]).sum()),
        deletion=means(areas | gains, groups=pairs.groups[noticed]),
        curves={name: curve.mean(axis=0) for name, curve in curves.items()} if len(noticed) else {},
        randomisation=means(unlike, groups=np.arange(SHUFFLES)),
        stability=means(alike, groups=pairs.groups),
    )


def candidate_maps(said: Explained, images: Tensor, *, seed: int) -> dict[str, Tensor]:
    """The evidence map's positive part and the baselines, each (N, S, S) >= 0.

    ``evidence`` is upsampled bilinearly; ``centre`` is a Gaussian of a quarter of the side, ``edges`` the gradient
    of the luma, ``random`` noise of the evidence map's resolution.
    """
    n, _, size, _ = images.shape
    generator = torch.Generator().manual_seed(seed)
    axis = (torch.arange(size) + 0.5) / size - 0.5
    bell = torch.exp(-(axis**2) / (2 * 0.25**2))
    luma = functional.pad((images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1), (1, 1, 1, 1), "reflect")
    across, down = luma[:, 1:-1, 2:] - luma[:, 1:-1, :-2], luma[:, 2:, 1:-1] - luma[:, :-2, 1:-1]
    return {
        "evidence": _upsampled(said.maps, size).clamp_min(0),
        "centre": (bell[:, None] * bell).expand(n, size, size),
        "edges": torch.hypot(across, down),
        "random": _upsampled(torch.rand(said.maps.shape, generator=generator), size),
    }


def energy_ratio(maps: Tensor, masks: Tensor) -> Floats:
    """(N,) share of each map's energy inside its mask, divided by the mask's share of the area; NaN for a zero map."""
    energy = maps.double()
    total = energy.sum((1, 2))
    inside = (energy * masks).sum((1, 2)) / total
    ratio = torch.where(total > 0, inside / masks.double().mean((1, 2)), torch.nan)
    return ratio.numpy().astype(np.float32)


def contrast(maps: Tensor, pairs: Pairs) -> Floats:
    """(N,) ``a / (a + b)`` of the map's means in the mask, a, and in the opposite region, b; NaN where both are 0."""
    inside, beside = (
        (maps.double() * area).sum((1, 2)) / area.sum((1, 2)).clamp_min(1) for area in (pairs.masks, pairs.opposites)
    )
    share = torch.where(inside + beside > 0, inside / (inside + beside), torch.nan)
    return share.numpy().astype(np.float32)


def rank_correlation(some: Tensor, others: Tensor) -> Floats:
    """(N,) Spearman's correlation between the cells of two maps (N, h, w); NaN where a map is constant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        found = [
            spearmanr(one, other).statistic
            for one, other in zip(some.flatten(1).numpy(), others.flatten(1).numpy(), strict=True)
        ]
    return np.array(found, np.float32)


def deletion_curve(explain: Explainer, pairs: Pairs, *, maps: Tensor) -> Floats:
    """(N, STEPS + 1) logits while cells of the fakes become the real ones, highest ``maps`` (N, S, S) first."""
    n, _, size, _ = pairs.fakes.shape
    worth = functional.adaptive_avg_pool2d(maps[:, None], GRID).flatten(1)
    place = worth.argsort(dim=1, descending=True, stable=True).argsort(dim=1).view(n, GRID, GRID)
    cell = (torch.arange(size) * GRID) // size
    place = place[:, cell][:, :, cell]
    logits = []
    for step in range(STEPS + 1):
        replaced = (place < GRID * GRID * step / STEPS)[:, None]
        logits.append(explain(torch.where(replaced, pairs.reals, pairs.fakes)).logits)
    return np.stack(logits, axis=1)


def means(values: Mapping[str, Floats], *, groups: NDArray[np.int64]) -> dict[str, Estimate]:
    """Mean of each column (N,) without its NaN, with 95 % intervals that resample groups (N,)."""
    columns = {name: np.asarray(column, np.float64) for name, column in values.items()}

    def statistics(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        found = {}
        for name, column in columns.items():
            there = np.isfinite(column)
            total = weights[:, there].sum(axis=1)
            summed = weights[:, there] @ column[there]
            found[name] = np.divide(summed, total, out=np.full(len(weights), np.nan), where=total > 0)
        return found

    return estimate(statistics, labels=np.zeros(len(groups), np.int64), groups=groups)


def _by_region(ratios: Mapping[str, Floats], pairs: Pairs) -> Iterator[tuple[str, dict[str, Estimate]]]:
    names = np.array(pairs.regions)
    for region in REGIONS:
        rows = names == region
        if rows.any():
            chosen = {name: ratio[rows] for name, ratio in ratios.items()}
            yield region, means(chosen, groups=pairs.groups[rows])


def _curves(
    explain: Explainer, pairs: Pairs, maps: Mapping[str, Tensor], *, rows: NDArray[np.intp], baseline: Floats, seed: int
) -> dict[str, Floats]:
    """Deletion curves (M, STEPS + 1) of the chosen pairs in each order, minus the real crop's logit."""
    orders = {name: maps[name][rows] for name in ("evidence", "centre")}
    noise = torch.rand((len(rows), GRID, GRID), generator=torch.Generator().manual_seed(seed))
    orders["random"] = noise.repeat_interleave(GRID, 1).repeat_interleave(GRID, 2)
    if not len(rows):
        return {name: np.zeros((0, STEPS + 1), np.float32) for name in orders}
    some = pairs[rows]
    return {name: deletion_curve(explain, some, maps=order) - baseline[rows, None] for name, order in orders.items()}


def _after_shuffling(explain: Explainer, pairs: Pairs, maps: Tensor, *, seed: int) -> Iterator[tuple[str, Floats]]:
    """(SHUFFLES,) mean rank correlations with the trained maps, for whole maps and for their own part.

    A shuffled network may resemble the trained one by chance, and does so in all pictures. So shuffles are the sample.
    """
    some = pairs.fakes[:_SHUFFLED_PAIRS]
    maps = maps[:_SHUFFLED_PAIRS]
    seeds = [stream("shuffles", seed, number=number) for number in range(SHUFFLES)]
    for share in RANDOMISED:
        shuffled = [explain.shuffled(share, seed=one)(some).maps for one in seeds]
        whole = [_mean(rank_correlation(maps, other)) for other in shuffled]
        own = [_mean(rank_correlation(maps - maps.mean(0), other - other.mean(0))) for other in shuffled]
        yield f"{share:.0%}", np.array(whole, np.float32)
        yield f"{share:.0%}, own part", np.array(own, np.float32)


def _stability(explain: Explainer, said: Explained, images: Tensor) -> Iterator[tuple[str, Floats]]:
    for name, disturbed in _disturbed(images):
        yield name, rank_correlation(said.maps, explain(disturbed).maps)


def _disturbed(images: Tensor) -> Iterator[tuple[str, Tensor]]:
    yield f"JPEG quality {_JPEG_QUALITY}", _compressed(images)
    yield "shift by one pixel", functional.pad(images, (1, 0, 1, 0), "replicate")[:, :, :-1, :-1]


def _compressed(images: Tensor) -> Tensor:
    pictures = (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return to_images(np.stack([jpeg.decode(jpeg.encode(one, quality=_JPEG_QUALITY)) for one in pictures]))


def _mean(values: Floats) -> float:
    """Mean of the finite values; NaN without any."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else math.nan


def _upsampled(maps: Tensor, size: int) -> Tensor:
    return functional.interpolate(maps[:, None], (size, size), mode="bilinear", align_corners=False).squeeze(1)
