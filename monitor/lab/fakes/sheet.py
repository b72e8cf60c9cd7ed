"""A contact sheet of training material: real crops, pseudo-fakes of each kind, masks, differences."""

from collections.abc import Callable
from functools import partial
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

from monitor.errors import DatasetError, ExperimentError
from monitor.lab.datasets.faceset import DEFAULT_CENTRE, DEFAULT_SIDE, FaceSet
from monitor.lab.fakes.autoencoders import Autoencoders
from monitor.lab.fakes.blends import Blended, cross_blended, decoded, neural, self_blended
from monitor.lab.fakes.coverings import Covering
from monitor.lab.fakes.degradations import Degradation
from monitor.lab.fakes.jitter import recrop, recrop_landmarks
from monitor.types import Pixels

DIFFERENCE_GAIN: Final = 5
DONORS: Final = 48  # smallest number of faces for cross-blending to choose from

_HEADING = 22  # pixels
_GREY = 40


def contact_sheet(
    faces: FaceSet, *, rows: int, size: int, seed: int, autoencoders: Autoencoders | None = None
) -> Pixels:
    """One row per real crop: the crop; per kind the fake, its mask, five times the difference; covered; degraded.

    Args:
        faces: a set with real crops.
        rows: how many crops, drawn by ``seed``; fewer if there are fewer.
        size: side of the crops, pixels.
        seed: of all random draws.
        autoencoders: of the neural fakes; None: no such column.

    Returns:
        (H, W, 3) RGB with a heading over each column.

    Raises:
        DatasetError: the set has fewer than two real crops, or a crop is damaged.
        ExperimentError: there are no rows, or the size is too small.
    """
    if rows < 1 or size < 32:
        raise ExperimentError(
            f"a contact sheet needs at least one row and crops of 32 pixels, got {rows} rows of {size} pixels"
        )
    reals = [number for number, row in enumerate(faces.rows) if row.label == 0]
    if len(reals) < 2:
        raise DatasetError(f"{faces.folder} has {len(reals)} real crops: a contact sheet is made from at least two")
    order = np.random.default_rng(seed).permutation(len(reals))[: max(rows, DONORS)]
    images, landmarks = _crops(faces, [reals[place] for place in order.tolist()], size=size)
    generator = torch.Generator().manual_seed(seed)
    columns = [("real", images)]
    makers: dict[str, Callable[..., Blended]] = {
        "self-blended": self_blended,
        "cross-blended": cross_blended,
        "decoded": decoded,
    }
    if autoencoders is not None:
        makers["neural"] = partial(neural, autoencoders=autoencoders)
    for kind, make in makers.items():
        made = make(images, landmarks, generator=generator)
        columns.append((kind, made.images))
        columns.append(("its mask", made.masks.expand_as(images)))
        columns.append((f"difference x {DIFFERENCE_GAIN}", (made.images - images).abs() * DIFFERENCE_GAIN))
    covering = Covering.draw(landmarks, size=size, generator=generator, covered=1.0, grey=0.2)
    columns.append(("real, covered", covering.apply(images)))
    degradation = Degradation.draw(len(images), size=size, generator=generator)
    columns.append(("real, degraded", degradation.apply(images)))
    columns.append(("self-blended, degraded", degradation.apply(columns[1][1])))
    return np.concatenate([_column(name, pictures[:rows]) for name, pictures in columns], axis=1)


def _crops(faces: FaceSet, rows: list[int], *, size: int) -> tuple[Tensor, Tensor]:
    """Images (N, 3, size, size) and landmarks (N, 5, 2) in the square of training and live path."""
    images, points = [], []
    for row in rows:
        pixels = faces.pixels(row)
        side = pixels.shape[0]
        square = torch.from_numpy(faces.square(side, side=DEFAULT_SIDE, centre=DEFAULT_CENTRE))
        images.append(recrop(torch.from_numpy(pixels).permute(2, 0, 1)[None], square, size=size))
        points.append(recrop_landmarks(torch.from_numpy(faces.landmarks(row, side=side))[None], square, size=size))
    return torch.cat(images).clamp(0, 1), torch.cat(points)


def _column(name: str, pictures: Tensor) -> Pixels:
    """(heading + N * S, S, 3): a heading and pictures (N, 3, S, S) below each other."""
    stacked = (pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).flatten(0, 1).numpy()
    heading = np.full((_HEADING, stacked.shape[1], 3), _GREY, np.uint8)
    scale = min(0.42, stacked.shape[1] / (10.0 * len(name)) * 0.5)
    cv2.putText(heading, name, (3, 15), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate((heading, stacked))
