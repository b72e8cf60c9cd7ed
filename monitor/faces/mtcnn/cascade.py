"""MTCNN's cascade: frame -> Faces, with the results of facenet-pytorch at a quarter of its cost.

Zhang et al., 2016, "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
Networks": P-Net proposes on an image pyramid, R-Net rejects, O-Net refines boxes and landmarks.

The cascade is sensitive: another resampling of the pyramid or the crops (bilinear, exact area, from the previous
level), or another rounding of boxes, changes 2 to 7 % of the found faces. Therefore all of these match facenet-pytorch
exactly (adaptive average pooling, floors, its 1-based inclusive boxes). The speed comes from other changes: a
summed-area table makes all resampling exact at four look-ups per output pixel (on the GPU, if the networks run there),
crops run in batches, and compiled engines run the networks.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from monitor.faces.mtcnn.networks import mtcnn_networks
from monitor.inference.backends import Engine
from monitor.inference.network import Network
from monitor.inference.summed_area import SummedArea
from monitor.settings import FaceDetectorSettings
from monitor.types import Faces, Floats, Pixels

Rows = NDArray[np.intp]

_CELL = 12  # side of the input area of one cell of P-Net's map, pixels
_STRIDE = 2  # pixels between cells
_RNET_SIDE = 24
_ONET_SIDE = 48
_LEVEL_OVERLAP = 0.5  # IoU above which the worse of two proposals of one pyramid level is dropped
_OVERLAP = 0.7  # the same, for all later steps
_FIRST_PIXEL = np.array((1, 1, 0, 0), np.float32)  # from 1-based inclusive to 0-based half-open
_BATCH = 32  # larger batches are slower, and this limits memory for any number of proposals
_BLOCK = 64  # rows of the overlap matrix computed at once


class MtcnnEngines(NamedTuple):
    """Compiled :func:`monitor.faces.mtcnn.networks.mtcnn_networks`."""

    pnet: Engine
    rnet: Engine
    onet: Engine


def load(
    settings: FaceDetectorSettings,
    *,
    compile_network: Callable[[Network], Engine],
    resampler: type[SummedArea] = SummedArea,
) -> "MtcnnDetector":
    """Create the detector with engines from ``compile_network``."""
    return MtcnnDetector(MtcnnEngines(*map(compile_network, mtcnn_networks())), settings, resampler=resampler)


class MtcnnDetector:
    """MTCNN on three engines. Stateless.

    Args:
        resampler: resamples frames for the engines; see ``monitor.inference.backends.resampler``.
    """

    def __init__(
        self, engines: MtcnnEngines, settings: FaceDetectorSettings, *, resampler: type[SummedArea] = SummedArea
    ) -> None:
        self._engines = engines
        self._settings = settings
        self._resampler = resampler

    def detect(self, pixels: Pixels) -> Faces:
        """All faces of at least ``min_face_size`` pixels, best first.

        Frames wider than ``working_width`` are halved repeatedly.

        Args:
            pixels: (H, W, 3) RGB.
        """
        shrink = 1
        while pixels.shape[1] > self._settings.working_width and pixels.shape[0] > _CELL:
            pixels, shrink = _shrink(pixels, by=2), shrink * 2
        image = self._resampler(pixels)
        boxes = self._reject(image, self._propose(image, max(_CELL, self._settings.min_face_size / shrink)))
        squares = image.select_overlapping(_squares(boxes))
        if not len(squares):
            return Faces.none()
        probabilities, offsets, points = _run_batches(self._engines.onet, image, squares, side=_ONET_SIDE)
        faces = _make_faces(squares - _FIRST_PIXEL, probabilities, offsets, points)
        faces = faces[probabilities > self._settings.thresholds[2]]
        best = faces[_suppress(faces.boxes, faces.probabilities, limit=_OVERLAP, of_smaller=True)]
        return Faces(boxes=best.boxes * shrink, probabilities=best.probabilities, landmarks=best.landmarks * shrink)

    def refine(self, pixels: Pixels, boxes: Floats) -> Faces:
        """Update the boxes of known faces by running only O-Net on their last boxes.

        Unlike in ``detect``, crops are sub-pixel and black outside the frame (as in the paper): a face
        cut off by a quarter is followed, whereas facenet-pytorch's stretched crops lose it.

        Args:
            pixels: (H, W, 3) RGB.
            boxes: (N, 4) x1 y1 x2 y2, pixels, each off by some tenths of its width at most.

        Returns:
            N faces, rows aligned with ``boxes``; a lost face has a low probability.
        """
        if not len(boxes):
            return Faces.none()
        squares = _squares(boxes)
        return _make_faces(squares, *self._engines.onet.run(_cut_crops(pixels, squares)))

    def _propose(self, image: SummedArea, min_face_size: float) -> Floats:
        """P-Net's proposals: (N, 4) boxes, 1-based and inclusive."""
        found: list[tuple[Floats, Floats, Floats]] = []
        scale = _CELL / min_face_size
        while min(image.height, image.width) * scale >= _CELL:
            level = image.resize(height=int(image.height * scale + 1), width=int(image.width * scale + 1))
            (probabilities,), (offsets,) = self._engines.pnet.run(level)
            rows, columns = np.nonzero(probabilities >= self._settings.thresholds[0])
            scores = probabilities[rows, columns]
            cells = np.stack((columns, rows, columns, rows), axis=1) * _STRIDE + (1, 1, _CELL, _CELL)
            boxes = np.floor(cells.astype(np.float32) / np.float32(scale))
            keep = _suppress(boxes, scores, limit=_LEVEL_OVERLAP)
            found.append((boxes[keep], scores[keep], offsets[:, rows, columns].T[keep]))
            scale *= self._settings.factor
        if not found:
            return np.zeros((0, 4), np.float32)
        boxes, scores, offsets = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
        keep = _suppress(boxes, scores, limit=_OVERLAP)
        return _apply_offsets(boxes[keep], offsets[keep], sizes=_sizes(boxes[keep]))

    def _reject(self, image: SummedArea, boxes: Floats) -> Floats:
        """The proposals that R-Net accepts: (M, 4) boxes, 1-based and inclusive."""
        squares = image.select_overlapping(_squares(boxes))
        if not len(squares):
            return squares
        scores, offsets = _run_batches(self._engines.rnet, image, squares, side=_RNET_SIDE)
        rows = np.flatnonzero(scores > self._settings.thresholds[1])
        rows = rows[_suppress(squares[rows], scores[rows], limit=_OVERLAP)]
        return _apply_offsets(squares[rows], offsets[rows], sizes=_sizes(squares[rows]) + 1)


def _run_batches(engine: Engine, image: SummedArea, squares: Floats, *, side: int) -> tuple[Floats, ...]:
    """The engine's outputs for N >= 1 squares."""
    starts = range(0, len(squares), _BATCH)
    outputs = [engine.run(image.cut(squares[start : start + _BATCH], side=side)) for start in starts]
    return tuple(np.concatenate(arrays) for arrays in zip(*outputs, strict=True))


def _cut_crops(pixels: Pixels, squares: Floats) -> Floats:
    """The content of each square, sub-pixel, black outside the image: (N, 3, 48, 48), 0..255."""
    crops = np.zeros((len(squares), _ONET_SIDE, _ONET_SIDE, 3), np.uint8)
    for (x1, y1, x2, y2), crop in zip(squares.tolist(), crops, strict=True):
        step = max(x2 - x1, 1.0) / _ONET_SIDE  # pixels of the frame per pixel of the crop
        shrink = int(max(step, 1.0))
        margin = 3 * shrink
        left, top = max(0, int(x1) - margin), max(0, int(y1) - margin)
        part = pixels[top : max(0, int(y2) + margin), left : max(0, int(x2) + margin)]
        if min(part.shape[:2]) < shrink:
            continue
        step /= shrink
        x, y = ((corner - origin) / shrink + (step - 1) / 2 for corner, origin in ((x1, left), (y1, top)))
        cv2.warpAffine(
            _shrink(part, by=shrink),
            np.array(((step, 0, x), (0, step, y))),
            (_ONET_SIDE, _ONET_SIDE),
            dst=crop,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
        )
    return crops.transpose(0, 3, 1, 2).astype(np.float32, order="C")


def _shrink(pixels: Pixels, *, by: int) -> Pixels:
    """Means of ``by`` x ``by`` pixels; a remainder at the right and bottom is dropped."""
    if by == 1:
        return pixels
    height, width = (side // by for side in pixels.shape[:2])
    total = pixels[: height * by, : width * by]
    return np.asarray(cv2.resize(total, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _make_faces(squares: Floats, probabilities: Floats, offsets: Floats, points: Floats) -> Faces:
    """Faces from O-Net's outputs for squares (0-based, half-open)."""
    sizes = _sizes(squares)
    return Faces(
        boxes=_apply_offsets(squares, offsets, sizes=sizes),
        probabilities=probabilities,
        landmarks=squares[:, None, :2] + points * sizes[:, None],
    )


def _sizes(boxes: Floats) -> Floats:
    """(N, 2) x2 - x1, y2 - y1."""
    return boxes[:, 2:] - boxes[:, :2]


def _apply_offsets(boxes: Floats, offsets: Floats, *, sizes: Floats) -> Floats:
    """Boxes with their sides moved by offsets in units of ``sizes``."""
    return boxes + offsets * np.concatenate((sizes, sizes), axis=1)


def _squares(boxes: Floats) -> Floats:
    """Squares of the longer side around the same centres."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    halves = _sizes(boxes).max(axis=1, keepdims=True) / 2
    return np.concatenate((centres - halves, centres + halves), axis=1)


def _suppress(boxes: Floats, scores: Floats, *, limit: float, of_smaller: bool = False) -> Rows:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4).
        scores: (N,).
        limit: intersection over union above which the worse box is dropped.
        of_smaller: divide the intersection by the smaller box instead of the union.
    """
    order = np.argsort(-scores, kind="stable")
    x1, y1, x2, y2 = np.ascontiguousarray(boxes[order].T)
    areas = (x2 - x1) * (y2 - y1)
    alive = np.ones(len(order), bool)
    for start in range(0, len(order), _BLOCK):
        rows, others = start + np.flatnonzero(alive[start : start + _BLOCK]), slice(start, None)
        width = np.minimum.outer(x2[rows], x2[others]) - np.maximum.outer(x1[rows], x1[others])
        height = np.minimum.outer(y2[rows], y2[others]) - np.maximum.outer(y1[rows], y1[others])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        if of_smaller:
            total = np.minimum.outer(areas[rows], areas[others])
        else:
            total = np.add.outer(areas[rows], areas[others]) - shared
        for row, hidden in zip(rows, shared > limit * total, strict=True):
            if alive[row]:
                alive[row + 1 :] &= ~hidden[row + 1 - start :]
    return order[alive]
