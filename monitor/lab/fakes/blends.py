"""Makes pseudo-fakes from real faces, with the mask of the changed pixels.

There are four kinds. *Self-blended* (Shiohara & Yamasaki, CVPR 2022): a face is blended with a slightly changed copy
of itself, so that only traces of blending remain. *Cross-blended* (Li et al., "Face X-ray", CVPR 2020): the face of
another person with a similar pose is aligned and colour-matched. *Decoded*: the face gets the limited resolution,
smoothed detail and slightly wrong shapes of an autoencoder's output. *Neural*: an autoencoder re-makes the face, or the
whole picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from monitor.errors import ExperimentError
from monitor.lab.fakes import resampling
from monitor.lab.fakes.autoencoders import Autoencoders
from monitor.lab.fakes.codecs import jpeg
from monitor.lab.fakes.colours import Colours, adjusted, matched
from monitor.lab.fakes.hulls import SHAPES, face_masks

KINDS: tuple[str, ...] = ("self_blended", "cross_blended", "decoded", "neural")

_RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)  # blend ratios of the source, drawn uniformly, as in the paper
_DECODED_RATIOS = (0.5, 0.75, 1.0, 1.0, 1.0, 1.0)  # a face swap shows little of the original
_WHOLE_PICTURE = 0.4  # share of the neural fakes without an edge, as talking heads draw every pixel
_WHOLE_FACE = ("full_face", "brow_down", "inner_face", "oval", "square", "below_eyes", "above_mouth")
_ANY_SHAPE = (*SHAPES, *_WHOLE_FACE)  # whole-face shapes twice as often, as most tools change the whole face
_SIDE = 96  # picture side, pixels, to which lengths in pixels below refer
_RECOMPRESSED = 0.15  # share of the rows
_NEAREST = 3  # the donor is drawn from this many closest rows
_THUMBNAIL = 12  # pixels a side, enough to compare poses
_SHAPES_APART, _LOOKS_APART = 0.01, 0.4  # scales of the distances: of landmarks, of thumbnails (1 - correlation)


@dataclass(frozen=True, slots=True, eq=False)
class Blended:
    """Pseudo-fakes, aligned with their original pictures."""

    images: Tensor  # (N, 3, S, S) float32 RGB in [0, 1]; equal to the original, to the bit, where the mask is 0
    masks: Tensor  # (N, 1, S, S) float32 in [0, 1]: weight of the source (mask x blend ratio)


def self_blended(images: Tensor, landmarks: Tensor, *, generator: torch.Generator) -> Blended:
    """Blend every picture with a slightly moved and resized copy of itself, with changed colours and detail.

    Detail is removed or added, so that either the inside or the outside is sharper.

    Args:
        images: (N, 3, S, S) float32 RGB in [0, 1], real faces.
        landmarks: (N, 5, 2) pixels.
        generator: on the images' device.
    """
    n, size = len(images), images.shape[-1]
    masks = _weights(landmarks, size=size, generator=generator)
    vertical, horizontal = _changed_detail(n, size=size, generator=generator)
    draws = _uniform(n, 4, generator)
    shifts = (2 * draws[:, :2] - 1) * (0.03 * size)
    scales = torch.exp((2 * draws[:, 2:] - 1) * 0.05)
    vertical = torch.bmm(resampling.moves(shifts[:, 0], scales[:, 0], length=size), vertical)
    horizontal = torch.bmm(resampling.moves(shifts[:, 1], scales[:, 1], length=size), horizontal)
    source = _recompressed(resampling.apply(images, vertical=vertical, horizontal=horizontal), generator=generator)
    return _blend(_drift(n, generator=generator).apply(source), images, masks)


def cross_blended(images: Tensor, landmarks: Tensor, *, generator: torch.Generator) -> Blended:
    """Blend the face of another row with similar landmarks into every picture, aligned and colour-matched.

    Args:
        images: (N, 3, S, S) float32 RGB in [0, 1], real faces, N >= 2.
        landmarks: (N, 5, 2) pixels.
        generator: on the images' device.

    Raises:
        ExperimentError: there is only one row, so no donor.
    """
    return _cross_blended(images, landmarks, torch.arange(len(images), device=images.device), generator=generator)


def decoded(images: Tensor, landmarks: Tensor, *, generator: torch.Generator) -> Blended:
    """Imitate a small decoder's output: less resolution, smoothed detail, bent shapes, shifted colours.

    Args:
        images: (N, 3, S, S) float32 RGB in [0, 1], real faces.
        landmarks: (N, 5, 2) pixels.
        generator: on the images' device.
    """
    n, size = len(images), images.shape[-1]
    masks = _weights(landmarks, size=size, generator=generator, shapes=_WHOLE_FACE, ratios=_DECODED_RATIOS)
    draws = _uniform(n, 5, generator)
    bend = (
        torch.randn(n, 2, 5, 5, generator=generator, device=images.device) * (0.03 * draws[:, 0])[:, None, None, None]
    )
    bent = functional.grid_sample(images, _grid(n, size, bend), padding_mode="border", align_corners=False)

    sides = (size * (0.3 + 0.5 * draws[:, 1])).round()
    small = resampling.reductions(
        sides, length=size, averaging=draws[:, 2] < 0.7, enlarging=1 + (draws[:, 3] < 0.5).long()
    )
    source = resampling.apply(bent, vertical=small, horizontal=small)
    smooth = resampling.blurs(torch.full((n,), size / _SIDE, device=images.device), length=size)
    coarse = resampling.apply(source, vertical=smooth, horizontal=smooth)
    faint = (0.02 * draws[:, 4])[:, None, None, None]
    fine = source - coarse
    source = coarse + (fine - fine.clamp(-faint, faint))  # removes faint detail, as denoising does
    return _blend(_drift(n, generator=generator).apply(source), images, masks)


def neural(images: Tensor, landmarks: Tensor, *, generator: torch.Generator, autoencoders: Autoencoders) -> Blended:
    """Blend what an autoencoder makes of the face into the picture, or take all that it makes.

    Args:
        images: (N, 3, S, S) float32 RGB in [0, 1], real faces.
        landmarks: (N, 5, 2) pixels.
        generator: on the images' device.
        autoencoders: trained on real faces.
    """
    n, size = len(images), images.shape[-1]
    masks = _weights(landmarks, size=size, generator=generator, shapes=_WHOLE_FACE, ratios=_DECODED_RATIOS)
    masks[_uniform(n, 1, generator)[:, 0] < _WHOLE_PICTURE] = 1
    source = autoencoders.remade(images, generator=generator)
    return _blend(
        _drift(n, generator=generator).towards_identity(_uniform(n, 1, generator)[:, 0]).apply(source), images, masks
    )


def pseudo_fakes(
    images: Tensor,
    landmarks: Tensor,
    *,
    generator: torch.Generator,
    shares: Mapping[str, float],
    rows: Tensor | None = None,
    autoencoders: Autoencoders | None = None,
) -> Blended:
    """Make every row a pseudo-fake of a random kind, drawn by the shares.

    A single face has no donor. It is never cross-blended, and the other kinds take that share.

    Args:
        images: (N, 3, S, S) float32 RGB in [0, 1], real faces; any may be the donor of another.
        landmarks: (N, 5, 2) pixels.
        generator: on the images' device.
        shares: by kind (``KINDS``), >= 0; normalised to a sum of 1.
        rows: (R,) rows to make fakes of; the others are donors only. Default: all.
        autoencoders: of the neural fakes; needed if they have a share.

    Returns:
        R fakes, in the order of ``rows``.

    Raises:
        ExperimentError: a kind is unknown, a share is negative, all usable shares are zero, or there are no
            autoencoders for the neural fakes.
    """
    if shares.get("neural", 0) > 0 and autoencoders is None:
        raise ExperimentError("neural pseudo-fakes need trained autoencoders: name their file (lab autoencoders)")
    wanted = torch.arange(len(images), device=images.device) if rows is None else rows
    limits = _chances(shares, donors=len(images) - 1).cumsum(0)[:-1].to(images.device)
    kinds = torch.bucketize(_uniform(len(wanted), 1, generator)[:, 0], limits, right=True)
    fakes = torch.empty(len(wanted), *images.shape[1:], device=images.device)
    masks = torch.empty(len(wanted), 1, *images.shape[2:], device=images.device)
    for number, kind in enumerate(KINDS):
        chosen = torch.nonzero(kinds == number)[:, 0]
        if len(chosen):
            taken = wanted[chosen]
            if kind == "cross_blended":
                made = _cross_blended(images, landmarks, taken, generator=generator)
            elif kind == "neural" and autoencoders is not None:
                made = neural(images[taken], landmarks[taken], generator=generator, autoencoders=autoencoders)
            else:
                make = self_blended if kind == "self_blended" else decoded
                made = make(images[taken], landmarks[taken], generator=generator)
            fakes[chosen], masks[chosen] = made.images, made.masks
    return Blended(fakes, masks)


def _cross_blended(images: Tensor, landmarks: Tensor, rows: Tensor, *, generator: torch.Generator) -> Blended:
    if len(images) < 2:
        raise ExperimentError("cross_blended takes the face of another row: give a batch of at least two faces")
    size = images.shape[-1]
    masks = _weights(landmarks[rows], size=size, generator=generator)
    donors = _donors(images, landmarks, rows, generator=generator)
    targets = images[rows]
    source = functional.grid_sample(
        images[donors],
        _aligning_grid(landmarks[rows], landmarks[donors], size=size),
        mode="bicubic",
        padding_mode="border",
        align_corners=False,
    )
    draws = _uniform(len(rows), 1, generator)[:, 0]
    colours = matched(source, targets, masks).towards_identity(1 - 0.5 * draws**2)
    vertical, horizontal = _changed_detail(len(rows), size=size, generator=generator)
    source = _recompressed(resampling.apply(source, vertical=vertical, horizontal=horizontal), generator=generator)
    return _blend(colours.apply(source), targets, masks)


def _blend(source: Tensor, targets: Tensor, masks: Tensor) -> Blended:
    return Blended(targets + masks * (source.clamp(0, 1) - targets), masks)


def _weights(
    landmarks: Tensor,
    *,
    size: int,
    generator: torch.Generator,
    shapes: tuple[str, ...] = _ANY_SHAPE,
    ratios: tuple[float, ...] = _RATIOS,
) -> Tensor:
    """(N, 1, S, S): masks times blend ratios."""
    masks = face_masks(landmarks, size=size, generator=generator, shapes=shapes)
    drawn = (_uniform(len(landmarks), 1, generator)[:, 0] * len(ratios)).long().clamp(max=len(ratios) - 1)
    return masks * torch.tensor(ratios, device=landmarks.device)[drawn][:, None, None, None]


def _changed_detail(n: int, *, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Vertical and horizontal operators (N, S, S): a third is resampled, a third blurred or sharpened, a third kept."""
    draws = _uniform(n, 6, generator)
    resampled, filtered = draws[:, 0] < 0.36, draws[:, 0] > 0.7
    sharpen = draws[:, 1] < 0.6
    amounts = torch.where(sharpen, 0.3 + 0.9 * draws[:, 2], torch.full_like(draws[:, 2], -1.0))
    sigmas = torch.where(sharpen, 0.7 + 0.8 * draws[:, 3], 0.35 + 0.6 * draws[:, 3]) * (size / _SIDE)
    matrices = torch.eye(size, device=draws.device).repeat(n, 1, 1)
    rows = torch.nonzero(filtered)[:, 0]
    matrices[rows] = resampling.detail(sigmas[rows], amounts[rows], length=size)
    rows = torch.nonzero(resampled)[:, 0]
    matrices[rows] = resampling.reductions(
        (size * (0.35 + 0.5 * draws[rows, 4])).round(),
        length=size,
        averaging=draws[rows, 2] < 0.6,
        enlarging=(3 * draws[rows, 5]).long().clamp(max=2),
    )
    return matrices, matrices


def _recompressed(source: Tensor, *, generator: torch.Generator) -> Tensor:
    """Compress some rows as JPEG, as if their face came from a stored picture."""
    draws = _uniform(len(source), 2, generator)
    rows = torch.nonzero(draws[:, 0] < _RECOMPRESSED)[:, 0]
    if len(rows):
        source[rows] = jpeg(source[rows], 35 + 60 * draws[rows, 1])
    return source


def _drift(n: int, *, generator: torch.Generator) -> Colours:
    """Mostly small changes of colour; each applies to half of the rows, and every row gets at least one."""
    draws, chosen = 2 * _uniform(n, 7, generator) - 1, _uniform(n, 5, generator) < 0.5
    chosen[:, 0] |= ~chosen.any(1)
    draws *= 0.15 + 0.85 * _uniform(n, 1, generator)  # good fakes have only a trace of each
    amounts = draws * draws.abs().sqrt()
    return adjusted(
        contrast=torch.exp(0.3 * amounts[:, 0] * chosen[:, 1]),
        saturation=torch.exp(0.4 * amounts[:, 1] * chosen[:, 2]),
        hue=0.2 * amounts[:, 2] * chosen[:, 3],
        shift=0.1 * amounts[:, 3:4] * chosen[:, 4:] + 0.07 * draws[:, 4:] * chosen[:, :1],
    )


def _donors(images: Tensor, landmarks: Tensor, rows: Tensor, *, generator: torch.Generator) -> Tensor:
    """(R,) donor of each of rows (R,), drawn from the other rows with the most similar pose and light.

    The distance combines landmarks, after a similarity transform, and thumbnails. Average landmarks (of unknown
    faces) are all equal, so that thumbnails alone decide.
    """
    shapes = torch.view_as_complex(landmarks.float().contiguous())
    shapes = shapes - shapes.mean(1, keepdim=True)
    shapes = shapes / torch.linalg.vector_norm(shapes, dim=1, keepdim=True).clamp(min=1e-6)
    apart = 1 - (shapes[rows] @ shapes.conj().T).abs()
    looks = functional.adaptive_avg_pool2d(images.mean(1, keepdim=True), _THUMBNAIL).flatten(1)
    looks = functional.normalize(looks - looks.mean(1, keepdim=True), dim=1)
    apart = apart / _SHAPES_APART + (1 - looks[rows] @ looks.T) / _LOOKS_APART
    apart.scatter_(1, rows[:, None], torch.inf)
    candidates = apart.topk(min(_NEAREST, len(landmarks) - 1), dim=1, largest=False).indices
    drawn = (_uniform(len(rows), 1, generator) * candidates.shape[1]).long().clamp(max=candidates.shape[1] - 1)
    donors: Tensor = candidates.gather(1, drawn)[:, 0]
    return donors


def _aligning_grid(targets: Tensor, sources: Tensor, *, size: int) -> Tensor:
    """(N, S, S, 2) for grid_sample: the similarity transform that takes target landmarks to source landmarks.

    Least squares in complex numbers: z -> a z + b.
    """
    target, source = (torch.view_as_complex(points.float().contiguous()) for points in (targets, sources))
    middle, source_middle = target.mean(1, keepdim=True), source.mean(1, keepdim=True)
    around = target - middle
    power = around.abs().square().sum(1, keepdim=True).clamp(min=1e-6)
    factor = ((source - source_middle) * around.conj()).sum(1, keepdim=True) / power
    axis = torch.arange(size, device=targets.device) + 0.5
    places = torch.complex(axis[None, :].expand(size, size), axis[:, None].expand(size, size))
    mapped = factor[:, :, None] * (places - middle[:, :, None]) + source_middle[:, :, None]
    return torch.view_as_real(mapped) * (2 / size) - 1


def _grid(n: int, size: int, bend: Tensor) -> Tensor:
    """(N, S, S, 2) for grid_sample: every pixel in its place, moved by a coarse field (N, 2, k, k) of half-sides."""
    axis = (torch.arange(size, device=bend.device) + 0.5) * (2 / size) - 1
    places = torch.stack((axis[None, :].expand(size, size), axis[:, None].expand(size, size)))
    curves = resampling.between_knots(bend.shape[-1], length=size, device=bend.device)
    moved = places + curves @ bend @ curves.T
    return moved.permute(0, 2, 3, 1).expand(n, -1, -1, -1)


def _chances(shares: Mapping[str, float], *, donors: int) -> Tensor:
    """(kinds,) probabilities; that of cross-blending is 0 without donors."""
    unknown = sorted(set(shares) - set(KINDS))
    if unknown:
        raise ExperimentError(f"there is no pseudo-fake called {', '.join(unknown)}; choose from {', '.join(KINDS)}")
    chances = torch.tensor([float(shares.get(kind, 0.0)) for kind in KINDS])
    if not donors:
        chances[KINDS.index("cross_blended")] = 0
    if chances.min() < 0 or not 0 < chances.sum() < torch.inf:
        raise ExperimentError(
            f"shares of pseudo-fakes must be >= 0 and not all 0 (one face alone has no donor), got {dict(shares)}"
        )
    return chances / chances.sum()


def _uniform(n: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(n, count, generator=generator, device=generator.device)
