"""Selects the pairs of a real face and its fake for each step, as a pure function of the step.

Every set of faces has up to two streams of pairs: *labelled* pairs (a fake and the crop it was made from) and
*pseudo* pairs (a real crop, of which a fake is made during training). A stream is an endless chain of shuffled
epochs. Its position at a step follows from the shares, so resuming needs no stored state.
"""

import logging
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from monitor.errors import DatasetError
from monitor.lab.datasets.faceset import FaceSet, read_index
from monitor.lab.training.experiment import Data
from monitor.types import Floats, Pixels

logger = logging.getLogger(__name__)

STORED_SIZE: Final = 256  # pixels; crops are resized to it when loaded
SMALLEST: Final = 32  # pixels; a smaller crop shows no face
AHEAD: Final = 2  # batches loaded while one is processed
_LABELLED, _PSEUDO, _MATES = 0, 1, 2  # purposes of random numbers


@dataclass(frozen=True, slots=True, eq=False)
class PairBatch:
    """P pairs as they are stored: row i of ``fake`` is a fake of row i of ``real``.

    Where ``pseudo`` is true, the fake is still an unaltered copy of the real crop.
    """

    real: torch.Tensor  # (P, 3, 256, 256) uint8 RGB
    fake: torch.Tensor  # the same
    landmarks: torch.Tensor  # (P, 5, 2) float32, pixels of the real crop
    side: torch.Tensor  # (P,) float32, side of the stored crop in box heights
    centre: torch.Tensor  # (P,) float32, its offset below the box's centre, box heights
    pseudo: torch.Tensor  # (P,) bool

    def to(self, device: torch.device) -> Self:
        """The same on another device."""
        moved = (getattr(self, name).to(device, non_blocking=True) for name in self.__slots__)
        return type(self)(*moved)


@dataclass(frozen=True, slots=True, eq=False)
class PairStream:
    """An endless chain of shuffled pairs from one set of faces."""

    faces: FaceSet
    pairs: NDArray[np.int64]  # (N, 2) rows of the real crop and its fake; -1: pseudo-fake
    share: float  # of all pairs; the shares of all streams add up to 1
    seed: tuple[int, ...]
    mated: int = 0  # pairs with another real crop, for lack of the fake's original

    def rows(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Pairs ``start`` to ``stop`` of the chain."""
        count = len(self.pairs)
        places = [(number // count, number % count) for number in range(start, stop)]
        return [tuple(self.pairs[_order(self.seed, epoch, count)[place]].tolist()) for epoch, place in places]


@lru_cache(maxsize=32)
def _order(seed: tuple[int, ...], epoch: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng((*seed, epoch)).permutation(count)


def open_streams(data: Sequence[Data], *, roots: Sequence[Path], seed: int) -> list[PairStream]:
    """The streams of an experiment's sets.

    Raises:
        DatasetError: a set is missing or damaged, or lacks a required class.
    """
    total = sum(one.share for one in data)
    streams: list[PairStream] = []
    for number, one in enumerate(data):
        faces = FaceSet.open(find_set(one.name, roots=roots), splits={"train"})
        share = one.share / total
        if one.pseudo_fakes < 1:
            pairs, mated = _labelled_pairs(faces, np.random.default_rng((seed, number, _MATES)))
            streams.append(PairStream(faces, pairs, share * (1 - one.pseudo_fakes), (seed, number, _LABELLED), mated))
        if one.pseudo_fakes > 0:
            reals = np.array([row for row, face in enumerate(faces.rows) if face.label == 0], np.int64)
            if not len(reals):
                raise DatasetError(
                    f"{faces.folder} has no real face in split train: pseudo-fakes are made from real ones"
                )
            pairs = np.stack((reals, np.full_like(reals, -1)), axis=1)
            streams.append(PairStream(faces, pairs, share * one.pseudo_fakes, (seed, number, _PSEUDO)))
    return streams


def find_set(name: str, *, roots: Sequence[Path]) -> Path:
    """The folder of the set ``name``, in the first of ``roots`` that contains it.

    Raises:
        DatasetError: none contains it.
    """
    for root in roots:
        if (root / name).is_dir():
            return root / name
    where = ", ".join(map(str, roots))
    raise DatasetError(
        f"there is no set of face crops {name!r} in {where}: make it with lab prepare, or name its folder with --data"
    )


def _labelled_pairs(faces: FaceSet, rng: np.random.Generator) -> tuple[NDArray[np.int64], int]:
    """Rows (N, 2) of originals and their fakes, and the number of missing originals.

    A fake without its original is paired with a random real crop, if possible one that is the original of no fake.
    """
    by_name = {face.name: row for row, face in enumerate(faces.rows)}
    reals = [row for row, face in enumerate(faces.rows) if face.label == 0]
    fakes = [row for row, face in enumerate(faces.rows) if face.label == 1]
    if not reals or not fakes:
        missing = "real" if not reals else "fake"
        raise DatasetError(
            f"{faces.folder} has no {missing} face in this split: labelled pairs need both classes; "
            "set pseudo_fakes = 1.0 to make the fakes from real faces"
        )
    originals = [by_name.get(faces.rows[row].original, -1) for row in fakes]
    chained = next((faces.rows[row] for row in originals if row >= 0 and faces.rows[row].label == 1), None)
    if chained is not None:
        raise DatasetError(
            f"{faces.folder}: a fake names {chained.name!r} as its original, which is a fake itself: mend the index"
        )
    unused = sorted(set(reals) - set(originals)) or reals
    mates = iter(np.resize(rng.permutation(unused), originals.count(-1)).tolist())
    partners = [row if row >= 0 else next(mates) for row in originals]
    return np.stack((partners, fakes), axis=1).astype(np.int64), originals.count(-1)


def forbid_leaks(folders: Sequence[Path]) -> None:
    """Check that training and evaluation data are disjoint.

    Each group and each original must lie in one split, over all sets. A person in two splits only causes a warning,
    as some published splits cannot avoid it.

    Raises:
        DatasetError: a group or an original is in several splits.
    """
    places: dict[tuple[str, str, str], set[str]] = {}
    for folder in dict.fromkeys(folders):
        for face in read_index(folder):
            dataset = face.dataset or folder.name
            names = [("group", dataset, face.group), ("crop", dataset, face.name), ("crop", dataset, face.original)]
            names.append(("person", "", face.identity))
            for key in (name for name in names if name[2] and face.split):
                places.setdefault(key, set()).add(face.split)
    crossing = [key for key, splits in places.items() if len(splits) > 1]
    people = [name for kind, _, name in crossing if kind == "person"]
    if people:
        logger.warning("%d people are in several splits, such as %r: figures will flatter", len(people), people[0])
    for kind, dataset, name in crossing:
        if kind != "person":
            raise DatasetError(
                f"{kind} {name!r} of {dataset} lies in more than one split: nothing measured on such a split would "
                "hold; split by group and prepare again"
            )


class PairLoader:
    """Loads the pairs of each step, ahead of time.

    Args:
        streams: sources of the pairs.
        workers: decoding threads; default: by ``device``, one if the CPU trains.
        device: of the batches.
    """

    def __init__(
        self, streams: Sequence[PairStream], *, workers: int | None = None, device: torch.device | None = None
    ) -> None:
        on_gpu = device is not None and device.type != "cpu"
        workers = workers or (os.cpu_count() or 1 if on_gpu else 1)
        self._streams = list(streams)
        self._bounds = [0.0, *accumulate(stream.share for stream in streams)]
        self._bounds[-1] = 1.0
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="crops")

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(cancel_futures=True)

    def batches(self, plan: Iterator[tuple[int, int]]) -> Iterator[PairBatch]:
        """Yields the batch for each (first pair, number of pairs) of ``plan``, loaded ahead.

        Raises:
            DatasetError: a crop is damaged.
        """
        waiting = []
        for first, count in plan:
            waiting.append(self._submit(first, count))
            if len(waiting) > AHEAD:
                yield self._collect(waiting.pop(0))
        for submitted in waiting:
            yield self._collect(submitted)

    def span(self, stream: int, first: int, count: int) -> tuple[int, int]:
        """Start and stop of the pairs of stream number ``stream`` among ``count`` pairs from ``first`` on."""
        low, high = self._bounds[stream : stream + 2]
        start, stop = (_upto(pairs, high) - _upto(pairs, low) for pairs in (first, first + count))
        return start, stop

    def _submit(self, first: int, count: int) -> list[Any]:
        return [
            self._pool.submit(_load, stream, pair)
            for number, stream in enumerate(self._streams)
            for pair in stream.rows(*self.span(number, first, count))
        ]

    def _collect(self, submitted: list[Any]) -> PairBatch:
        loaded = [future.result() for future in submitted]
        real, fake, landmarks = (np.stack([item[part] for item in loaded]) for part in range(3))
        return PairBatch(
            real=torch.from_numpy(real.transpose(0, 3, 1, 2)),
            fake=torch.from_numpy(fake.transpose(0, 3, 1, 2)),
            landmarks=torch.from_numpy(landmarks),
            side=torch.tensor([item[3] for item in loaded], dtype=torch.float32),
            centre=torch.tensor([item[4] for item in loaded], dtype=torch.float32),
            pseudo=torch.tensor([item[5] for item in loaded]),
        )


def _upto(pairs: int, bound: float) -> int:
    """Number of the first ``pairs`` pairs in streams below ``bound``."""
    return math.floor(pairs * bound + 1e-9)


def _load(stream: PairStream, pair: tuple[int, int]) -> tuple[Pixels, Pixels, Floats, float, float, bool]:
    real_row, fake_row = pair
    faces = stream.faces
    real, landmarks = stored_crop(faces, real_row)
    fake = real if fake_row < 0 else stored_crop(faces, fake_row)[0]
    geometry = faces.side_over_box_height, faces.centre_below_box_centre_over_box_height
    return real, fake, landmarks, *geometry, fake_row < 0


def stored_crop(faces: FaceSet, row: int) -> tuple[Pixels, Floats]:
    """A crop (256, 256, 3) and its landmarks (5, 2), pixels; average landmarks if unknown.

    Raises:
        DatasetError: it cannot be decoded, is not square or too small, or its landmarks lie far outside.
    """
    pixels = faces.pixels(row)
    height, width = pixels.shape[:2]
    if height != width or height < SMALLEST:
        raise DatasetError(
            f"crop {faces.rows[row].name} of {faces.folder} has {width} x {height} pixels: it must be a square of "
            f"{SMALLEST} or more"
        )
    landmarks = faces.landmarks(row, side=height) / np.float32(height)
    if landmarks.min() < -1 or landmarks.max() > 2:
        raise DatasetError(
            f"crop {faces.rows[row].name} of {faces.folder} has landmarks far outside of it: prepare it again"
        )
    if height != STORED_SIZE:
        how = cv2.INTER_AREA if height > STORED_SIZE else cv2.INTER_CUBIC
        pixels = np.asarray(cv2.resize(pixels, (STORED_SIZE, STORED_SIZE), interpolation=how), np.uint8)
    return pixels, landmarks * np.float32(STORED_SIZE)
