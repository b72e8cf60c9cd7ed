"""Masks of a face or a part of it from five landmarks: soft and random, or binary and fixed.

A mask is a closed curve ``radius(angle)`` around a centre, in the face's frame. x points along the eyes, y from the
eyes to the mouth; the units are the distance between the eyes and the distance from eyes to mouth. The origin is at
45 % of the way from eyes to mouth. So eyes lie at (-.5, -.45) and (.5, -.45), the mouth's corners near (-.4, .55)
and (.4, .55), the chin near (0, 1.2). The random masks follow Shiohara & Yamasaki, "Detecting Deepfakes with
Self-Blended Images" (CVPR 2022), and Li et al., "Face X-ray" (CVPR 2020): a hull is drawn, deformed, eroded or
dilated, and blurred.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from monitor.errors import ExperimentError
from monitor.lab.fakes import resampling

_CENTRE = 0.45  # of the way from eyes to mouth
_ANGLES = 96  # directions of a curve's radii
_KNOTS = 14  # directions of random disturbances
_ELASTIC = 5  # knots a side of the bending field
_COARSE = 2  # pixels per sample of the distance field; the edge is drawn at full resolution

_Points = tuple[tuple[float, float], ...]


def _mirrored(half: _Points) -> _Points:
    """A closed polygon from its right half, listed from the bottom to the top of the axis."""
    return half + tuple((-x, y) for x, y in reversed(half) if x)


def _oval(x: float, y: float, width: float, height: float) -> _Points:
    turns = torch.arange(32) * (2 * torch.pi / 32)
    points = torch.stack((x + width * turns.cos(), y + height * turns.sin()), dim=1)
    return tuple((float(px), float(py)) for px, py in points)


_FULL: _Points = ((0, 1.25), (0.45, 1.14), (0.8, 0.75), (1, 0.2), (1, -0.5), (0.87, -1), (0.47, -1.35), (0, -1.45))
_EYES = _mirrored(((0, -0.12), (0.3, -0.17), (0.85, -0.15), (0.92, -0.55), (0.6, -0.85), (0, -0.82)))
_MOUTH = _oval(0, 0.57, 0.58, 0.3)
_LEFT = ((0, 1.25), (0, -1.45), *((-x, y) for x, y in reversed(_FULL[1:-1])))

_SHAPES: dict[str, tuple[_Points, ...]] = {
    "full_face": (_mirrored(_FULL),),
    "brow_down": (
        _mirrored(((0, 1.2), (0.45, 1.1), (0.78, 0.7), (0.95, 0.15), (0.92, -0.5), (0.55, -0.86), (0, -0.8))),
    ),
    "inner_face": (
        _mirrored(((0, 0.9), (0.45, 0.8), (0.64, 0.4), (0.72, -0.2), (0.76, -0.6), (0.4, -0.76), (0, -0.68))),
    ),
    "oval": (_oval(0, -0.05, 0.92, 1.2),),
    "square": (_mirrored(((0, 1.08), (0.92, 1.08), (0.92, -0.98), (0, -0.98))),),
    "mouth_and_chin": (_mirrored(((0, 1.22), (0.45, 1.12), (0.76, 0.72), (0.68, 0.34), (0, 0.24))),),
    "below_eyes": (_mirrored(((0, 1.22), (0.45, 1.12), (0.8, 0.7), (0.93, 0.1), (0.6, -0.1), (0, -0.05))),),
    "above_mouth": (
        _mirrored(((0, 0.3), (0.6, 0.35), (0.92, 0.0), (0.97, -0.6), (0.8, -1.05), (0.4, -1.3), (0, -1.38))),
    ),
    "eyes": (_EYES,),
    "mouth": (_MOUTH,),
    "nose": (_oval(0, 0.03, 0.36, 0.52),),
    "eyes_and_mouth": (_EYES, _MOUTH),
    "left_half": (_LEFT,),
    "right_half": (tuple((-x, y) for x, y in _LEFT),),
}
SHAPES: tuple[str, ...] = tuple(_SHAPES)
_REGIONS = {"mouth": "mouth", "eyes": "eyes", "left_half": "left_half", "right_half": "right_half", "face": "full_face"}
REGIONS: tuple[str, ...] = tuple(_REGIONS)


class _Curves(NamedTuple):
    """Tables of shapes: P curves in all, one or two per shape."""

    centres: Tensor  # (P, 2) in units of the face frame
    radii: Tensor  # (P, _ANGLES)
    parts: Tensor  # (shapes, 2) rows of the above; the first is repeated if there is only one


def face_masks(landmarks: Tensor, *, size: int, generator: torch.Generator, shapes: Sequence[str] = SHAPES) -> Tensor:
    """Random soft masks: shape, outline, bend, growth and edge width are drawn per row.

    Args:
        landmarks: (N, 5, 2) pixels of a picture of ``size`` x ``size``.
        size: side of the masks, pixels.
        generator: on the landmarks' device.
        shapes: of ``SHAPES``, drawn with equal probability.

    Returns:
        (N, 1, size, size) float32 in [0, 1], exactly 0 outside the soft edge.

    Raises:
        ExperimentError: a shape is unknown, or none is given.
    """
    n, device = len(landmarks), landmarks.device
    curves = _curves(tuple(shapes), device)
    draws = torch.rand(n, 6, generator=generator, device=device)
    knots = torch.randn(n, 2, _KNOTS, generator=generator, device=device)
    bend = torch.randn(n, 2, _ELASTIC, _ELASTIC, generator=generator, device=device)
    parts = curves.parts[(draws[:, 0] * len(shapes)).long().clamp(max=len(shapes) - 1)]

    roughness = 0.12 * draws[:, 1] ** 2
    growth = 0.85 + 0.3 * draws[:, 2]
    side = -(-size // _COARSE)
    places = _face_coordinates(landmarks, size=size, side=side)
    smooth = resampling.between_knots(_ELASTIC, length=side, device=device)
    places = places + smooth @ (bend * (0.11 * draws[:, 3])[:, None, None, None]) @ smooth.T
    fields, reach = [], []
    for part in range(2):
        row = parts[:, part]
        outline = 1 + roughness[:, None] * (knots[:, part] @ _periodic(device))
        radii = curves.radii[row] * outline.clamp(min=0.5) * growth[:, None]
        fields.append(_distances(places - curves.centres[row][:, :, None, None], radii))
        reach.append(radii.amin(1))
    field = torch.maximum(fields[0], fields[1])[:, None]
    width = torch.minimum(0.03 * 20 ** draws[:, 4], 0.9 * torch.minimum(reach[0], reach[1]))
    inward = (draws[:, 5] - 0.35) * width  # position of the edge, inside or outside the outline
    field = functional.interpolate(field, size=(size, size), mode="bilinear", align_corners=False)
    ramp = ((field - inward[:, None, None, None]) / width[:, None, None, None] + 0.5).clamp(0, 1)
    mask = ramp * ramp * (3 - 2 * ramp)
    return mask / mask.amax((2, 3), keepdim=True).clamp(min=0.05)


def region_masks(landmarks: Tensor, *, size: int, regions: Sequence[str] = REGIONS) -> dict[str, Tensor]:
    """Fixed binary masks of named regions, for the energy of a heat-map.

    Args:
        landmarks: (N, 5, 2) pixels of a picture of ``size`` x ``size``.
        size: side of the masks, pixels.
        regions: of ``REGIONS``; left and right in the picture.

    Returns:
        Per region (N, 1, size, size) float32, 0 or 1.

    Raises:
        ExperimentError: a region is unknown, or none is given.
    """
    unknown = sorted(set(regions) - set(_REGIONS))
    if unknown:
        raise ExperimentError(f"there is no face region {', '.join(unknown)}; choose from {', '.join(REGIONS)}")
    curves = _curves(tuple(_REGIONS[name] for name in regions), landmarks.device)
    places = _face_coordinates(landmarks, size=size, side=size)
    masks = {}
    for name, part in zip(regions, curves.parts[:, 0].tolist(), strict=True):
        around = places - curves.centres[part][:, None, None]
        inside = _distances(around, curves.radii[part].expand(len(landmarks), -1)) > 0
        masks[name] = inside[:, None].float()
    return masks


def _face_coordinates(landmarks: Tensor, *, size: int, side: int) -> Tensor:
    """(N, 2, side, side): x and y in the face's frame at the cell centres of a picture."""
    left_eye, right_eye, nose, left_mouth, right_mouth = landmarks.float().unbind(1)
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    centre = eyes + _CENTRE * (mouth - eyes)
    across = right_eye - left_eye + right_mouth - left_mouth
    right = across / torch.linalg.vector_norm(across, dim=1, keepdim=True).clamp(min=1e-3)
    down = torch.stack((-right[:, 1], right[:, 0]), dim=1)
    apart = ((right_eye - left_eye) * right).sum(1)
    height = ((mouth - eyes) * down).sum(1)
    least = 0.08 * size  # smallest length, for extreme poses and wrong landmarks
    wide = torch.maximum(apart, 0.75 * height).clamp(min=least)
    tall = torch.maximum(height, 0.75 * apart).clamp(min=least)
    yaw = (((nose - centre) * right).sum(1) / wide).clamp(-0.6, 0.6)
    centre = centre - right * (0.3 * yaw * wide)[:, None]  # the outline lies behind the eyes and shifts with the yaw
    wide = wide * (1 - 0.25 * yaw.abs())

    axis = (torch.arange(side, device=landmarks.device) + 0.5) * (size / side)
    from_x, from_y = axis - centre[:, :1], axis - centre[:, 1:]
    return torch.stack(
        [
            (from_x * unit[:, :1])[:, None, :] + (from_y * unit[:, 1:])[:, :, None]
            for unit in (right / wide[:, None], down / tall[:, None])
        ],
        dim=1,
    )


def _distances(around: Tensor, radii: Tensor) -> Tensor:
    """(N, H, W): signed distance of points (N, 2, H, W) from the curve around their origin; positive inside."""
    n, _, height, width = around.shape
    x, y = around[:, 0].reshape(n, -1), around[:, 1].reshape(n, -1)
    turn = (torch.atan2(y, x) * (_ANGLES / (2 * torch.pi))) % _ANGLES
    below = turn.floor()
    part = turn - below
    first = below.long() % _ANGLES
    second = (first + 1) % _ANGLES
    steep = (radii.roll(-1, 1) - radii.roll(1, 1)) * (_ANGLES / (4 * torch.pi)) / radii
    slopes = torch.rsqrt(1 + steep * steep)  # correct the radial distance where the curve is oblique

    def at_turn(table: Tensor) -> Tensor:
        return torch.lerp(table.gather(1, first), table.gather(1, second), part)

    distance = (at_turn(radii) - torch.sqrt(x * x + y * y)) * at_turn(slopes)
    return distance.view(n, height, width)


@cache
def _curves(shapes: tuple[str, ...], device: torch.device) -> _Curves:
    unknown = sorted(set(shapes) - set(_SHAPES))
    if unknown or not shapes:
        raise ExperimentError(
            f"there is no face shape {', '.join(unknown) or '(none was named)'}; choose from {', '.join(SHAPES)}"
        )
    centres: list[Tensor] = []
    radii: list[Tensor] = []
    parts: list[tuple[int, int]] = []
    for name in shapes:
        polygons = _SHAPES[name]
        parts.append((len(centres), len(centres) + len(polygons) - 1))
        for polygon in polygons:
            points = torch.tensor(polygon)
            centre = (points.amin(0) + points.amax(0)) / 2
            centres.append(centre)
            radii.append(_radii(points - centre))
    return _Curves(torch.stack(centres).to(device), torch.stack(radii).to(device), torch.tensor(parts, device=device))


def _radii(polygon: Tensor) -> Tensor:
    """(_ANGLES,): radius of a polygon (K, 2) around the origin in each direction, with slightly rounded corners."""
    angles = torch.arange(_ANGLES) * (2 * torch.pi / _ANGLES)
    ray = torch.stack((angles.cos(), angles.sin()), dim=1)[:, None]
    start, along = polygon, polygon.roll(-1, 0) - polygon

    def cross(a: Tensor, b: Tensor) -> Tensor:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]

    slant = cross(ray, along)
    slant = torch.where(slant.abs() < 1e-9, torch.full_like(slant, 1e-9), slant)
    distance, share = cross(start, along) / slant, cross(start, ray) / slant
    hit = (share >= -1e-6) & (share <= 1 + 1e-6) & (distance > 0)
    radii = torch.where(hit, distance, torch.zeros(())).amax(1)
    return (radii.roll(1) + 2 * radii + radii.roll(-1)) / 4


@cache
def _periodic(device: torch.device) -> Tensor:
    """(_KNOTS, _ANGLES): smooth interpolation between knots around a circle, of unit variance."""
    apart = torch.arange(_ANGLES) * (_KNOTS / _ANGLES) - torch.arange(_KNOTS)[:, None]
    apart = (apart + _KNOTS / 2) % _KNOTS - _KNOTS / 2
    weights = torch.exp(-(apart**2))
    return (weights / weights.square().sum(0).sqrt()).to(device)
